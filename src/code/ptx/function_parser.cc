#include "code/ptx/function_parser.h"

#include <fmt/format.h>

#include "code/ptx/declarations.h"

namespace slipstream::ptx {
namespace {

constexpr size_t kDeepestScope = 256;
constexpr uint32_t kMaxRegisters = 1U << 20;

}  // namespace

void FunctionParser::parse_body() {
  const size_t outside = scopes_.depth();
  open_scope();
  while (scopes_.depth() > outside) parse_statement();
  // A name that no scope of the body has defined is not defined anywhere.
  const auto& unresolved = scopes_.innermost().pending();
  if (!unresolved.empty()) {
    cursor_.fail(fmt::format("{}, used in line {}, must be declared or be a label of {}",
                             unresolved.front().name, unresolved.front().line, function_.name));
  }
}

void FunctionParser::parse_statement() {
  switch (cursor_.peek()) {
    case '{':
      cursor_.accept('{');
      open_scope();
      return;
    case '}':
      cursor_.accept('}');
      close_scope();
      return;
    case ';':
      cursor_.accept(';');
      return;
    case '.':
      parse_directive();
      return;
    default:
      break;
  }
  const uint32_t start = cursor_.offset();
  Instruction instruction;
  instruction.line = cursor_.line();
  parse_guard(instruction);
  const std::string_view opcode = cursor_.opcode_after(cursor_.expect_word("an instruction"));
  if (instruction.guard == kNoIndex && cursor_.accept(':')) {
    parse_labelled(opcode);
  } else {
    parse_instruction(instruction, opcode, start);
  }
}

void FunctionParser::parse_guard(Instruction& instruction) {
  if (!cursor_.accept('@')) return;
  instruction.guard_negated = cursor_.accept('!');
  const std::string_view name = cursor_.expect_word("a guard predicate");
  const Symbol symbol = scopes_.find(name);
  const auto* predicate = std::get_if<RegisterName>(&symbol);
  if (predicate == nullptr || function_.register_types[predicate->index] != Type::kPred) {
    cursor_.fail(fmt::format("the guard {} must be a declared .pred register", name));
  }
  instruction.guard = predicate->index;
}

void FunctionParser::parse_instruction(Instruction instruction, std::string_view opcode,
                                       uint32_t start) {
  instruction.opcode = opcodes_.intern(opcode);
  operands_.parse_all(instruction, instruction.opcode->head == "call");
  instruction.location = location_;
  instruction.text_offset = start;
  instruction.text_length = static_cast<uint32_t>(cursor_.text_from(start).size());
  function_.instructions.push_back(instruction);
}

void FunctionParser::parse_labelled(std::string_view label) {
  if (cursor_.accept_directive("callprototype")) {
    parse_call_prototype(label);
  } else if (cursor_.accept_directive("branchtargets")) {
    parse_targets(label, false);
  } else if (cursor_.accept_directive("calltargets")) {
    parse_targets(label, true);
  } else {
    const auto here = static_cast<uint32_t>(function_.instructions.size());
    if (!scopes_.innermost().declare_label(label, here)) {
      cursor_.fail(fmt::format("the label {} must be defined once in its scope", label));
    }
    function_.labels.push_back({label, here});
  }
}

// "name : .callprototype (.param .b32 _) _ (.param .b64 _) .noreturn;"
void FunctionParser::parse_call_prototype(std::string_view name) {
  Prototype prototype;
  prototype.name = name;
  parse_parameters(cursor_, prototype.results);
  cursor_.expect_word("_");
  parse_parameters(cursor_, prototype.parameters);
  while (cursor_.peek() == '.') {
    const std::string_view directive = cursor_.directive();
    if (directive != "noreturn") {
      cursor_.fail(fmt::format("a .callprototype must not have .{}", directive));
    }
    prototype.noreturn = true;
  }
  cursor_.expect(';', "a .callprototype");
  declare(name, PrototypeName{static_cast<uint32_t>(function_.prototypes.size())});
  function_.prototypes.push_back(std::move(prototype));
}

void FunctionParser::parse_targets(std::string_view name, bool are_functions) {
  const auto index = static_cast<uint32_t>(function_.branch_targets.size());
  BranchTargets& targets = function_.branch_targets.emplace_back();
  targets.name = name;
  do {
    const std::string_view target = cursor_.expect_word("a target");
    if (!are_functions) {
      scopes_.innermost().pending().push_back(
          {.name = target,
           .operand = static_cast<uint32_t>(targets.instructions.size()),
           .targets = index,
           .line = cursor_.line()});
      targets.instructions.push_back(kNoIndex);
      continue;
    }
    const Symbol symbol = scopes_.find(target);
    const auto* function = std::get_if<Function*>(&symbol);
    if (function == nullptr) {
      cursor_.fail(fmt::format("the call target {} must be a function declared before", target));
    }
    targets.functions.push_back(*function);
  } while (cursor_.accept(','));
  cursor_.expect(';', "a list of targets");
  declare(name, BranchTargetsName{index});
}

void FunctionParser::parse_directive() {
  const std::string_view word = cursor_.directive();
  if (word == "loc") {
    location_ = locations_.parse_location(cursor_);
  } else if (word == "reg") {
    parse_registers();
  } else if (word == "pragma") {
    const auto here = static_cast<uint32_t>(function_.instructions.size());
    function_.pragmas.push_back({cursor_.quoted_string(), here});
    cursor_.expect(';', ".pragma");
  } else if (const auto space = variable_space(word)) {
    parse_variables(cursor_, scopes_, *space, Linkage::kLocal,
                    [this](const Variable& variable) { return declare_variable(variable); });
  } else {
    cursor_.fail(fmt::format("a function's body must not have .{}", word));
  }
}

void FunctionParser::declare(std::string_view name, Symbol symbol) {
  if (!scopes_.innermost().declare(name, symbol)) {
    cursor_.fail(fmt::format("{} must be declared once in its scope", name));
  }
}

Variable* FunctionParser::declare_variable(const Variable& variable) {
  Variable& kept = function_.variables.emplace_back(variable);
  kept.function = &function_;
  declare(kept.name, &kept);
  return &kept;
}

// ".reg .b32 %r<12>, a, b;"
void FunctionParser::parse_registers() {
  uint32_t vector = 1;
  Type type = Type::kNone;
  while (cursor_.peek() == '.') {
    const std::string_view word = cursor_.directive();
    if (word == "v2" || word == "v4") {
      vector = word == "v2" ? 2 : 4;
      continue;
    }
    type = type_from_name(word);
    if (type == Type::kNone || type == Type::kOpaque) {
      cursor_.fail(fmt::format("a register's type must be a scalar type, not .{}", word));
    }
  }
  if (type == Type::kNone) cursor_.fail("a register must have a type");
  do {
    const std::string_view name = cursor_.expect_word("a register's name");
    if (cursor_.peek() == '<') {
      declare_register_range(name, type, vector);
    } else {
      declare_register(name, type, vector);
    }
  } while (cursor_.accept(','));
  cursor_.expect(';', ".reg");
}

void FunctionParser::declare_register(std::string_view name, Type type, uint32_t vector) {
  const uint32_t index =
      add_registers({.name = name, .type = type, .vector = static_cast<uint8_t>(vector)});
  declare(name, RegisterName{index});
}

void FunctionParser::declare_register_range(std::string_view prefix, Type type, uint32_t vector) {
  cursor_.expect('<', "a register range");
  const uint32_t count = cursor_.unsigned_integer("a register count");
  cursor_.expect('>', "a register range");
  const uint32_t first = add_registers({.name = prefix,
                                        .type = type,
                                        .vector = static_cast<uint8_t>(vector),
                                        .numbered = true,
                                        .count = count});
  if (!scopes_.innermost().declare_registers(prefix, first, count)) {
    cursor_.fail(fmt::format("{}<{}> must be declared once in its scope", prefix, count));
  }
}

uint32_t FunctionParser::add_registers(const RegisterDeclaration& declaration) {
  const size_t first = function_.register_types.size();
  if (first + declaration.count > kMaxRegisters) {
    cursor_.fail(fmt::format("{} must have at most {} registers", function_.name, kMaxRegisters));
  }
  function_.register_declarations.push_back(declaration);
  function_.register_declarations.back().first = static_cast<uint32_t>(first);
  function_.register_types.resize(first + declaration.count, declaration.type);
  return static_cast<uint32_t>(first);
}

void FunctionParser::open_scope() {
  scopes_.open();
  if (scopes_.depth() > kDeepestScope) {
    cursor_.fail(fmt::format("braces must not nest deeper than {}", kDeepestScope));
  }
}

// Resolves the labels this scope defines; the others may be the enclosing scope's.
void FunctionParser::close_scope() {
  Scope closed = std::move(scopes_.innermost());
  scopes_.close();
  for (const Scope::PendingLabel& pending : closed.pending()) {
    if (const auto instruction = closed.find_label(pending.name)) {
      resolve(pending, *instruction);
    } else {
      scopes_.innermost().pending().push_back(pending);
    }
  }
}

void FunctionParser::resolve(const Scope::PendingLabel& pending, uint32_t instruction) {
  if (pending.targets == kNoIndex) {
    function_.operands[pending.operand].index = instruction;
  } else {
    function_.branch_targets[pending.targets].instructions[pending.operand] = instruction;
  }
}

}  // namespace slipstream::ptx
