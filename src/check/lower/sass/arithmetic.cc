#include "check/lower/sass/arithmetic.h"

#include <initializer_list>

namespace slipstream::check::from_sass {
namespace {

constexpr uint8_t kAllSources = 0xff;

// Modifier bits shared by the integer instructions.
bool negates_a(const sass::Word& word) { return sass::bits(word, 72, 1) != 0; }
bool negates_c(const sass::Word& word) { return sass::bits(word, 75, 1) != 0; }
bool has_carry_in(const sass::Word& word) { return sass::bits(word, 74, 1) != 0; }
bool negates_b(const sass::Word& word) {
  return OperandReader::form(word) == Form::kRegisterRegister && sass::bits(word, 63, 1) != 0;
}

Operand with_sign(Operand operand, bool negated) {
  operand.negated = negated;
  return operand;
}

struct Context {
  const sass::Word& word;
  const OperandReader& reader;
  FunctionBuilder& builder;

  [[nodiscard]] Instruction& instruction() const { return builder.last(); }
  void destination(uint32_t reg) const {
    if (reg != kNone) builder.destination(reg);
  }
  void result() const { destination(reader.destination(word)); }
  void wide_result() const {
    const uint32_t low = reader.destination(word);
    if (low == kNone) return;
    builder.destination(low);
    builder.destination(low + 1);
  }
  void pair(const Operand& low) const {
    builder.source(low);
    builder.source(reader.upper_half(low));
  }
  // A predicate next to the result: a carry, or how lanes compare. Alone it has no value here.
  void second_result(bool uniform) const {
    if (builder.destinations().empty()) instruction().compute = Compute::kOpaque;
    destination(reader.predicate_destination(sass::bits(word, 81, 3), uniform));
  }
  void compute(Compute compute, uint8_t pointer_sources) const {
    instruction().compute = compute;
    instruction().pointer_sources = pointer_sources;
  }
};

void lower_move(const Context& x) {
  const bool wide = sass::bits(x.word, 80, 1) != 0;  // sm_100 and later: a pair
  const Operand source = x.reader.b(x.word);
  x.compute(wide ? Compute::kOpaque : Compute::kMove, kAllSources);
  if (wide) {
    x.wide_result();
    x.pair(source);
  } else {
    x.result();
    x.builder.source(source);
  }
}

void lower_add3(const Context& x) {
  x.compute(has_carry_in(x.word) ? Compute::kOpaque : Compute::kAdd, kAllSources);
  x.result();
  const bool uniform = OperandReader::is_uniform(x.word);
  x.builder.source(with_sign(x.reader.a(x.word), negates_a(x.word)));
  x.builder.source(with_sign(x.reader.b(x.word), negates_b(x.word)));
  x.builder.source(with_sign(x.reader.c(x.word), negates_c(x.word)));
  x.second_result(uniform);
  x.destination(x.reader.predicate_destination(sass::bits(x.word, 84, 3), uniform));
}

void lower_add2(const Context& x) {
  x.compute(negates_b(x.word) ? Compute::kOpaque : Compute::kAdd, kAllSources);
  x.result();
  x.builder.source(x.reader.a(x.word));
  x.builder.source(x.reader.b(x.word));
}

void lower_add64(const Context& x) {
  x.compute(Compute::kOpaque, kAllSources);
  x.wide_result();
  x.pair(x.reader.a(x.word));
  x.pair(x.reader.b(x.word));
}

void lower_multiply_add(const Context& x, bool wide) {
  const Operand factor = x.reader.b(x.word);
  const Operand addend = x.reader.c(x.word);
  const bool by_one = factor.kind == OperandKind::kImmediate && factor.value == 1;
  const bool odd = has_carry_in(x.word) || negates_c(x.word);
  const uint8_t addends = 0b1100;
  x.compute(odd || wide ? Compute::kOpaque : Compute::kMultiplyAdd, by_one ? kAllSources : addends);
  if (wide) {
    x.wide_result();
  } else {
    x.result();
  }
  x.second_result(OperandReader::is_uniform(x.word));
  x.builder.source(x.reader.a(x.word));
  x.builder.source(factor);
  x.builder.source(addend);
  if (wide) x.builder.source(x.reader.upper_half(addend));
}

// What is computed so has no value here, but it still differs between threads and CTAs where its
// sources do.
void lower_unfollowed(const Context& x, std::initializer_list<Operand> sources) {
  x.compute(Compute::kOpaque, 0);
  x.result();
  for (const Operand& source : sources) x.builder.source(source);
}

void lower_logic3(const Context& x) {
  x.compute(Compute::kLogic3, kAllSources);
  x.instruction().repeats = true;
  x.instruction().immediate = static_cast<int64_t>(sass::bits(x.word, 72, 8));
  x.result();
  x.builder.source(x.reader.a(x.word));
  x.builder.source(x.reader.b(x.word));
  x.builder.source(x.reader.c(x.word));
  x.destination(
      x.reader.predicate_destination(sass::bits(x.word, 81, 3), OperandReader::is_uniform(x.word)));
}

void lower_predicate_logic3(const Context& x) {
  const bool uniform = OperandReader::is_uniform(x.word);
  x.compute(Compute::kPredicateLogic3, 0);
  // The truth table's low three bits sit apart from the other five.
  x.instruction().immediate =
      static_cast<int64_t>((sass::bits(x.word, 72, 5) << 3U) | sass::bits(x.word, 64, 3));
  const uint32_t result = x.reader.predicate_destination(sass::bits(x.word, 81, 3), uniform);
  const uint32_t other = x.reader.predicate_destination(sass::bits(x.word, 84, 3), uniform);
  if (result == kNone || other != kNone) x.instruction().compute = Compute::kOpaque;
  x.destination(result);
  x.destination(other);
  x.builder.source(
      x.reader.predicate(sass::bits(x.word, 87, 3), sass::bits(x.word, 90, 1) != 0, uniform));
  x.builder.source(
      x.reader.predicate(sass::bits(x.word, 77, 3), sass::bits(x.word, 80, 1) != 0, uniform));
  // A vector instruction may take its third source from the uniform datapath.
  const bool third_uniform = uniform || sass::bits(x.word, 67, 1) != 0;
  x.builder.source(
      x.reader.predicate(sass::bits(x.word, 68, 3), sass::bits(x.word, 71, 1) != 0, third_uniform));
}

// A funnel shift; the two plain uses of it are told apart by which half is zero.
void lower_shift(const Context& x) {
  const bool right = sass::bits(x.word, 76, 1) != 0;
  const bool high = sass::bits(x.word, 80, 1) != 0;
  const uint64_t type = sass::bits(x.word, 73, 2);
  const bool is_signed = type == 2;
  const bool is_32_bit = type == 2 || type == 3;
  const Operand a = x.reader.a(x.word);
  const Operand c = x.reader.c(x.word);
  const auto is_zero = [](const Operand& operand) {
    return operand.kind == OperandKind::kImmediate && operand.value == 0;
  };
  x.result();
  if (is_32_bit && right && high && is_zero(a)) {
    x.compute(is_signed ? Compute::kShiftRightSigned : Compute::kShiftRight, 0);
    x.builder.source(c);
  } else if (is_32_bit && !right && !high && is_zero(c)) {
    x.compute(Compute::kShiftLeft, 0);
    x.builder.source(a);
  } else {
    x.compute(Compute::kOpaque, 0);
    x.builder.source(a);
  }
  x.builder.source(x.reader.b(x.word));
}

// (a << shift) + b; the high form adds the bits that were shifted out.
void lower_load_effective_address(const Context& x) {
  const bool high = sass::bits(x.word, 80, 1) != 0;
  const uint64_t shift = sass::bits(x.word, 75, 5);
  const uint8_t base_only = 0b100;
  x.compute(high || has_carry_in(x.word) ? Compute::kOpaque : Compute::kMultiplyAdd, base_only);
  x.result();
  x.builder.source(x.reader.a(x.word));
  x.builder.source(immediate_operand(static_cast<int64_t>(1ULL << shift)));
  x.builder.source(x.reader.b(x.word));
  if (high) x.builder.source(x.reader.c(x.word));
  x.second_result(OperandReader::is_uniform(x.word));
}

void lower_select(const Context& x) {
  const uint8_t both_choices = 0b110;
  x.compute(Compute::kSelect, both_choices);
  x.result();
  x.builder.source(x.reader.predicate(sass::bits(x.word, 87, 3), sass::bits(x.word, 90, 1) != 0,
                                      OperandReader::is_uniform(x.word)));
  x.builder.source(x.reader.a(x.word));
  x.builder.source(x.reader.b(x.word));
}

void lower_compare(const Context& x) {
  const bool uniform = OperandReader::is_uniform(x.word);
  const bool extended = sass::bits(x.word, 72, 1) != 0;  // the upper half of a 64-bit comparison
  const uint32_t result = x.reader.predicate_destination(sass::bits(x.word, 81, 3), uniform);
  const uint32_t other = x.reader.predicate_destination(sass::bits(x.word, 84, 3), uniform);
  const bool plain = !extended && other == kNone && result != kNone;
  x.compute(plain ? Compute::kCompare : Compute::kOpaque, 0);
  x.instruction().comparison = static_cast<Comparison>(sass::bits(x.word, 76, 3));
  x.instruction().combine = static_cast<Combine>(sass::bits(x.word, 74, 2) % 3);
  x.instruction().is_signed = sass::bits(x.word, 73, 1) != 0;
  x.destination(result);
  x.destination(other);
  x.builder.source(x.reader.a(x.word));
  x.builder.source(x.reader.b(x.word));
  x.builder.source(
      x.reader.predicate(sass::bits(x.word, 87, 3), sass::bits(x.word, 90, 1) != 0, uniform));
  if (!extended) return;
  // How the lower halves compare.
  x.builder.source(
      x.reader.predicate(sass::bits(x.word, 68, 3), sass::bits(x.word, 71, 1) != 0, uniform));
}

// A predicate chooses which of the two it is; with an addition, of a + b and c.
void lower_minimum(const Context& x, bool after_addition) {
  const Operand is_minimum =
      x.reader.predicate(sass::bits(x.word, 87, 3), sass::bits(x.word, 90, 1) != 0, false);
  const bool minimum = is_minimum.value != 0;
  x.compute(is_minimum.kind != OperandKind::kImmediate ? Compute::kOpaque
            : minimum                                  ? Compute::kMinimum
                                                       : Compute::kMaximum,
            0);
  x.instruction().is_signed = sass::bits(x.word, 72, 1) != 0;
  x.result();
  x.builder.source(x.reader.a(x.word));
  x.builder.source(x.reader.b(x.word));
  if (after_addition) x.builder.source(x.reader.c(x.word));
}

void lower_predicates(const Context& x) {
  const bool uniform = OperandReader::is_uniform(x.word);
  x.destination(x.reader.predicate_destination(sass::bits(x.word, 81, 3), uniform));
  x.destination(x.reader.predicate_destination(sass::bits(x.word, 84, 3), uniform));
}

// Special registers by number, as far as they tell threads, CTAs or address windows apart.
Operand special_register(uint64_t number) {
  const auto operand = [](OperandKind kind) { return Operand{.kind = kind}; };
  switch (number) {
    case 0x00:
      return operand(OperandKind::kLane);
    case 0x21:
      return operand(OperandKind::kThreadX);
    case 0x22:
      return operand(OperandKind::kThreadY);
    case 0x23:
      return operand(OperandKind::kThreadZ);
    case 0x25:
    case 0x26:
    case 0x27:
      return operand(OperandKind::kBlockIndex);
    case 0x88:  // the base of shared memory is made from it
      return operand(OperandKind::kClusterRank);
    case 0x2d:
    case 0x2e:
    case 0x2f:  // upper halves of generic addresses of local and shared memory
      return operand(OperandKind::kSharedAddress);
    default:
      return operand(OperandKind::kOpaque);
  }
}

void lower_special(const Context& x, bool to_uniform) {
  x.compute(Compute::kMove, kAllSources);
  x.destination(to_uniform ? x.reader.uniform_destination(x.word) : x.reader.destination(x.word));
  x.builder.source(special_register(sass::bits(x.word, 72, 8)));
}

void lower_shuffle(const Context& x) {
  const bool by_index = sass::bits(x.word, 58, 2) == 0;  // not up, down or butterfly
  x.compute(by_index ? Compute::kBroadcast : Compute::kOpaque, 0);
  x.result();
  x.builder.source(x.reader.a(x.word));
  x.second_result(false);
}

// With the selector 0x7610 it moves a 16-bit value (a flag, say) into a register whose upper half
// nobody asks for; with 0x654 it puts the number of a CTA on top of an address in shared memory.
void lower_permute(const Context& x) {
  constexpr int64_t kMoveHalf = 0x7610;
  constexpr int64_t kOtherCta = 0x654;
  const Operand selector = x.reader.b(x.word);
  if (selector.kind == OperandKind::kImmediate && selector.value == kOtherCta) {
    x.compute(Compute::kPeerAddress, kAllSources);
    x.result();
    x.builder.source(x.reader.c(x.word));
    return x.builder.source(x.reader.a(x.word));
  }
  const bool moves = selector.kind == OperandKind::kImmediate && selector.value == kMoveHalf;
  x.compute(moves ? Compute::kMove : Compute::kOpaque, kAllSources);
  x.result();
  x.builder.source(x.reader.a(x.word));
  if (!moves) x.builder.source(x.reader.c(x.word));
}

// HFMA2 R, -RZ, RZ, constant is a way to say MOV R, constant.
void lower_half_multiply_add(const Context& x) {
  const auto is_zero = [](const Operand& operand) {
    return operand.kind == OperandKind::kImmediate && operand.value == 0;
  };
  const bool moves = OperandReader::form(x.word) == Form::kImmediateC &&
                     is_zero(x.reader.a(x.word)) && is_zero(x.reader.b(x.word));
  x.compute(moves ? Compute::kMove : Compute::kOpaque, 0);
  x.result();
  if (moves) x.builder.source(x.reader.c(x.word));
}

void lower_elect(const Context& x) {
  x.compute(Compute::kElect, 0);
  x.destination(x.reader.predicate_destination(sass::bits(x.word, 81, 3), false));
  x.destination(x.reader.uniform_destination(x.word));  // which lanes there are
}

// Where lanes hold different values, one is taken, and the predicate says which lanes hold another:
// such code goes round until none is left.
void lower_to_uniform(const Context& x) {
  x.compute(Compute::kMove, kAllSources);
  x.destination(x.reader.uniform_destination(x.word));
  x.second_result(false);
  x.builder.source(x.reader.vector(sass::bits(x.word, 24, 8)));
}

// Of what the lanes of a warp hold: no lane's value alone, and no pointer.
void lower_reduction(const Context& x) {
  x.compute(Compute::kOpaque, 0);
  x.destination(x.reader.uniform_destination(x.word));
  x.builder.source(x.reader.vector(sass::bits(x.word, 24, 8)));
}

}  // namespace

void lower_arithmetic(sass::Meaning meaning, const sass::Word& word, const OperandReader& reader,
                      FunctionBuilder& builder) {
  const Context x{word, reader, builder};
  switch (meaning) {
    case sass::Meaning::kMove:
      return lower_move(x);
    case sass::Meaning::kAdd3:
      return lower_add3(x);
    case sass::Meaning::kAdd2:
      return lower_add2(x);
    case sass::Meaning::kAdd64:
      return lower_add64(x);
    case sass::Meaning::kMultiplyAdd:
      return lower_multiply_add(x, false);
    case sass::Meaning::kMultiplyAddWide:
      return lower_multiply_add(x, true);
    case sass::Meaning::kMultiplyHigh:
      lower_unfollowed(x, {x.reader.a(x.word), x.reader.b(x.word), x.reader.c(x.word)});
      return x.second_result(OperandReader::is_uniform(x.word));
    case sass::Meaning::kConvert:
      return lower_unfollowed(x, {x.reader.b(x.word)});
    case sass::Meaning::kLogic3:
      return lower_logic3(x);
    case sass::Meaning::kPredicateLogic3:
      return lower_predicate_logic3(x);
    case sass::Meaning::kShift:
      return lower_shift(x);
    case sass::Meaning::kLoadEffectiveAddress:
      return lower_load_effective_address(x);
    case sass::Meaning::kSelect:
      return lower_select(x);
    case sass::Meaning::kCompareIntegers:
      return lower_compare(x);
    case sass::Meaning::kMinimum:
      return lower_minimum(x, false);
    case sass::Meaning::kAddMinimum:
      return lower_minimum(x, true);
    case sass::Meaning::kPredicateArithmetic:
      return lower_predicates(x);
    case sass::Meaning::kVote:
      x.result();
      return lower_predicates(x);
    case sass::Meaning::kUniformVote:
      x.destination(x.reader.uniform_destination(x.word));
      return x.second_result(true);
    case sass::Meaning::kUniformPredicate:
      return x.second_result(true);
    case sass::Meaning::kReadSpecial:
      return lower_special(x, (word.low & 0x1ffU) == 0x1c3U);
    case sass::Meaning::kShuffle:
      return lower_shuffle(x);
    case sass::Meaning::kElect:
      return lower_elect(x);
    case sass::Meaning::kToUniform:
      return lower_to_uniform(x);
    case sass::Meaning::kReduceToUniform:
      return lower_reduction(x);
    case sass::Meaning::kPermute:
      return lower_permute(x);
    case sass::Meaning::kHalfMultiplyAdd:
      return lower_half_multiply_add(x);
    default:  // arithmetic that is not followed: any value, no pointer
      x.compute(Compute::kOpaque, 0);
      x.result();
      return;
  }
}

}  // namespace slipstream::check::from_sass
