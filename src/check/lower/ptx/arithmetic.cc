#include "check/lower/ptx/arithmetic.h"

#include <array>
#include <optional>

#include "check/lower/ptx/memory.h"

namespace slipstream::check::from_ptx {
namespace {

constexpr uint8_t kAllSources = 0xff;

struct Plain {
  std::string_view head;
  Compute compute = Compute::kOpaque;
  uint8_t pointer_sources = 0;  // bit i: the result may point where source i points
};

// Instructions whose sources follow the destination in order.
constexpr auto kPlain = std::to_array<Plain>({
    {"mov", Compute::kMove, kAllSources},
    {"cvt", Compute::kMove, kAllSources},
    {"cvta", Compute::kMove, kAllSources},
    {"mapa", Compute::kPeerAddress, kAllSources},
    {"add", Compute::kAdd, kAllSources},
    {"sub", Compute::kSubtract, 0b01},
    {"mul", Compute::kMultiply, 0},
    {"mad", Compute::kMultiplyAdd, 0b100},
    {"shl", Compute::kShiftLeft, 0},
    {"shr", Compute::kShiftRight, 0},
    {"and", Compute::kAnd, kAllSources},
    {"or", Compute::kOr, kAllSources},
    {"xor", Compute::kXor, kAllSources},
    {"not", Compute::kNot, 0},
    {"min", Compute::kMinimum, 0},
    {"max", Compute::kMaximum, 0},
    {"lop3", Compute::kLogic3, 0},
});

struct Type {
  bool is_integer = false;
  bool is_signed = false;
  bool is_predicate = false;
  bool wide = false;
};

// The last type modifier: of the result for cvt it is the first, but only the width matters there.
Type type_of(const tree::Opcode& opcode) {
  Type type;
  for (const std::string_view modifier : opcode.modifiers) {
    if (modifier == "pred") {
      type.is_predicate = true;
    } else if (modifier.size() == 3 &&
               (modifier.ends_with("64") || modifier.ends_with("32") || modifier.ends_with("16"))) {
      const char kind = modifier.front();
      type.is_integer = kind == 'u' || kind == 's' || kind == 'b';
      type.is_signed = kind == 's';
      type.wide = modifier.ends_with("64");
    }
  }
  return type;
}

struct Context {
  const tree::Instruction& from;
  const Frame& frame;
  OperandReader& reader;
  FunctionBuilder& builder;

