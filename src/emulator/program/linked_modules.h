// The PTX modules of one program, linked by name, as nvlink links relocatable device code (-rdc=true). One module alone
// is linked with itself.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "code/ptx/module.h"

namespace slipstream::emulator {

class LinkedModules {
 public:
  using Modules = std::vector<std::shared_ptr<const ptx::Module>>;

  explicit LinkedModules(Modules modules);

  const Modules& all() const { return modules_; }
  // What a declaration stands for: the definition in whichever module has it, or the declaration if none has.
  const ptx::Function& definition(const ptx::Function& function) const;
  const ptx::Variable& definition(const ptx::Variable& variable) const;
  const ptx::Module& module_of(const ptx::Function& function) const;
  // Counts the functions of all modules.
  uint64_t index_of(const ptx::Function& function) const { return places_.at(&function).index; }

 private:
  struct Place {
    const ptx::Module* module = nullptr;
    uint64_t index = 0;
  };

  Modules modules_;
  std::unordered_map<std::string_view, const ptx::Function*>
      functions_;  // with a body, seen by other modules
  std::unordered_map<std::string_view, const ptx::Variable*> variables_;  // that are not extern
  std::unordered_map<const ptx::Function*, Place> places_;
};

}  // namespace slipstream::emulator
