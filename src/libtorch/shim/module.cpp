// TorchScript modules: load, run, look into, build, save.
#include "common.h"
#include <ATen/core/grad_mode.h>
#include <caffe2/serialize/in_memory_adapter.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/csrc/jit/serialization/export.h>
#include <torch/csrc/jit/serialization/import.h>
#include <torch/csrc/jit/serialization/pickle.h>
#include <sstream>

using torch::jit::Module;
using Unit = std::shared_ptr<torch::jit::CompilationUnit>;

static at::Tensor tensor_of(const at::IValue& value, const std::string& which) {
  if (value.isTensor() && value.toTensor().defined()) return value.toTensor();
  throw std::runtime_error(which + " of forward is of type " + value.tagKind() + ", not a tensor");
}

// A copy to save: in eval mode, on the CPU, each tensor in a storage of its own (a view would take its whole buffer along).
static Module snapshot(const Module& module) {
  at::NoGradGuard no_grad;
  Module copy = module.deepcopy();  // clones tensors, which makes them compact
  const auto originals = module.attributes(), copies = copy.attributes();
  auto original = originals.begin();
  for (const at::IValue& value : copies) {
    const at::IValue from = *original;
    ++original;
    if (!value.isTensor() || !value.toTensor().defined()) continue;
    const at::Tensor tensor = value.toTensor();
    if (!tensor.is_cpu()) tensor.set_data(tensor.to(at::kCPU));
    if (from.toTensor().requires_grad()) tensor.set_requires_grad(true);
  }
  copy.train(false);
  return copy;
}