  [[nodiscard]] std::span<const tree::Operand> operands() const {
    return frame.function->operands_of(from);
  }
  void destination(size_t index) const {
    add_destinations(operands()[index], frame, reader, builder);
  }
  void sources(size_t first) const {
    for (size_t i = first; i < operands().size(); ++i) source(i);
  }
  void source(size_t index) const {
    const tree::Operand& operand = operands()[index];
    if (operand.kind != tree::OperandKind::kVector) {
      builder.source(reader.value(frame, operand));
      return;
    }
    for (const tree::Operand& child : frame.function->children_of(operand)) {
      builder.source(reader.value(frame, child));
    }
  }
};

bool lower_plain(const Context& x) {
  const tree::Opcode& opcode = *x.from.opcode;
  for (const Plain& plain : kPlain) {
    if (plain.head != opcode.head) continue;
    const Type type = type_of(opcode);
    Instruction& result = x.builder.last();
    result.compute = type.is_integer || type.is_predicate ? plain.compute : Compute::kOpaque;
    result.pointer_sources = plain.pointer_sources;
    result.is_signed = type.is_signed;
    result.wide = type.wide;
    const bool odd = opcode.has("wide") || opcode.has("hi") || opcode.has("cc");
    if (odd) result.compute = Compute::kOpaque;
    if (plain.compute == Compute::kShiftRight && type.is_signed &&
        result.compute != Compute::kOpaque) {
      result.compute = Compute::kShiftRightSigned;
    }
    x.destination(0);
    x.sources(1);
    if (result.sources.count > 1 && plain.compute == Compute::kMove) {
      x.builder.last().compute = Compute::kOpaque;  // packs halves
    }
    if (plain.compute == Compute::kLogic3 &&
        x.operands().back().kind == tree::OperandKind::kInteger) {
      x.builder.last().immediate = x.operands().back().value;
    }
    if (plain.compute == Compute::kNot && type.is_predicate) {
      x.builder.last().compute = Compute::kCompare;  // of predicates: equal to false
      x.builder.last().comparison = Comparison::kEqual;
      x.builder.source(immediate_operand(0));
    }
    return true;
  }
  return false;
}

std::optional<Comparison> comparison_of(const tree::Opcode& opcode, bool& is_unsigned) {
  struct Name {
    std::string_view modifier;
    Comparison comparison;
    bool is_unsigned;
  };
  static constexpr auto kNames = std::to_array<Name>({
      {"eq", Comparison::kEqual, false},
      {"ne", Comparison::kNotEqual, false},
      {"lt", Comparison::kLess, false},
      {"le", Comparison::kLessEqual, false},
      {"gt", Comparison::kGreater, false},
      {"ge", Comparison::kGreaterEqual, false},
      {"lo", Comparison::kLess, true},
      {"ls", Comparison::kLessEqual, true},
      {"hi", Comparison::kGreater, true},
      {"hs", Comparison::kGreaterEqual, true},
  });
  for (const Name& name : kNames) {
    if (!opcode.modifiers.empty() && opcode.modifiers.front() == name.modifier) {
      is_unsigned = name.is_unsigned;
      return name.comparison;
    }
  }
  return std::nullopt;
}

void lower_compare(const Context& x) {
  const tree::Opcode& opcode = *x.from.opcode;
  const Type type = type_of(opcode);
  bool is_unsigned = false;
  const std::optional<Comparison> comparison = comparison_of(opcode, is_unsigned);
  const bool one_result = x.operands()[0].kind == tree::OperandKind::kRegister;
  Instruction& result = x.builder.last();
  if (type.is_integer && comparison && one_result) {
    result.compute = Compute::kCompare;
    result.comparison = *comparison;
    result.is_signed = type.is_signed && !is_unsigned;
    result.wide = type.wide;
    result.combine = opcode.has("or")    ? Combine::kOr
                     : opcode.has("xor") ? Combine::kXor
                                         : Combine::kAnd;
  }
  x.destination(0);
  x.sources(1);
}

// selp d, a, b, p
void lower_select(const Context& x) {
  Instruction& result = x.builder.last();
  result.compute = Compute::kSelect;
  result.pointer_sources = 0b110;
  result.wide = type_of(*x.from.opcode).wide;
  x.destination(0);
  x.source(3);
  x.source(1);
  x.source(2);
}

// elect.sync d|p, mask and shfl.sync d|p, a, ...: which of the pair is computed comes first.
void lower_elect(const Context& x) {
  x.builder.last().compute = Compute::kElect;
  const tree::Operand& pair = x.operands()[0];
  const auto children = x.frame.function->children_of(pair);
  if (children.size() == 2) {
    add_destinations(children[1], x.frame, x.reader, x.builder);
    add_destinations(children[0], x.frame, x.reader, x.builder);
  } else {
    x.builder.last().compute = Compute::kOpaque;
    x.destination(0);
  }
}

void lower_shuffle(const Context& x) {
  if (x.from.opcode->has("idx")) x.builder.last().compute = Compute::kBroadcast;
  x.destination(0);
  x.source(1);
}

// Follows addresses in the parameter block: mov from a parameter, cvta, and adding a constant. The
// result is then written down as that address itself.
void follow_parameter_address(const Context& x) {
  Instruction& result = x.builder.last();
  const auto written = x.builder.destinations();
  if (written.empty()) return;
  const auto sources = x.builder.sources();
  std::optional<int64_t> address;
  if (result.compute == Compute::kMove && sources.size() == 1) {
    address = x.reader.parameter_address(sources[0]);
  } else if (result.compute == Compute::kAdd && sources.size() == 2 &&
             sources[1].kind == OperandKind::kImmediate) {
    address = x.reader.parameter_address(sources[0]);
    if (address && *address >= 0) *address += sources[1].value;
  }
  for (const uint32_t reg : written) x.reader.forget_parameter_address(reg);
  if (!address) return;
  x.reader.remember_parameter_address(written.front(), *address);
  result.compute = Compute::kOpaque;
  x.builder.replace_sources({.kind = OperandKind::kParameterBlock, .value = *address});
}

}  // namespace

void lower_arithmetic(const tree::Instruction& instruction, const Frame& frame,
                      OperandReader& reader, FunctionBuilder& builder) {
  const Context x{instruction, frame, reader, builder};
  const std::string_view head = instruction.opcode->head;
  if (x.operands().empty()) return;
  if (lower_plain(x)) return follow_parameter_address(x);
  if (head == "setp" && x.operands().size() >= 3) return lower_compare(x);
  if (head == "selp" && x.operands().size() == 4) return lower_select(x);
  if (head == "elect") return lower_elect(x);
  if (head == "shfl") return lower_shuffle(x);
  // Anything else: an opaque result, which differs between threads and CTAs where what it is of does.
  x.destination(0);
  if (type_of(*instruction.opcode).is_integer) x.sources(1);
}

}  // namespace slipstream::check::from_ptx
