// The body of a function: declarations, labels and instructions in nested braces.
#pragma once

#include <cstdint>

#include "code/ptx/cursor.h"
#include "code/ptx/locations.h"
#include "code/ptx/module.h"
#include "code/ptx/opcode_table.h"
#include "code/ptx/operands.h"
#include "code/ptx/scope.h"

namespace slipstream::ptx {

class FunctionParser {
 public:
  FunctionParser(Cursor& cursor, ScopeStack& scopes, OpcodeTable& opcodes, LocationTable& locations,
                 Function& function)
      : cursor_(cursor),
        scopes_(scopes),
        opcodes_(opcodes),
        locations_(locations),
        function_(function),
        operands_(cursor, scopes, function) {}

  // Called after the opening brace of the body, with the function's parameters in the innermost
  // scope; reads up to and including the closing brace.
  void parse_body();

 private:
  void parse_statement();
  void parse_directive();
  void parse_registers();
  void declare_register(std::string_view name, Type type, uint32_t vector);
  void declare_register_range(std::string_view prefix, Type type, uint32_t vector);
  uint32_t add_registers(const RegisterDeclaration& declaration);
  Variable* declare_variable(const Variable& variable);
  void parse_guard(Instruction& instruction);
  void parse_instruction(Instruction instruction, std::string_view opcode, uint32_t start);
  void parse_labelled(std::string_view label);
  void parse_call_prototype(std::string_view name);
  void parse_targets(std::string_view name, bool are_functions);
  void open_scope();
  void close_scope();
  void resolve(const Scope::PendingLabel& pending, uint32_t instruction);
  void declare(std::string_view name, Symbol symbol);

  Cursor& cursor_;
  ScopeStack& scopes_;
  OpcodeTable& opcodes_;
  LocationTable& locations_;
  Function& function_;
  OperandParser operands_;
  uint32_t location_ = 0;
};

}  // namespace slipstream::ptx
