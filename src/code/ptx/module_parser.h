// The top level of a module: version, target, variables, functions and debug sections.
#pragma once

#include <cstdint>

#include "code/ptx/cursor.h"
#include "code/ptx/locations.h"
#include "code/ptx/module.h"
#include "code/ptx/opcode_table.h"
#include "code/ptx/scope.h"

namespace slipstream::ptx {

class Parser {
 public:
  explicit Parser(Module& module)
      : module_(module), cursor_(module.source, module.name), opcodes_(module.opcodes) {}

  void parse();

 private:
  void parse_directive();
  void parse_version();
  void parse_target();
  void parse_variable(Space space, Linkage linkage);
  Variable* declare_variable(const Variable& variable);
  void parse_function(bool is_entry, Linkage linkage);
  Function& declare_function(std::string_view name);
  void parse_signature(Function& function);
  void parse_function_directives(Function& function);
  void parse_dimensions(std::array<uint32_t, 3>& dimensions);
  void parse_body(Function& function);
  void declare_parameters(const std::deque<Variable>& parameters);

  Module& module_;
  Cursor cursor_;
  ScopeStack scopes_;
  LocationTable locations_;
  OpcodeTable opcodes_;
};

}  // namespace slipstream::ptx
