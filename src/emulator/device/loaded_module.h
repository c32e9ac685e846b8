// PTX modules of one program on the device: their variables have addresses, their kernels are decoded when needed.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "emulator/device/device.h"
#include "emulator/machine/global_memory.h"
#include "emulator/program/linked_modules.h"
#include "emulator/program/program.h"

namespace slipstream::emulator {

class Kernel {
 public:
  Kernel(LoadedModule& module, const ptx::Function& function)
      : module_(module), function_(function) {}

  const ptx::Function& function() const { return function_; }
  uint32_t device() const;
  // Decodes on first use. Throws LaunchError, each time, where that fails.
  const Program& program() const;
  KernelAttributes attributes() const;

 private:
  LoadedModule& module_;
  const ptx::Function& function_;
  mutable std::unique_ptr<Program> program_;
};

class LoadedModule {
 public:
  // Managed variables are those of `first`, if there is one.
  LoadedModule(LinkedModules::Modules modules, GlobalMemory& memory, uint32_t device,
               const LoadedModule* first);
  ~LoadedModule();
  LoadedModule(const LoadedModule&) = delete;
  LoadedModule& operator=(const LoadedModule&) = delete;

  uint32_t device() const { return device_; }
  const LinkedModules& modules() const { return modules_; }
  const Kernel* find_kernel(std::string_view name) const;
  std::optional<Symbol> find_symbol(std::string_view name) const;
  uint64_t address_of(const ptx::Variable& variable) const;
  uint32_t const_bytes() const { return const_bytes_; }

 private:
  void allocate(const ptx::Variable& variable, const LoadedModule* first);
  void initialize(const ptx::Variable& variable);
  template <class Function>
  void for_each_variable(Function function) const;

  LinkedModules modules_;
  GlobalMemory& memory_;
  uint32_t device_;
  std::unordered_map<const ptx::Variable*, uint64_t> addresses_;
  std::unordered_set<const ptx::Variable*>
      borrowed_;  // managed variables of another device's module
  std::unordered_map<std::string_view, std::unique_ptr<Kernel>> kernels_;
  uint32_t const_bytes_ = 0;
};

}  // namespace slipstream::emulator
