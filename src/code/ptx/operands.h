// An instruction's operands, from "%r1" to "[%rd4+16]" and "{%r1, _}".
#pragma once

#include <cstdint>
#include <vector>

#include "code/ptx/cursor.h"
#include "code/ptx/module.h"
#include "code/ptx/scope.h"

namespace slipstream::ptx {

class OperandParser {
 public:
  OperandParser(Cursor& cursor, ScopeStack& scopes, Function& function)
      : cursor_(cursor), scopes_(scopes), function_(function) {}

  // Reads operands up to the semicolon and appends them to the function's pool. In a call,
  // parentheses hold a list of operands; elsewhere they hold a constant.
  void parse_all(Instruction& instruction, bool is_call);

  // Appends operands to the pool and returns the index of the first. Names that are not declared
  // become labels that the innermost scope still has to find.
  uint32_t append(const std::vector<Operand>& operands);

 private:
  Operand parse(uint32_t depth);
  Operand parse_one(uint32_t depth);
  Operand parse_address(uint32_t depth);
  Operand parse_children(OperandKind kind, char open, char close, uint32_t depth);
  Operand parse_pair(Operand first, uint32_t depth);
  Operand parse_name();
  Operand parse_constant();
  Operand resolve(std::string_view name);
  void parse_component(Operand& operand);
  int64_t parse_offset();
  void set_children(Operand& operand, const std::vector<Operand>& children);

  Cursor& cursor_;
  ScopeStack& scopes_;
  Function& function_;
  bool is_call_ = false;
  std::vector<Operand> scratch_;
};

}  // namespace slipstream::ptx
