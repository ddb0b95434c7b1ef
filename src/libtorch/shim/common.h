// What every file of the shim shares: handles, callbacks, and errors as text.
#pragma once
#include <ATen/ATen.h>
#include <cstring>
#include <exception>
#include <string>
#include <vector>

// torch-sys' convention: a tensor handle is an at::Tensor on the heap.
using Handle = at::Tensor*;
// Bytes handed to Rust, which copies them; a long text may come in pieces.
using Sink = void (*)(void* context, const char* data, size_t size);
// A named tensor handed to Rust, which owns the handle.
using Visit = void (*)(void* context, const char* name, size_t size, Handle tensor);

// An error goes out through *error (freed by polytask_free), without the C++ backtrace.
template <class Body>
int guarded(char** error, Body body) {
  try {
    body();
    return 0;
  } catch (const c10::Error& e) {
    *error = strdup(e.what_without_backtrace());
  } catch (const std::exception& e) {
    *error = strdup(e.what());
  } catch (...) {
    *error = strdup("unknown C++ exception");
  }
  return -1;
}

// tch's numbering of devices: -1 is the CPU, -2 is MPS, n is CUDA device n.
inline at::Device device_of(int device) {
  if (device == -1) return at::Device(at::kCPU);
  if (device == -2) return at::Device(at::kMPS);
  return at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(device));
}
