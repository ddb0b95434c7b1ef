// libtorch's process-wide switches: version, threads, seeds, CUDA.
#include "common.h"
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <dlfcn.h>
#include <torch/version.h>
#include <cstdlib>
#include <mutex>
#include <thread>
#ifdef __GLIBC__
#include <malloc.h>
#endif

extern "C" {

void polytask_free(char* text) { free(text); }

const char* polytask_version() { return TORCH_VERSION; }

// The file that libtorch's CPU part was loaded from.
int polytask_library(Sink sink, void* context, char** error) {
  return guarded(error, [&] {
    Dl_info info;
    if (!dladdr(reinterpret_cast<void*>(&at::globalContext), &info) || !info.dli_fname)
      throw std::runtime_error("the loader does not say where libtorch was loaded from");
    sink(context, info.dli_fname, strlen(info.dli_fname));
  });
}

// Loading libtorch_cuda registers CUDA with the libtorch that is there already.
int polytask_open_library(const char* path, char** error) {
  return guarded(error, [&] {
    if (!dlopen(path, RTLD_NOW | RTLD_GLOBAL)) throw std::runtime_error(dlerror());
  });
}

int polytask_deterministic_cuda(char** error) {
  return guarded(error, [&] {
    auto& context = at::globalContext();
    // An operation that has no deterministic form warns: half of all vision models have one (adaptive pooling).
    context.setDeterministicAlgorithms(true, /*warn_only=*/true);
    context.setDeterministicFillUninitializedMemory(false);
    context.setDeterministicCuDNN(true);
    context.setBenchmarkCuDNN(false);
    using at::Float32Backend;
    using at::Float32Op;
    for (auto op : {Float32Op::MATMUL, Float32Op::CONV, Float32Op::RNN})
      context.setFloat32Precision(Float32Backend::CUDA, op, at::Float32Precision::IEEE);
  });
}

static void seed(at::Device device, uint64_t value) {
  auto generator = at::globalContext().defaultGenerator(device);
  std::lock_guard<std::mutex> lock(generator.mutex());
  generator.set_current_seed(value);
}

// `devices` CUDA devices are seeded too. at::manual_seed would ask for CUDA before it may be loaded.
int polytask_seed(uint64_t value, int devices, char** error) {
  return guarded(error, [&] {
    seed(at::Device(at::kCPU), value);
    for (int i = 0; i < devices; ++i) seed(at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(i)), value);
  });
}

int polytask_threads(int count, char** error) {
  return guarded(error, [&] {
    at::set_num_threads(count);
    // The inter-op pool takes its size once; nothing here uses it afterwards, so a later size is of no consequence.
    static std::once_flag once;
    std::call_once(once, [&] {
      try {
        at::set_num_interop_threads(count);
      } catch (const std::exception&) {
      }
    });
  });
}

int polytask_flush_denormals(int on) { return at::globalContext().setFlushDenormal(on != 0); }

int polytask_keep_memory() {
#ifdef __GLIBC__
  // Older versions take no more than half of an arena's heap, 32 MiB.
  const int threshold = mallopt(M_MMAP_THRESHOLD, 256 << 20) ? 256 : mallopt(M_MMAP_THRESHOLD, 32 << 20) ? 32 : 0;
  return threshold && mallopt(M_TRIM_THRESHOLD, 512 << 20) ? threshold : 0;
#else
  return 0;
#endif
}

void polytask_release_memory() {
#ifdef __GLIBC__
  mallopt(M_TRIM_THRESHOLD, 0);
  malloc_trim(0);
  // The end of another thread's arena stays, up to 64 MiB, until something is freed there. The arena of a thread that has
  // ended, such as the one that made the last run's batches, passes to the next thread.
  try {
    std::thread([] {
      void* volatile block = malloc(1 << 17);
      free(block);
    }).join();
  } catch (const std::exception&) {
  }
  polytask_keep_memory();
#endif
}

int polytask_is_alone(const at::Tensor* tensor) {
  return tensor->use_count() == 1 && tensor->storage().use_count() == 1;
}

}  // extern "C"
