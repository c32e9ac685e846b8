#include "code/ptx/operands.h"

#include <fmt/format.h>

#include <algorithm>

#include "code/ptx/constant.h"

namespace slipstream::ptx {
namespace {

constexpr uint32_t kDeepestOperand = 4;
constexpr size_t kMaxOperands = 4096;

bool starts_number(char c) { return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '~'; }

Operand make(OperandKind kind) {
  Operand operand;
  operand.kind = kind;
  return operand;
}

}  // namespace

void OperandParser::parse_all(Instruction& instruction, bool is_call) {
  is_call_ = is_call;
  scratch_.clear();
  if (cursor_.peek() != ';') {
    do {
      scratch_.push_back(parse(0));
      if (scratch_.size() > kMaxOperands) {
        cursor_.fail(fmt::format("an instruction must have at most {} operands", kMaxOperands));
      }
    } while (cursor_.accept(','));
  }
  cursor_.expect(';', "an instruction");
  instruction.operand_count = static_cast<uint16_t>(scratch_.size());
  instruction.first_operand = append(scratch_);
}

uint32_t OperandParser::append(const std::vector<Operand>& operands) {
  const auto first = static_cast<uint32_t>(function_.operands.size());
  for (const Operand& operand : operands) {
    if (operand.kind == OperandKind::kLabel && operand.index == kNoIndex) {
      scopes_.innermost().pending().push_back(
          {.name = cursor_.text_at(operand.text_offset, operand.text_length),
           .operand = static_cast<uint32_t>(function_.operands.size()),
           .line = cursor_.line()});
    }
    function_.operands.push_back(operand);
  }
  return first;
}

Operand OperandParser::parse(uint32_t depth) {
  if (depth > kDeepestOperand) {
    cursor_.fail(fmt::format("operands must not nest deeper than {}", kDeepestOperand));
  }
  cursor_.peek();
  const uint32_t start = cursor_.offset();
  Operand operand = parse_one(depth);
  if (cursor_.peek() == '|') operand = parse_pair(operand, depth);
  operand.text_offset = start;
  operand.text_length =
      static_cast<uint16_t>(std::min<size_t>(cursor_.text_from(start).size(), UINT16_MAX));
  return operand;
}

Operand OperandParser::parse_one(uint32_t depth) {
  const char first = cursor_.peek();
  if (first == '[') return parse_address(depth);
  if (first == '{') return parse_children(OperandKind::kVector, '{', '}', depth);
  if (first == '(' && is_call_) {
    return parse_children(OperandKind::kList, '(', ')', depth);
  }
  if (starts_number(first) || first == '(') {
    return parse_constant();
  }
  if (cursor_.accept('!')) {
    Operand operand = parse_name();
    operand.negated = true;
    return operand;
  }
  return parse_name();
}

Operand OperandParser::parse_constant() {
  Operand operand;
  const uint32_t start = cursor_.offset();
  if (cursor_.peek() == '-' && cursor_.peek_adjacent(1) == '%') {
    cursor_.accept('-');
    operand = parse_name();
    operand.negated = true;
    return operand;
  }
  const Number number = parse_operand_constant(cursor_);
  switch (number.kind) {
    case Number::Kind::kInteger:
      operand.kind = OperandKind::kInteger;
      break;
    case Number::Kind::kFloat32:
      operand.kind = OperandKind::kFloat32;
      break;
    case Number::Kind::kFloat64:
      operand.kind = OperandKind::kFloat64;
      break;
  }
  operand.text_offset = start;
  operand.value = static_cast<int64_t>(number.bits);
  return operand;
}

Operand OperandParser::parse_name() {
  const std::string_view name = cursor_.expect_word("an operand");
  if (name == "WARP_SZ") {
    constexpr int64_t kWarpSize = 32;
    Operand operand = make(OperandKind::kInteger);
    operand.value = kWarpSize;
    return operand;
  }
  Operand operand = resolve(name);
  if (cursor_.peek_adjacent() == '.') parse_component(operand);
  if (operand.kind == OperandKind::kSymbol) operand.value = parse_offset();
  return operand;
}

Operand OperandParser::resolve(std::string_view name) {
  Operand operand;
  if (name == "_") {
    return operand;
  }
  const Symbol symbol = scopes_.find(name);
  if (const auto* reg = std::get_if<RegisterName>(&symbol)) {
    operand.kind = OperandKind::kRegister;
    operand.index = reg->index;
  } else if (const auto* variable = std::get_if<const Variable*>(&symbol)) {
    operand.kind = OperandKind::kSymbol;
    operand.variable = *variable;
  } else if (const auto* function = std::get_if<Function*>(&symbol)) {
    operand.kind = OperandKind::kFunction;
    operand.function = *function;
  } else if (const auto* prototype = std::get_if<PrototypeName>(&symbol)) {
    operand.kind = OperandKind::kPrototype;
    operand.index = prototype->index;
  } else if (const auto* targets = std::get_if<BranchTargetsName>(&symbol)) {
    operand.kind = OperandKind::kBranchTargets;
    operand.index = targets->index;
  } else {
    operand.kind = name[0] == '%' ? OperandKind::kSpecialRegister : OperandKind::kLabel;
  }
  return operand;
}

// ".x" after a vector register; after a special register it is part of the name.
void OperandParser::parse_component(Operand& operand) {
  cursor_.accept_adjacent('.');
  const std::string_view component = cursor_.expect_word("a vector component");
  if (operand.kind == OperandKind::kSpecialRegister) return;
  constexpr std::string_view kComponents = "xyzwrgba";
  const size_t position = component.size() == 1 ? kComponents.find(component[0]) : kComponents.npos;
  if (operand.kind != OperandKind::kRegister || position == kComponents.npos) {
    cursor_.fail(
        fmt::format(".{} must be a component x, y, z or w of a vector register", component));
  }
  operand.component = static_cast<uint8_t>(position % 4 + 1);
}

int64_t OperandParser::parse_offset() {
  uint64_t offset = 0;
  while (cursor_.peek() == '+' || cursor_.peek() == '-') {
    const bool negative = cursor_.peek() == '-';
    cursor_.accept(negative ? '-' : '+');
    const Number number = parse_operand_constant(cursor_);
    if (number.kind != Number::Kind::kInteger) cursor_.fail("an address offset must be an integer");
    offset = negative ? offset - number.bits : offset + number.bits;
  }
  return static_cast<int64_t>(offset);
}

Operand OperandParser::parse_address(uint32_t depth) {
  cursor_.expect('[', "an address");
  Operand address = make(OperandKind::kAddress);
  if (starts_number(cursor_.peek()) || cursor_.peek() == '(') {
    const Operand constant = parse_constant();
    if (constant.kind != OperandKind::kInteger) {
      cursor_.fail("an absolute address must be an integer");
    }
    address.value = constant.value;
  } else {
    const std::string_view name = cursor_.expect_word("an address");
    const Operand base = resolve(name);
    if (base.kind != OperandKind::kRegister && base.kind != OperandKind::kSymbol) {
      cursor_.fail(fmt::format("the address {} must be a declared register or variable", name));
    }
    const bool is_register = base.kind == OperandKind::kRegister;
    address.base = is_register ? AddressBase::kRegister : AddressBase::kVariable;
    if (is_register) {
      address.index = base.index;
    } else {
      address.variable = base.variable;
    }
  }
  address.value = static_cast<int64_t>(static_cast<uint64_t>(address.value) +
                                       static_cast<uint64_t>(parse_offset()));
  if (cursor_.accept(',')) set_children(address, {parse(depth + 1)});
  cursor_.expect(']', "an address");
  return address;
}

Operand OperandParser::parse_children(OperandKind kind, char open, char close, uint32_t depth) {
  cursor_.expect(open, "a list of operands");
  Operand parent = make(kind);
  std::vector<Operand> children;
  if (!cursor_.accept(close)) {
    do {
      children.push_back(parse(depth + 1));
      if (children.size() > kMaxOperands) {
        cursor_.fail(fmt::format("a list must have at most {} operands", kMaxOperands));
      }
    } while (cursor_.accept(','));
    cursor_.expect(close, "a list of operands");
  }
  set_children(parent, children);
  return parent;
}

Operand OperandParser::parse_pair(Operand first, uint32_t depth) {
  cursor_.expect('|', "a pair");
  Operand pair = make(OperandKind::kPair);
  set_children(pair, {first, parse(depth + 1)});
  return pair;
}

void OperandParser::set_children(Operand& operand, const std::vector<Operand>& children) {
  operand.count = static_cast<uint16_t>(children.size());
  operand.first = append(children);
}

}  // namespace slipstream::ptx
