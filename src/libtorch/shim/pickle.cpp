// A state_dict as torch.save writes it, and torch.load(weights_only=True) reads it.
#include "common.h"
#include <ATen/core/grad_mode.h>
#include <caffe2/serialize/inline_container.h>
#include <torch/csrc/jit/serialization/pickle.h>
#include <torch/csrc/jit/serialization/pickler.h>

extern "C" int polytask_state_dict_save(const char* const* names, const Handle* tensors, size_t count, Sink sink,
                                        void* context, char** error) {
  return guarded(error, [&] {
    at::NoGradGuard no_grad;
    c10::Dict<std::string, at::Tensor> dict;
    // A view would take its whole buffer into the file.
    for (size_t i = 0; i < count; ++i)
      dict.insert(names[i], tensors[i]->detach().to(at::kCPU).clone(at::MemoryFormat::Contiguous));
    std::string pickle;
    // Without tags of element types: weights_only does not know the function that restores them.
    torch::jit::Pickler pickler([&](const char* data, size_t size) { pickle.append(data, size); }, nullptr, nullptr,
                                nullptr, nullptr, /*tag_aggregates=*/false);
    pickler.protocol();
    pickler.pushIValue(at::IValue(dict));
    pickler.stop();

    caffe2::serialize::PyTorchStreamWriter writer([&](const void* data, size_t size) {
      sink(context, static_cast<const char*>(data), size);
      return size;
    });
    writer.writeRecord("data.pkl", pickle.data(), pickle.size());
    writer.writeRecord("byteorder", "little", 6);
    size_t key = 0;
    for (const auto& tensor : pickler.tensorData()) {
      const auto data = torch::jit::getWriteableTensorData(tensor);
      writer.writeRecord("data/" + std::to_string(key++), data.data(), data.sizeInBytes());
    }
    writer.writeEndOfFile();
  });
}
