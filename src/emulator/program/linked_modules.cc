#include "emulator/program/linked_modules.h"

#include <utility>

namespace slipstream::emulator {
namespace {

bool is_seen(ptx::Linkage linkage) {
  return linkage != ptx::Linkage::kLocal && linkage != ptx::Linkage::kExtern;
}

// Of weak definitions, which are all the same, the first counts.
template <class Symbol>
const Symbol& find_definition(
    const std::unordered_map<std::string_view, const Symbol*>& definitions, const Symbol& symbol) {
  if (symbol.linkage == ptx::Linkage::kLocal) return symbol;
  const auto found = definitions.find(symbol.name);
  return found == definitions.end() ? symbol : *found->second;
}

}  // namespace

LinkedModules::LinkedModules(Modules modules) : modules_(std::move(modules)) {
  for (const auto& module : modules_) {
    for (const ptx::Function& function : module->functions) {
      places_[&function] = {module.get(), places_.size()};
      if (function.has_body && is_seen(function.linkage))
        functions_.try_emplace(function.name, &function);
    }
    for (const ptx::Variable& variable : module->variables) {
      if (is_seen(variable.linkage)) variables_.try_emplace(variable.name, &variable);
    }
  }
}

const ptx::Function& LinkedModules::definition(const ptx::Function& function) const {
  return function.has_body ? function : find_definition(functions_, function);
}

const ptx::Variable& LinkedModules::definition(const ptx::Variable& variable) const {
  return find_definition(variables_, variable);
}

const ptx::Module& LinkedModules::module_of(const ptx::Function& function) const {
  return *places_.at(&function).module;
}

}  // namespace slipstream::emulator
