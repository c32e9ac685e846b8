#include "check/lower/sass/operands.h"

#include <iterator>

namespace slipstream::check::from_sass {
namespace {

constexpr uint64_t kZeroRegister = 255;
constexpr uint64_t kTruePredicate = 7;
constexpr uint64_t kParameterBank = 0;
constexpr uint64_t kVariableBank = 4;  // addresses of global variables

}  // namespace

bool OperandReader::is_uniform(const sass::Word& word) {
  const uint64_t family = word.low & 0x1ffU;
  const bool floating = family >= 0x055 && family <= 0x05e;  // of sm_100 and later
  return floating || (family >= 0x080 && family <= 0x0bf);
}

Operand OperandReader::vector(uint64_t field) const {
  if (field == kZeroRegister) return immediate_operand(0);
  return register_operand(static_cast<uint32_t>(field));
}

Operand OperandReader::uniform(uint64_t field) const {
  if (is_uniform_zero(field)) return immediate_operand(0);
  return register_operand(kFirstUniform + static_cast<uint32_t>(field));
}

Operand OperandReader::predicate(uint64_t field, bool negated, bool uniform) const {
  if (field == kTruePredicate) return immediate_operand(negated ? 0 : 1);
  Operand operand = register_operand((uniform ? kFirstUniformPredicate : kFirstPredicate) +
                                     static_cast<uint32_t>(field));
  operand.negated = negated;
  return operand;
}

Operand OperandReader::plain(const sass::Word& word, uint64_t field) const {
  return is_uniform(word) ? uniform(field) : vector(field);
}

Operand OperandReader::constant(const sass::Word& word) const {
  constexpr uint64_t kLoadToUniform = 0x1ac;  // LDCU, whose offset begins one bit lower
  const bool lower = (word.low & 0x1ffU) == kLoadToUniform;
  return constant_at(sass::bits(word, 54, 5),
                     lower ? sass::bits(word, 37, 17) : sass::bits(word, 38, 16));
}

Operand OperandReader::constant_at(uint64_t bank, uint64_t offset) const {
  Operand operand;
  if (bank == kVariableBank) {
    const auto variable = kernel_.variables.find(static_cast<uint32_t>(offset & ~7ULL));
    if (variable == kernel_.variables.end()) return operand;
    operand.kind = OperandKind::kVariable;
    operand.index = static_cast<uint32_t>(std::distance(kernel_.variables.begin(), variable));
  } else if (bank != kParameterBank) {
    operand.kind = OperandKind::kConstantMemory;
    operand.value = static_cast<int64_t>(offset);
  } else if (offset >= kernel_.parameter_base && kernel_.parameter_base != 0) {
    operand.kind = OperandKind::kParameter;
    operand.value = static_cast<int64_t>(offset - kernel_.parameter_base);
  } else if (offset >= block_dimensions_ && offset < block_dimensions_ + 12) {
    operand.kind = OperandKind::kBlockDimension;
    operand.value = static_cast<int64_t>((offset - block_dimensions_) / 4);
  } else if (offset == parameter_address_) {
    operand.kind = OperandKind::kParameterBlock;
    operand.value = -1;
  } else if (offset == has_clusters_) {
    // Code that asks takes a barrier of the CTA for one of the cluster where it was not, which is the same:
    // each CTA is then a cluster of its own.
    return immediate_operand(1);
  }
  return operand;  // other words before the parameters: opaque
}

Operand OperandReader::upper_half(const Operand& low) const {
  Operand high = low;
  switch (low.kind) {
    case OperandKind::kRegister:
      ++high.index;
      return high;
    case OperandKind::kParameter:
    case OperandKind::kVariable:
      high.value += 4;
      return high;
    case OperandKind::kConstantMemory:
    case OperandKind::kParameterBlock:
      return high;
    default:
      return immediate_operand(0);
  }
}

Operand OperandReader::a(const sass::Word& word) const {
  return plain(word, sass::bits(word, 24, 8));
}

Operand OperandReader::b(const sass::Word& word) const {
  switch (form(word)) {
    case Form::kImmediateC:
    case Form::kConstantC:
    case Form::kUniformC:
      return plain(word, sass::bits(word, 64, 8));
    case Form::kImmediateB:
      return immediate_operand(static_cast<int32_t>(sass::bits(word, 32, 32)));
    case Form::kConstantB:
      return constant(word);
    case Form::kUniformB:
      return uniform(sass::bits(word, 32, 8));
    default:
      return plain(word, sass::bits(word, 32, 8));
  }
}

Operand OperandReader::c(const sass::Word& word) const {
  switch (form(word)) {
    case Form::kImmediateC:
      return immediate_operand(static_cast<int32_t>(sass::bits(word, 32, 32)));
    case Form::kConstantC:
      return constant(word);
    case Form::kUniformC:
      return uniform(sass::bits(word, 32, 8));
    default:
      return plain(word, sass::bits(word, 64, 8));
  }
}

uint32_t OperandReader::destination(const sass::Word& word) const {
  if (is_uniform(word)) return uniform_destination(word);
  const uint64_t field = sass::bits(word, 16, 8);
  return field == kZeroRegister ? kNone : static_cast<uint32_t>(field);
}

uint32_t OperandReader::uniform_destination(const sass::Word& word) const {
  const uint64_t field = sass::bits(word, 16, 8);
  return is_uniform_zero(field) ? kNone : kFirstUniform + static_cast<uint32_t>(field);
}

uint32_t OperandReader::predicate_destination(uint64_t field, bool uniform) const {
  if (field == kTruePredicate) return kNone;
  return (uniform ? kFirstUniformPredicate : kFirstPredicate) + static_cast<uint32_t>(field);
}

}  // namespace slipstream::check::from_sass
