#include "emulator/program/link_problems.h"

#include <fmt/format.h>

#include <set>
#include <unordered_map>

namespace slipstream::emulator {
namespace {

class Problems {
 public:
  Problems(const LinkedModules& modules, const std::function<bool(std::string_view)>& is_provided)
      : modules_(modules), is_provided_(is_provided) {
    for (const auto& module : modules.all()) look_at(*module);
  }

  std::vector<std::string> take() { return std::move(sentences_); }

 private:
  void look_at(const ptx::Module& module) {
    module_ = &module;
    missing_.clear();
    for (const ptx::Function& function : module.functions) {
      if (!function.has_body) continue;
      define(function.name, function.linkage);
      for (const ptx::Operand& operand : function.operands) use(operand);
    }
    for (const ptx::Variable& variable : module.variables) {
      if (is_global(variable)) define(variable.name, variable.linkage);
      for (const ptx::Relocation& relocation : variable.relocations) {
        if (relocation.function != nullptr) use(*relocation.function);
        if (relocation.variable != nullptr) use(*relocation.variable);
      }
    }
  }

  // Shared memory of another module's, which has no size here, is the launch's dynamic shared memory.
  static bool is_global(const ptx::Variable& variable) {
    return variable.space == ptx::Space::kGlobal || variable.space == ptx::Space::kConst;
  }

  void define(std::string_view name, ptx::Linkage linkage) {
    if (linkage != ptx::Linkage::kVisible) return;
    const auto [first, is_new] = defined_in_.try_emplace(name, module_);
    if (is_new) return;
    sentences_.push_back(fmt::format("multiple definition of '{}' in '{}', first defined in '{}'",
                                     name, module_->name, first->second->name));
  }

  void use(const ptx::Operand& operand) {
    const bool names_variable =
        operand.kind == ptx::OperandKind::kSymbol ||
        (operand.kind == ptx::OperandKind::kAddress && operand.base == ptx::AddressBase::kVariable);
    if (operand.kind == ptx::OperandKind::kFunction) use(*operand.function);
    if (names_variable) use(*operand.variable);
  }

  void use(const ptx::Function& function) {
    if (!modules_.definition(function).has_body && !is_provided_(function.name)) {
      miss(function.name);
    }
  }

  void use(const ptx::Variable& variable) {
    if (is_global(variable) && modules_.definition(variable).linkage == ptx::Linkage::kExtern) {
      miss(variable.name);
    }
  }

  void miss(std::string_view name) {
    if (!missing_.insert(name).second) return;
    sentences_.push_back(fmt::format("undefined reference to '{}' in '{}'", name, module_->name));
  }

  const LinkedModules& modules_;
  const std::function<bool(std::string_view)>& is_provided_;
  const ptx::Module* module_ = nullptr;  // that is looked at
  std::set<std::string_view> missing_;   // in it
  std::unordered_map<std::string_view, const ptx::Module*> defined_in_;
  std::vector<std::string> sentences_;
};

}  // namespace

std::vector<std::string> link_problems(const LinkedModules& modules,
                                       const std::function<bool(std::string_view)>& is_provided) {
  return Problems(modules, is_provided).take();
}

}  // namespace slipstream::emulator
