#include "emulator/device/loaded_module.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "emulator/decoder/program_decoder.h"
#include "emulator/machine/fault_report.h"

namespace slipstream::emulator {

const Program& Kernel::program() const {
  if (program_ == nullptr) {
    program_ = decode_program(module_.modules(), function_, [this](const ptx::Variable& variable) {
      return module_.address_of(variable);
    });
  }
  return *program_;
}

uint32_t Kernel::device() const { return module_.device(); }

KernelAttributes Kernel::attributes() const {
  const Program& decoded = program();
  const ptx::PerformanceDirectives& directives = function_.directives;
  KernelAttributes attributes;
  attributes.static_shared_bytes = decoded.static_shared_bytes;
  attributes.const_bytes = module_.const_bytes();
  attributes.local_bytes = decoded.local_bytes;
  const auto threads_of = [](const std::array<uint32_t, 3>& dim) {
    return std::max(dim[0], 1U) * std::max(dim[1], 1U) * std::max(dim[2], 1U);
  };
  if (directives.maxntid[0] != 0) {
    attributes.max_threads_per_cta =
        std::min(threads_of(directives.maxntid), Limits::kMaxThreadsPerCta);
  } else if (directives.reqntid[0] != 0) {
    attributes.max_threads_per_cta = threads_of(directives.reqntid);
  }
  // ptxas schedules for latency and so uses more registers than are live at once; never more than
  // fit.
  const uint32_t fitting = Limits::kRegistersPerSm / attributes.max_threads_per_cta;
  attributes.registers = std::min({decoded.functions.front().live_registers + 8, fitting, 255U});
  attributes.ptx_version = module_.modules().module_of(function_).version;
  attributes.parameter_bytes = decoded.parameter_bytes;
  attributes.required_cluster = {directives.reqnctapercluster[0], directives.reqnctapercluster[1],
                                 directives.reqnctapercluster[2]};
  attributes.uses_griddepcontrol_wait = decoded.waits_for_grids;
  return attributes;
}

template <class Function>
void LoadedModule::for_each_variable(Function function) const {
  const auto in_memory = [](const ptx::Variable& variable) {
    return variable.space == ptx::Space::kGlobal || variable.space == ptx::Space::kConst;
  };
  const auto visit = [&](const ptx::Variable& variable) {
    if (in_memory(variable) && &modules_.definition(variable) == &variable) function(variable);
  };
  for (const auto& module : modules_.all()) {
    for (const ptx::Variable& variable : module->variables) visit(variable);
    for (const ptx::Function& owner : module->functions) {
      for (const ptx::Variable& variable : owner.variables) visit(variable);
    }
  }
}

LoadedModule::LoadedModule(LinkedModules::Modules modules, GlobalMemory& memory, uint32_t device,
                           const LoadedModule* first)
    : modules_(std::move(modules)), memory_(memory), device_(device) {
  for (const auto& module : modules_.all()) {
    for (const ptx::Function& function : module->functions) {
      if (function.is_entry && function.has_body) {
        kernels_.try_emplace(function.name, std::make_unique<Kernel>(*this, function));
      }
    }
  }
  for_each_variable([&](const ptx::Variable& variable) { allocate(variable, first); });
  // Initializers hold addresses of other variables, so all must have one first.
  for_each_variable([this](const ptx::Variable& variable) { initialize(variable); });
}

LoadedModule::~LoadedModule() {
  for (const auto& [variable, address] : addresses_) {
    if (!borrowed_.contains(variable)) memory_.release(address);
  }
}

void LoadedModule::allocate(const ptx::Variable& variable, const LoadedModule* first) {
  if (variable.size == 0) return;
  const bool is_managed = variable.attribute.find(".managed") != std::string_view::npos;
  if (is_managed && first != nullptr) {
    addresses_[&variable] = first->address_of(variable);
    borrowed_.insert(&variable);
    return;
  }
  const uint64_t address =
      memory_.allocate(variable.size, is_managed ? MemoryKind::kManaged : MemoryKind::kModule,
                       fmt::format("variable {}", demangle(variable.name)), device_);
  if (address == 0) {
    throw LaunchError(
        CudaError::kMemoryAllocation,
        fmt::format("no room for variable {} of {} bytes", variable.name, variable.size));
  }
  addresses_[&variable] = address;
  const_bytes_ += variable.space == ptx::Space::kConst ? static_cast<uint32_t>(variable.size) : 0;
}

void LoadedModule::initialize(const ptx::Variable& variable) {
  if (variable.size == 0 || borrowed_.contains(&variable)) return;
  auto* const bytes = reinterpret_cast<uint8_t*>(addresses_.at(&variable));
  std::copy(variable.initializer.begin(), variable.initializer.end(), bytes);
  for (const ptx::Relocation& relocation : variable.relocations) {
    const uint64_t target = relocation.function != nullptr
                                ? function_address(modules_, *relocation.function)
                                : address_of(*relocation.variable);
    const uint64_t value = (target + static_cast<uint64_t>(relocation.addend)) >> relocation.shift;
    std::memcpy(bytes + relocation.offset, &value, relocation.width);
  }
}

const Kernel* LoadedModule::find_kernel(std::string_view name) const {
  const auto found = kernels_.find(name);
  return found == kernels_.end() ? nullptr : found->second.get();
}

uint64_t LoadedModule::address_of(const ptx::Variable& variable) const {
  const auto found = addresses_.find(&modules_.definition(variable));
  if (found == addresses_.end()) {
    throw LaunchError(
        CudaError::kNotSupported,
        fmt::format("variable {} is declared, and no module of the program defines it",
                    variable.name));
  }
  return found->second;
}

std::optional<Symbol> LoadedModule::find_symbol(std::string_view name) const {
  for (const auto& module : modules_.all()) {
    const ptx::Variable* const variable = module->find_variable(name);
    const auto found =
        variable == nullptr ? addresses_.end() : addresses_.find(&modules_.definition(*variable));
    if (found != addresses_.end()) return Symbol{found->second, found->first->size};
  }
  return std::nullopt;
}

}  // namespace slipstream::emulator
