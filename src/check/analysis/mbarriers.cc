#include "check/analysis/mbarriers.h"

#include "check/analysis/fixpoint.h"

namespace slipstream::check {

Mbarriers::Mbarriers(const Function& function) : places_(function.instructions.size()) {
  // Of one there is nothing to be told from.
  if (function.mbarriers.size() < 2) return;
  solve(function);
  for (size_t i = 0; i < places_.size(); ++i) {
    const uint32_t mbarrier = function.instructions[i].mbarrier;
    if (mbarrier == kNone) continue;
    const Operand& address = function.mbarriers[mbarrier];
    places_[i] = of_operand(address);
    if (address.kind == OperandKind::kRegister) places_[i] = plus(places_[i], address.value);
  }
}

bool Mbarriers::may_be_one(uint32_t a, uint32_t b) const {
  const Place& one = places_[a];
  const Place& other = places_[b];
  const auto is_somewhere = [](const Place& place) {
    return place.kind == Kind::kByte || place.kind == Kind::kVariable;
  };
  if (!is_somewhere(one) || !is_somewhere(other)) return true;
  if (one.variable != other.variable) return false;
  return one.kind != other.kind || one.kind == Kind::kVariable || one.offset == other.offset;
}

Mbarriers::Place Mbarriers::joined(const Place& a, const Place& b) {
  if (a.kind == Kind::kUnset || a == b) return b;
  if (b.kind == Kind::kUnset) return a;
  if (a.variable == b.variable && a.variable != kNone) return {Kind::kVariable, a.variable};
  return {Kind::kAnywhere};
}

Mbarriers::Place Mbarriers::plus(const Place& place, int64_t number) {
  Place result = place;
  if (place.kind == Kind::kByte) result.offset += number;
  return result;
}

// In whatever order the code runs: a register is all that is ever written to it.
void Mbarriers::solve(const Function& function) {
  registers_.resize(function.register_count);
  until_nothing_changes(function, [&](uint32_t i, auto&& changed) {
    const Instruction& instruction = function.instructions[i];
    const auto results = function.destinations_of(instruction);
    for (size_t d = 0; d < results.size(); ++d) {
      const bool is_copy = instruction.elementwise && instruction.sources.count > d;
      const Place value = is_copy  ? of_operand(function.sources_of(instruction)[d])
                          : d == 0 ? of_result(function, instruction)
                                   : Place{Kind::kAnywhere};
      const Place all = joined(registers_[results[d]], value);
      if (all == registers_[results[d]]) continue;
      registers_[results[d]] = all;
      changed(results[d]);
    }
  });
}

Mbarriers::Place Mbarriers::of_operand(const Operand& operand) const {
  switch (operand.kind) {
    case OperandKind::kRegister:
      return registers_[operand.index];
    case OperandKind::kSharedAddress:
      if (operand.index == kNone) return {Kind::kAnywhere};
      return {Kind::kByte, operand.index, operand.value};
    case OperandKind::kImmediate:
    case OperandKind::kThreadX:
    case OperandKind::kThreadY:
    case OperandKind::kThreadZ:
    case OperandKind::kLane:
    case OperandKind::kWarp:
    case OperandKind::kBlockDimension:
    case OperandKind::kBlockIndex:
      return {Kind::kNumber};
    default:
      return {Kind::kAnywhere};
  }
}

Mbarriers::Place Mbarriers::of_result(const Function& function,
                                      const Instruction& instruction) const {
  if (instruction.action != Action::kNone) return {Kind::kAnywhere};
  const auto sources = function.sources_of(instruction);
  switch (instruction.compute) {
    case Compute::kMove:
      return sources.size() == 1 ? of_operand(sources[0]) : Place{Kind::kAnywhere};
    case Compute::kSelect:
      return sources.size() == 3 ? joined(of_operand(sources[1]), of_operand(sources[2]))
                                 : Place{Kind::kAnywhere};
    case Compute::kAdd:
      return sum(function, instruction);
    default:
      break;
  }
  // Numbers make numbers; what else is made of an address is anybody's guess.
  Place result{instruction.compute == Compute::kOpaque ? Kind::kAnywhere : Kind::kNumber};
  for (const Operand& source : sources) {
    const Place one = of_operand(source);
    if (one.kind == Kind::kUnset) return {};
    if (one.kind != Kind::kNumber) result = {Kind::kAnywhere};
  }
  return result;
}

// An address and numbers: the same byte's neighbor where they are written in the code, else some
// byte of the same variable.
Mbarriers::Place Mbarriers::sum(const Function& function, const Instruction& instruction) const {
  Place base{Kind::kNumber};
  int64_t distance = 0;
  bool is_written = true;
  for (const Operand& source : function.sources_of(instruction)) {
    const Place one = of_operand(source);
    if (one.kind == Kind::kUnset) return {};
    if (one.kind == Kind::kNumber) {
      is_written = is_written && source.kind == OperandKind::kImmediate;
      distance += source.negated ? -source.value : source.value;
    } else if (base.kind == Kind::kNumber && one.kind != Kind::kAnywhere && !source.negated) {
      base = one;
    } else {
      return {Kind::kAnywhere};
    }
  }
  if (base.kind != Kind::kByte || is_written) return plus(base, distance);
  return {Kind::kVariable, base.variable};
}

}  // namespace slipstream::check
