// Operands of PTX instructions, as operands of the checker's form.
#pragma once

#include <map>
#include <string_view>
#include <unordered_map>

#include "check/ir.h"
#include "emulator/ptx/module.h"

namespace slipstream::check::ptx {

namespace tree = emulator::ptx;

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
  // Where ld.param and st.param of `operand` read and write: a kernel parameter, or the register
  // that stands for eight bytes of a call's parameter.
  Operand parameter_word(const Frame& frame, const tree::Operand& operand);
  uint32_t reg(const Frame& frame, const tree::Operand& operand) const {
    return frame.first_register + operand.index;
  }

 private:
  Operand address_of(const tree::Variable& variable, int64_t offset);
  Operand special(std::string_view name) const;

  const tree::Module& module_;
  Function& function_;
  std::map<std::pair<const tree::Variable*, int64_t>, uint32_t> cells_;
  std::unordered_map<const tree::Variable*, uint32_t> variables_;
};

}  // namespace slipstream::check::ptx