extern "C" {

Module* polytask_module_load(const char* data, size_t size, int device, char** error) {
  Module* module = nullptr;
  guarded(error, [&] {
    auto bytes = std::make_shared<caffe2::serialize::MemoryReadAdapter>(data, static_cast<off_t>(size));
    torch::jit::ExtraFilesMap none;
    module = new Module(torch::jit::load(bytes, device_of(device), none));
  });
  return module;
}

// A second owner of the same module.
Module* polytask_module_share(Module* module) { return new Module(*module); }

void polytask_module_free(Module* module) { delete module; }

int polytask_module_parameters(Module* module, Visit visit, void* context, char** error) {
  return guarded(error, [&] {
    for (const auto& item : module->named_parameters())
      visit(context, item.name.data(), item.name.size(), new at::Tensor(item.value));
  });
}

int polytask_module_buffers(Module* module, Visit visit, void* context, char** error) {
  return guarded(error, [&] {
    for (const auto& item : module->named_buffers())
      if (item.value.defined()) visit(context, item.name.data(), item.name.size(), new at::Tensor(item.value));
  });
}

// Every attribute that is neither submodule, parameter nor buffer: its dotted name, and its pickle as a tensor of bytes.
// What has no pickle (a function, an object of C++ without a state) is left out.
int polytask_module_attributes(Module* module, Visit visit, void* context, char** error) {
  return guarded(error, [&] {
    using namespace torch::jit::detail;
    for (const auto& item : module->named_modules()) {
      const auto type = item.value.type();
      for (size_t i = 0; i < type->numAttributes(); ++i) {
        const std::string& own = type->getAttributeName(i);
        const at::IValue value = item.value._ivalue()->getSlot(i);
        if (own == "training" || own == "_is_full_backward_hook" || type->getAttribute(i)->is_module() ||
            ParameterPolicy::valid(type, i, value) || BufferPolicy::valid(type, i, value))
          continue;
        std::vector<char> bytes;
        try {
          bytes = torch::jit::pickle_save(value);
        } catch (const std::exception&) {
          continue;
        }
        const std::string name = item.name.empty() ? own : item.name + '.' + own;
        const auto pickled = at::from_blob(bytes.data(), {static_cast<int64_t>(bytes.size())}, at::kByte).clone();
        visit(context, name.data(), name.size(), new at::Tensor(pickled));
      }
    }
  });
}

// Sets *named when the outputs have names. The module reads copies: it may write into its inputs. They are its first
// arguments, or where `names` is given those of these names.
int polytask_module_forward(Module* module, const Handle* inputs, const char* const* names, size_t count, Visit visit,
                            void* context, int* named, char** error) {
  return guarded(error, [&] {
    // The profiling executor rewrites the graph after its first runs: a resumed run would differ in the last bits.
    torch::jit::GraphOptimizerEnabledGuard plain(false);
    std::vector<at::IValue> arguments;
    torch::jit::Kwargs by_name;
    for (size_t i = 0; i < count; ++i) {
      if (names) by_name.emplace(names[i], inputs[i]->clone());
      else arguments.emplace_back(inputs[i]->clone());
    }
    const at::IValue result = module->forward(std::move(arguments), by_name);
    const auto emit = [&](const std::string& name, const at::IValue& value, const std::string& which) {
      visit(context, name.data(), name.size(), new at::Tensor(tensor_of(value, which)));
    };
    *named = 0;
    if (result.isGenericDict()) {
      *named = 1;
      for (const auto& item : result.toGenericDict()) {
        if (!item.key().isString()) throw std::runtime_error("the keys of forward's dictionary are not strings");
        emit(item.key().toStringRef(), item.value(), "output '" + item.key().toStringRef() + "'");
      }
    } else if (result.isTuple()) {
      const auto tuple = result.toTuple();
      const auto schema = tuple->type<c10::TupleType>()->schema(); // a NamedTuple has one
      *named = schema != nullptr;
      for (size_t i = 0; i < tuple->elements().size(); ++i)
        emit(schema ? schema->arguments()[i].name() : "", tuple->elements()[i], "output " + std::to_string(i + 1));
    } else if (result.isList()) {
      size_t i = 0;
      for (const auto& value : result.toListRef()) emit("", value, "output " + std::to_string(++i));
    } else {
      emit("", result, "the output");
    }
  });
}

int polytask_module_train(Module* module, int on, char** error) {
  return guarded(error, [&] { module->train(on != 0); });
}

// As Python's Module.to: only floating-point tensors change their kind.
int polytask_module_to(Module* module, int device, int kind, char** error) {
  return guarded(error, [&] {
    at::NoGradGuard no_grad;
    for (const at::IValue& value : module->attributes()) {
      if (!value.isTensor() || !value.toTensor().defined()) continue;
      const at::Tensor tensor = value.toTensor();
      const auto target = tensor.is_floating_point() ? static_cast<at::ScalarType>(kind) : tensor.scalar_type();
      const auto data = tensor.detach().to(device_of(device), target);
      if (!data.is_alias_of(tensor)) tensor.set_data(data);
    }
  });
}

int polytask_module_save(Module* module, const char* const* names, const char* const* texts, const size_t* sizes,
                         size_t count, Sink sink, void* context, char** error) {
  return guarded(error, [&] {
    torch::jit::ExtraFilesMap extra;
    for (size_t i = 0; i < count; ++i) extra[names[i]] = std::string(texts[i], sizes[i]);
    torch::jit::ExportModule(
        snapshot(*module),
        [&](const void* data, size_t size) {
          sink(context, static_cast<const char*>(data), size);
          return size;
        },
        extra);
  });
}

// Path and class of every submodule, the root first (its path is empty), as "PATH\0CLASS".
int polytask_module_tree(Module* module, Sink sink, void* context, char** error) {
  return guarded(error, [&] {
    for (const auto& item : module->named_modules()) {
      const std::string line = item.name + '\0' + item.value.type()->name()->qualifiedName();
      sink(context, line.data(), line.size());
    }
  });
}

int polytask_module_signature(Module* module, Sink sink, void* context, char** error) {
  return guarded(error, [&] {
    std::ostringstream out;
    out << module->get_method("forward").function().getSchema();
    const std::string text = out.str();
    sink(context, text.data(), text.size());
  });
}

// The arguments of forward without self: a name, and behind a NUL a 1 where there is a default.
int polytask_module_arguments(Module* module, Sink sink, void* context, char** error) {
  return guarded(error, [&] {
    const auto& arguments = module->get_method("forward").function().getSchema().arguments();
    for (size_t i = 1; i < arguments.size(); ++i) {
      const std::string text = arguments[i].name() + std::string(1, '\0') + (arguments[i].default_value() ? "1" : "0");
      sink(context, text.data(), text.size());
    }
  });
}

// ---- building -------------------------------------------------------------------------------------------------------

Unit* polytask_unit_new() { return new Unit(std::make_shared<torch::jit::CompilationUnit>()); }

void polytask_unit_free(Unit* unit) { delete unit; }

Module* polytask_module_new(Unit* unit, const char* class_name, char** error) {
  Module* module = nullptr;
  guarded(error, [&] {
    auto made = std::make_unique<Module>(c10::QualifiedName(class_name), *unit, /*shouldMangle=*/true);
    // What each module scripted by Python has: without them .training, .train() and torch.jit.freeze fail there.
    made->register_attribute("training", c10::BoolType::get(), true);
    made->register_attribute("_is_full_backward_hook", c10::OptionalType::create(c10::BoolType::get()), at::IValue());
    module = made.release();
  });
  return module;
}

int polytask_module_add_tensor(Module* module, const char* name, Handle tensor, int buffer, char** error) {
  return guarded(error, [&] {
    if (buffer) {
      module->register_buffer(name, *tensor);
    } else {
      module->register_parameter(name, *tensor, false);
    }
  });
}

int polytask_module_add_child(Module* module, const char* name, Module* child, char** error) {
  return guarded(error, [&] { module->register_module(name, *child); });
}

int polytask_module_define(Module* module, const char* source, char** error) {
  return guarded(error, [&] { module->define(source); });
}

}  // extern "C"
