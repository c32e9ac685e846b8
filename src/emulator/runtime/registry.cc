#include "emulator/runtime/registry.h"

#include <fmt/format.h>

#include <algorithm>

#include "emulator/runtime/error.h"
#include "emulator/runtime/image.h"
#include "emulator/runtime/memory.h"
#include "emulator/runtime/runtime.h"

namespace slipstream::emulator::runtime {
namespace {

bool has_managed_variables(const std::shared_ptr<const ptx::Module>& module) {
  return std::ranges::any_of(module->variables, [](const ptx::Variable& variable) {
    return variable.attribute.find(".managed") != std::string_view::npos;
  });
}

}  // namespace

Registry& registry() {
  static auto* all = new Registry;  // outlives every static object of the program
  return *all;
}

FatBinary* Registry::add_binary(const void* image) {
  FatBinary& binary = binaries_.emplace_back();
  binary.image = image;
  return &binary;
}

void Registry::remove_binary(FatBinary* binary, Removal removal) {
  for (Function& function : binary->functions) {
    functions_.erase(&function);
    const auto found = functions_.find(function.host_address);
    if (found != functions_.end() && found->second == &function) functions_.erase(found);
  }
  for (const Variable& variable : binary->variables) variables_.erase(variable.host_address);
  for (uint32_t number = 0; number < kMaxDevices; ++number) {
    LoadedModule* const module = binary->modules.at(number);
    if (module == nullptr) continue;
    // Its kernels may still be queued.
    removal == Removal::kExit ? run_or_drop_all(number) : run_all(number);
    device().unload_module(module);
  }
  std::erase_if(binaries_, [&](const FatBinary& held) { return &held == binary; });
}

Function& Registry::add_function(FatBinary* binary, const void* host_address, const char* name) {
  Function& function = binary->functions.emplace_back();
  function.binary = binary;
  function.host_address = host_address;
  function.name = name;
  functions_[host_address] = &function;
  functions_[&function] = &function;
  return function;
}

Variable& Registry::add_variable(FatBinary* binary, const void* host_address, const char* name,
                                 uint64_t size, bool constant) {
  Variable& variable = binary->variables.emplace_back();
  variable.binary = binary;
  variable.host_address = host_address;
  variable.name = name;
  variable.size = size;
  variable.constant = constant;
  variables_[host_address] = &variable;
  return variable;
}

FatBinary* Registry::add_library(PtxModules modules) {
  FatBinary& library = binaries_.emplace_back();
  library.library = std::move(modules);
  for (const auto& module : library.library) {
    for (const ptx::Function& entry : module->functions) {
      if (entry.is_entry && entry.has_body) add_kernel(library, entry.name);
    }
  }
  return &library;
}

void Registry::add_kernel(FatBinary& library, std::string_view name) {
  Function& function = library.functions.emplace_back();
  function.binary = &library;
  function.name = name;
  functions_[&function] = &function;
}

FatBinary& Registry::library(const void* handle) {
  const auto found = std::ranges::find_if(binaries_, [&](const FatBinary& binary) {
    return &binary == handle && !binary.library.empty();
  });
  require(found != binaries_.end(), cudaErrorInvalidResourceHandle);
  return *found;
}

Function& Registry::kernel_of(FatBinary& library, std::string_view name) {
  const auto found = std::ranges::find(library.functions, name, &Function::name);
  if (found == library.functions.end()) {
    throw ApiError(cudaErrorSymbolNotFound, fmt::format("the library has no kernel {}", name));
  }
  return *found;
}

Symbol Registry::symbol_of(FatBinary& library, std::string_view name) {
  const auto found = device().find_symbol(module(library, current_device()), name);
  if (!found.has_value()) {
    throw ApiError(cudaErrorSymbolNotFound, fmt::format("the library has no variable {}", name));
  }
  return *found;
}

Function& Registry::function(const void* handle, cudaError_t otherwise) {
  const auto found = functions_.find(handle);
  require(found != functions_.end(), otherwise);
  return *found->second;
}

Variable& Registry::variable(const void* symbol) {
  const auto found = variables_.find(symbol);
  require(found != variables_.end(), cudaErrorInvalidSymbol);
  return *found->second;
}

LoadedModule* Registry::module(FatBinary& binary, uint32_t number) {
  LoadedModule*& loaded = binary.modules.at(number);
  if (loaded != nullptr) return loaded;
  if (binary.parsed.empty()) {
    binary.parsed = binary.library.empty() ? load_images(binary.image) : binary.library;
  }
  // Managed variables are there once: on the first device.
  const bool shares = number != 0 && std::ranges::any_of(binary.parsed, has_managed_variables);
  const LoadedModule* const first = shares ? module(binary, 0) : nullptr;
  loaded = device().load_module(binary.parsed, number, first);
  return loaded;
}

const Kernel* Registry::kernel(Function& function, uint32_t number) {
  const Kernel*& kernel = function.on(number).kernel;
  if (kernel != nullptr) return kernel;
  if (const auto owner = function.binary->only_on; owner.has_value() && owner != number) {
    throw ApiError(
        cudaErrorDeviceUninitialized,
        fmt::format("{} is of a module that was loaded on device {}, the current device is {}",
                    function.name, *owner, number));
  }
  kernel = device().find_kernel(module(*function.binary, number), function.name);
  if (kernel == nullptr) {
    throw ApiError(cudaErrorInvalidDeviceFunction,
                   fmt::format("the embedded PTX has no kernel {}", function.name));
  }
  return kernel;
}

Symbol Registry::symbol(const Variable& variable, uint32_t number) {
  const auto found = device().find_symbol(module(*variable.binary, number), variable.name);
  if (!found.has_value()) {
    throw ApiError(cudaErrorInvalidSymbol,
                   fmt::format("the embedded PTX has no variable {}", variable.name));
  }
  return *found;
}

void Registry::initialize_managed(FatBinary* binary) {
  for (const Variable& variable : binary->variables) {
    if (variable.managed_pointer == nullptr) continue;
    *variable.managed_pointer = pointer_to(symbol(variable, 0).address);
    variables_[*variable.managed_pointer] = &const_cast<Variable&>(variable);
  }
}

void Registry::unload_all(uint32_t number) {
  for (FatBinary& binary : binaries_) {
    binary.modules.at(number) = nullptr;
    for (Function& function : binary.functions) function.on(number).kernel = nullptr;
  }
}

}  // namespace slipstream::emulator::runtime
