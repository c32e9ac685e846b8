#include "emulator/runtime/registry.h"

#include <fmt/format.h>

#include <algorithm>

#include "emulator/runtime/error.h"
#include "emulator/runtime/image.h"
#include "emulator/runtime/memory.h"
#include "emulator/runtime/runtime.h"

namespace slipstream::emulator::runtime {

Registry& registry() {
  static auto* all = new Registry;  // outlives every static object of the program
  return *all;
}

FatBinary* Registry::add_binary(const void* image) {
  FatBinary& binary = binaries_.emplace_back();
  binary.image = image;
  return &binary;
}

void Registry::remove_binary(FatBinary* binary) {
  for (Function& function : binary->functions) {
    functions_.erase(&function);
    const auto found = functions_.find(function.host_address);
    if (found != functions_.end() && found->second == &function) functions_.erase(found);
  }
  for (const Variable& variable : binary->variables) variables_.erase(variable.host_address);
  if (binary->module != nullptr) {
    run_all();  // its kernels may still be queued
    device().unload_module(binary->module);
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

FatBinary* Registry::add_library(std::shared_ptr<const ptx::Module> module) {
  FatBinary& library = binaries_.emplace_back();
  library.library = std::move(module);
  for (const ptx::Function& entry : library.library->functions) {
    if (!entry.is_entry || !entry.has_body) continue;
    Function& function = library.functions.emplace_back();
    function.binary = &library;
    function.name = entry.name;
    functions_[&function] = &function;
  }
  return &library;
}

FatBinary& Registry::library(const void* handle) {
  const auto found = std::ranges::find_if(binaries_, [&](const FatBinary& binary) {
    return &binary == handle && binary.library != nullptr;
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
  const auto found = device().find_symbol(module(library), name);
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

LoadedModule* Registry::module(FatBinary& binary) {
  if (binary.module != nullptr) return binary.module;
  if (binary.library != nullptr) {
    binary.module = device().load_module({binary.library});
  } else {
    binary.module = device().load_module(load_images(binary.image));
  }
  return binary.module;
}

const Kernel* Registry::kernel(Function& function) {
  if (function.kernel != nullptr) return function.kernel;
  function.kernel = device().find_kernel(module(*function.binary), function.name);
  if (function.kernel == nullptr) {
    throw ApiError(cudaErrorInvalidDeviceFunction,
                   fmt::format("the embedded PTX has no kernel {}", function.name));
  }
  return function.kernel;
}

Symbol Registry::symbol(const Variable& variable) {
  const auto found = device().find_symbol(module(*variable.binary), variable.name);
  if (!found.has_value()) {
    throw ApiError(cudaErrorInvalidSymbol,
                   fmt::format("the embedded PTX has no variable {}", variable.name));
  }
  return *found;
}

void Registry::initialize_managed(FatBinary* binary) {
  for (const Variable& variable : binary->variables) {
    if (variable.managed_pointer == nullptr) continue;
    *variable.managed_pointer = pointer_to(symbol(variable).address);
    variables_[*variable.managed_pointer] = &const_cast<Variable&>(variable);
  }
}

void Registry::unload_all() {
  for (FatBinary& binary : binaries_) {
    binary.module = nullptr;
    for (Function& function : binary.functions) function.kernel = nullptr;
  }
}

}  // namespace slipstream::emulator::runtime
