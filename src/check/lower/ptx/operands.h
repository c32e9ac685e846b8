// Operands of PTX instructions, as operands of the checker's form.
#pragma once

#include <map>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "check/lower/ir.h"
#include "code/ptx/module.h"

namespace slipstream::check::from_ptx {

namespace tree = slipstream::ptx;

// One activation of a function that is lowered in place: where its registers start, and which
// registers stand for the parameter variables it shares with its caller.
struct Frame {
  const tree::Function* function = nullptr;
  uint32_t first_register = 0;
  bool is_entry = false;
  std::unordered_map<const tree::Variable*, const tree::Variable*> aliases;
};

class OperandReader {
 public:
  OperandReader(const tree::Module& module, Function& function)
      : module_(module), function_(function) {}

  // Gives the frame registers of its own.
  void enter(Frame& frame);

  Operand value(const Frame& frame, const tree::Operand& operand);
  // The base of a memory operand. Of variables, their address.
  Operand address(const Frame& frame, const tree::Operand& operand);
  // The same in parts that add up to the address of the operand itself.
  std::vector<Operand> address_parts(const Frame& frame, const tree::Operand& operand);
  // Where ld.param and st.param of `operand` read and write: a kernel parameter, or the register
  // that stands for eight bytes of a call's parameter.
  Operand parameter_word(const Frame& frame, const tree::Operand& operand);
  // The register that stands for all of shared memory.
  uint32_t shared_cell() {
    if (shared_cell_ == kNone) shared_cell_ = function_.register_count++;
    return shared_cell_;
  }
  uint32_t reg(const Frame& frame, const tree::Operand& operand) const {
    return frame.first_register + operand.index;
  }

  // Registers that hold an address in the parameter block, as the code is walked from top to
  // bottom: nvcc adds offsets to one of them, and loads parameters through it.
  void remember_parameter_address(uint32_t reg, int64_t offset) {
    parameter_addresses_[reg] = offset;
  }
  void forget_parameter_address(uint32_t reg) { parameter_addresses_.erase(reg); }
  // The byte in the parameter block that `operand` is the address of.
  std::optional<int64_t> parameter_address(const Operand& operand) const;

 private:
  Operand address_of(const tree::Variable& variable, int64_t offset);
  Operand special(std::string_view name) const;

  const tree::Module& module_;
  Function& function_;
  uint32_t shared_cell_ = kNone;
  std::map<std::pair<const tree::Variable*, int64_t>, uint32_t> cells_;
  std::unordered_map<const tree::Variable*, uint32_t> variables_;
  std::unordered_map<const tree::Variable*, uint32_t> shared_variables_;
  std::unordered_map<uint32_t, int64_t> parameter_addresses_;
};

}  // namespace slipstream::check::from_ptx
