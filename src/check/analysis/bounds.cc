#include "check/analysis/bounds.h"

#include <algorithm>

namespace slipstream::check {
namespace {

bool is_written(const Function& function, uint32_t reg, uint32_t first, uint32_t last) {
  for (uint32_t i = first; i <= last; ++i) {
    const auto results = function.destinations_of(function.instructions[i]);
    if (std::find(results.begin(), results.end(), reg) != results.end()) return true;
  }
  return false;
}

bool is_true(const Operand& operand) {
  return operand.kind == OperandKind::kImmediate && operand.value != 0;
}

// Whether the result is a comparison of a register of 32 bits with a constant, and no more.
bool compares_with_constant(const Function& function, const Instruction& one) {
  const auto sources = function.sources_of(one);
  return one.compute == Compute::kCompare && one.guard == kNone && !one.wide &&
         one.combine == Combine::kAnd && sources.size() >= 2 &&
         (sources.size() == 2 || is_true(sources[2])) &&
         sources[0].kind == OperandKind::kRegister && !sources[0].negated &&
         sources[1].kind == OperandKind::kImmediate;
}

std::optional<BranchBound> bound_of(const Function& function, const Block& block,
                                    const Slice& slice) {
  const Instruction& branch = function.instructions[block.last];
  const std::optional<Operand> predicate = decides_alone(function, branch);
  if (branch.action != Action::kBranch || !predicate) return std::nullopt;
  BranchBound bound{.predicate = slice.slot(predicate->index), .taken_if = !predicate->negated};
  if (bound.predicate == kNone) return std::nullopt;
  const auto condition = condition_of(function, block.first, block.last, predicate->index);
  if (condition && condition->is_signed) {
    bound.slot = slice.slot(condition->reg);
    bound.comparison = condition->comparison;
    bound.number = condition->number;
  }
  return bound;
}

void keep_at_most(Value& value, int64_t limit) {
  value.most = static_cast<int32_t>(std::clamp<int64_t>(limit, INT32_MIN, value.most));
}

void keep_at_least(Value& value, int64_t limit) {
  value.least = static_cast<int32_t>(std::clamp<int64_t>(limit, value.least, INT32_MAX));
}

Value narrowed(Value value, const BranchBound& branch, bool holds) {
  if (value.state != Value::State::kUnknown) return value;
  const int64_t number = branch.number;
  switch (branch.comparison) {
    case Comparison::kLess:
      holds ? keep_at_most(value, number - 1) : keep_at_least(value, number);
      break;
    case Comparison::kLessEqual:
      holds ? keep_at_most(value, number) : keep_at_least(value, number + 1);
      break;
    case Comparison::kGreater:
      holds ? keep_at_least(value, number + 1) : keep_at_most(value, number);
      break;
    case Comparison::kGreaterEqual:
      holds ? keep_at_least(value, number) : keep_at_most(value, number - 1);
      break;
    default:
      break;
  }
  return value;
}

}  // namespace

std::optional<Condition> condition_of(const Function& function, uint32_t first, uint32_t at,
                                      uint32_t predicate) {
  uint32_t i = at;
  while (i > first && !is_written(function, predicate, i - 1, i - 1)) --i;
  if (i == first) return std::nullopt;
  const Instruction& comparison = function.instructions[--i];
  if (!compares_with_constant(function, comparison)) return std::nullopt;
  const auto sources = function.sources_of(comparison);
  const Condition condition{.reg = sources[0].index,
                            .comparison = comparison.comparison,
                            .number = static_cast<int32_t>(sources[1].value),
                            .is_signed = comparison.is_signed};
  if (at > i + 1 && is_written(function, condition.reg, i + 1, at - 1)) return std::nullopt;
  return condition;
}

std::optional<Operand> decides_alone(const Function& function, const Instruction& branch) {
  const auto conditions = function.sources_of(branch);
  if (branch.guard != kNone && conditions.empty()) {
    Operand guard = register_operand(branch.guard);
    guard.negated = branch.guard_negated;
    return guard;
  }
  if (branch.guard != kNone || conditions.size() != 1) return std::nullopt;
  if (conditions[0].kind != OperandKind::kRegister) return std::nullopt;
  return conditions[0];
}

std::map<uint32_t, BranchBound> find_branch_bounds(const Function& function,
                                                   const ControlFlow& flow, const Slice& slice) {
  std::map<uint32_t, BranchBound> result;
  for (uint32_t b = 0; b < flow.blocks.size(); ++b) {
    if (const auto bound = bound_of(function, flow.blocks[b], slice)) result.emplace(b, *bound);
  }
  return result;
}

void assume(Environment& environment, const BranchBound& branch, bool taken) {
  const bool holds = taken == branch.taken_if;
  environment[branch.predicate].change_each([&](const Value& one) {
    const Value told{.state = Value::State::kKnown, .number = holds ? 1 : 0};
    return one.state == Value::State::kUnknown ? told : one;
  });
  if (branch.slot == kNone) return;
  environment[branch.slot].change_each(
      [&](const Value& one) { return narrowed(one, branch, holds); });
}

std::optional<bool> truth_of(Comparison comparison, const Value& a, int32_t b) {
  const auto decided = [](bool yes, bool no) -> std::optional<bool> {
    return yes || no ? std::optional(yes) : std::nullopt;
  };
  const bool differs = a.least > b || a.most < b;
  switch (comparison) {
    case Comparison::kLess:
      return decided(a.most < b, a.least >= b);
    case Comparison::kLessEqual:
      return decided(a.most <= b, a.least > b);
    case Comparison::kGreater:
      return decided(a.least > b, a.most <= b);
    case Comparison::kGreaterEqual:
      return decided(a.least >= b, a.most < b);
    case Comparison::kEqual:
      return decided(false, differs);
    case Comparison::kNotEqual:
      return decided(differs, false);
    default:
      return std::nullopt;
  }
}

}  // namespace slipstream::check
