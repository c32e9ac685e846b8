#include "check/analysis/evaluate.h"

#include <algorithm>

#include "check/analysis/bounds.h"

namespace slipstream::check {
namespace {

Value known(int64_t number, bool same_in_warp) {
  return {.state = Value::State::kKnown, .same_in_warp = same_in_warp, .number = number};
}

Value coordinate(int32_t value, bool same_in_warp) {
  return value < 0 ? kUnknownValue : known(value, same_in_warp);
}

Value rank(const Thread& who) {
  if (who.cluster_rank <= 0) return coordinate(who.cluster_rank, true);
  Value any_other = kUnknownValue;
  any_other.least = 1;
  return any_other;
}

// Brings a result to the width and sign that later comparisons expect: 32-bit results are kept as
// unsigned numbers.
int64_t truncate(int64_t value, bool wide) {
  return wide ? value : static_cast<int64_t>(static_cast<uint32_t>(value));
}

int64_t sign_extend(int64_t value, bool wide) {
  return wide ? value : static_cast<int64_t>(static_cast<int32_t>(value));
}

int64_t logic3(int64_t a, int64_t b, int64_t c, int64_t table) {
  uint64_t result = 0;
  for (unsigned i = 0; i < 8; ++i) {
    if (((table >> i) & 1) == 0) continue;
    const int64_t ta = (i & 4U) != 0 ? a : ~a;
    const int64_t tb = (i & 2U) != 0 ? b : ~b;
    const int64_t tc = (i & 1U) != 0 ? c : ~c;
    result |= static_cast<uint64_t>(ta & tb & tc);
  }
  return static_cast<int64_t>(result);
}

bool compare(Comparison comparison, bool is_signed, bool wide, int64_t a, int64_t b) {
  const int64_t sa = sign_extend(a, wide);
  const int64_t sb = sign_extend(b, wide);
  const auto ua = static_cast<uint64_t>(truncate(a, wide));
  const auto ub = static_cast<uint64_t>(truncate(b, wide));
  const bool less = is_signed ? sa < sb : ua < ub;
  const bool equal = ua == ub;
  switch (comparison) {
    case Comparison::kNever:
      return false;
    case Comparison::kLess:
      return less;
    case Comparison::kEqual:
      return equal;
    case Comparison::kLessEqual:
      return less || equal;
    case Comparison::kGreater:
      return !less && !equal;
    case Comparison::kNotEqual:
      return !equal;
    case Comparison::kGreaterEqual:
      return !less;
    case Comparison::kAlways:
      return true;
  }
  return false;
}

int64_t shift(Compute compute, int64_t value, int64_t amount, bool wide) {
  const int64_t width = wide ? 64 : 32;
  if (amount < 0 || amount >= width) {
    return compute == Compute::kShiftRightSigned && sign_extend(value, wide) < 0 ? -1 : 0;
  }
  switch (compute) {
    case Compute::kShiftLeft:
      return static_cast<int64_t>(static_cast<uint64_t>(value) << amount);
    case Compute::kShiftRight:
      return static_cast<int64_t>(static_cast<uint64_t>(truncate(value, wide)) >> amount);
    default:
      return sign_extend(value, wide) >> amount;
  }
}

// "b compared with a" for "a compared with b".
Comparison mirrored(Comparison comparison) {
  switch (comparison) {
    case Comparison::kLess:
      return Comparison::kGreater;
    case Comparison::kLessEqual:
      return Comparison::kGreaterEqual;
    case Comparison::kGreater:
      return Comparison::kLess;
    case Comparison::kGreaterEqual:
      return Comparison::kLessEqual;
    default:
      return comparison;
  }
}

// Of an instruction of whose sources one is not known: it may still be a copy, or a comparison that
// bounds decide.
Value from_bounds(const Instruction& i, std::span<const Operand> sources, const Value* value) {
  if (i.compute == Compute::kMove && !i.wide && !sources[0].negated) return value[0];
  const bool compares = i.compute == Compute::kCompare && i.is_signed && !i.wide &&
                        i.combine == Combine::kAnd && !sources[0].negated && !sources[1].negated;
  if (!compares || value[0].known() == value[1].known()) return kUnknownValue;
  if (sources.size() > 2 && !(value[2].known() && value[2].number != 0)) return kUnknownValue;
  const bool swapped = value[0].known();
  const Value& bounded = value[swapped ? 1 : 0];
  const auto number = static_cast<int32_t>(value[swapped ? 0 : 1].number);
  const auto truth = truth_of(swapped ? mirrored(i.comparison) : i.comparison, bounded, number);
  return truth ? known(*truth ? 1 : 0, bounded.same_in_warp) : kUnknownValue;
}

bool decides(const Instruction& instruction) { return instruction.action != Action::kNone; }

bool is_followed(const Instruction& instruction) {
  return instruction.compute != Compute::kOpaque && instruction.action == Action::kNone;
}

// What guards, branches and mbarrier waits look at.
std::vector<Operand> what_decides(const Function& function) {
  std::vector<Operand> result;
  for (const Instruction& instruction : function.instructions) {
    if (!decides(instruction)) continue;
    if (instruction.guard != kNone) result.push_back(register_operand(instruction.guard));
    if (touches_memory(instruction.action)) continue;
    const bool branches = instruction.action == Action::kBranch;
    const auto read = branches ? function.read_by(instruction) : function.sources_of(instruction);
    result.insert(result.end(), read.begin(), read.end());
  }
  return result;
}

}  // namespace

Slice::Slice(const Function& function) : Slice(function, what_decides(function)) {}

Slice::Slice(const Function& function, std::span<const Operand> wanted)
    : slots_(function.register_count, kNone) {
  std::vector<std::vector<uint32_t>> definitions(function.register_count);
  for (uint32_t i = 0; i < function.instructions.size(); ++i) {
    for (const uint32_t reg : function.destinations_of(function.instructions[i])) {
      definitions[reg].push_back(i);
    }
  }
  std::vector<uint32_t> work;
  for (const Operand& operand : wanted) add(operand, work);
  while (!work.empty()) {
    const uint32_t reg = work.back();
    work.pop_back();
    for (const uint32_t i : definitions[reg]) {
      const Instruction& instruction = function.instructions[i];
      if (instruction.guard != kNone) add(register_operand(instruction.guard), work);
      if (instruction.compute == Compute::kElect) depends_on_thread_ = true;
      if (!is_followed(instruction)) continue;
      for (const Operand& source : function.sources_of(instruction)) add(source, work);
    }
  }
}

void Slice::add(const Operand& operand, std::vector<uint32_t>& work) {
  switch (operand.kind) {
    case OperandKind::kRegister:
      if (slots_[operand.index] == kNone) {
        slots_[operand.index] = size_++;
        work.push_back(operand.index);
      }
      break;
    case OperandKind::kThreadY:
    case OperandKind::kThreadZ:
      depends_on_y_ = true;
      depends_on_thread_ = true;
      break;
    case OperandKind::kThreadX:
    case OperandKind::kLane:
    case OperandKind::kWarp:
      depends_on_thread_ = true;
      break;
    case OperandKind::kClusterRank:
      depends_on_rank_ = true;
      break;
    default:
      break;
  }
}

Evaluator::Evaluator(const Function& function, const Slice& slice, std::span<const Thread> threads)
    : function_(function), slice_(slice), threads_(threads) {}

Value Evaluator::operand(const Operand& operand, const Environment& environment,
                         size_t thread) const {
  const Thread& who = threads_[thread];
  switch (operand.kind) {
    case OperandKind::kRegister: {
      const uint32_t slot = slice_.slot(operand.index);
      if (slot == kNone) return kUnknownValue;
      const Value& value = environment[slot].in(thread);
      return value.state == Value::State::kUnwritten ? kUnknownValue : value;
    }
    case OperandKind::kImmediate:
      return known(operand.value, true);
    case OperandKind::kThreadX:
      return coordinate(who.x, false);
    case OperandKind::kThreadY:
      return coordinate(who.y, false);
    case OperandKind::kThreadZ:
      return coordinate(who.z, false);
    case OperandKind::kLane:
      return coordinate(who.lane, false);
    case OperandKind::kWarp:
      return coordinate(who.warp, true);
    case OperandKind::kBlockDimension:
      return operand.value == 0 ? coordinate(who.block_threads, true) : kUnknownValue;
    case OperandKind::kClusterRank:
      return rank(who);
    default:
      return kUnknownValue;
  }
}

// Whether the operand has one value in all threads.
bool Evaluator::is_same(const Operand& operand, const Environment& environment) const {
  switch (operand.kind) {
    case OperandKind::kRegister: {
      const uint32_t slot = slice_.slot(operand.index);
      return slot == kNone || environment[slot].same();
    }
    case OperandKind::kThreadX:
    case OperandKind::kThreadY:
    case OperandKind::kThreadZ:
    case OperandKind::kLane:
    case OperandKind::kWarp:
    case OperandKind::kClusterRank:
      return false;
    default:
      return true;
  }
}

Verdict Evaluator::predicate(const Operand& operand, const Environment& environment,
                             const RoleSet& active) const {
  Verdict verdict;
  if (is_same(operand, environment)) {
    const Value value = this->operand(operand, environment, 0);
    if (!value.known()) return verdict;
    ((value.number != 0) != operand.negated ? verdict.yes : verdict.no) = active;
    return verdict;
  }
  for (size_t t = 0; t < threads_.size(); ++t) {
    if (!active.test(t)) continue;
    const Value value = this->operand(operand, environment, t);
    if (value.known()) ((value.number != 0) != operand.negated ? verdict.yes : verdict.no).set(t);
  }
  return verdict;
}

Verdict Evaluator::guard(const Instruction& instruction, const Environment& environment,
                         const RoleSet& active) const {
  if (instruction.guard == kNone) return {.yes = active, .no = {}};
  Operand operand = register_operand(instruction.guard);
  operand.negated = instruction.guard_negated;
  return predicate(operand, environment, active);
}

Verdict Evaluator::condition(const Instruction& branch, const Environment& environment,
                             const RoleSet& active) const {
  Verdict all = guard(branch, environment, active);
  for (const Operand& source : function_.sources_of(branch)) {
    const Verdict one = predicate(source, environment, active);
    all.no |= one.no;
    all.yes &= one.yes;
  }
  return all;
}

Value Evaluator::compute(const Instruction& i, const Environment& environment,
                         size_t thread) const {
  const auto sources = function_.sources_of(i);
  const Thread& who = threads_[thread];
  if (i.compute == Compute::kElect) return coordinate(who.lane == 0 ? 1 : 0, false);
  Value value[3];
  bool all_known = true;
  bool same_in_warp = true;
  if (i.compute == Compute::kOpaque || sources.empty()) return kUnknownValue;
  int64_t sum = 0;
  for (size_t s = 0; s < sources.size(); ++s) {
    Value one = operand(sources[s], environment, thread);
    all_known = all_known && one.known();
    same_in_warp = same_in_warp && one.same_in_warp;
    if (sources[s].negated) {
      const bool is_predicate = i.compute == Compute::kPredicateLogic3 ||
                                i.compute == Compute::kSelect || i.compute == Compute::kCompare;
      one.number = is_predicate ? static_cast<int64_t>(one.number == 0) : -one.number;
    }
    sum = static_cast<int64_t>(static_cast<uint64_t>(sum) + static_cast<uint64_t>(one.number));
    if (s < 3) value[s] = one;
  }
  if (i.compute == Compute::kSelect && value[0].known()) {
    return value[0].number != 0 ? value[1] : value[2];
  }
  if (!all_known) return from_bounds(i, sources, value);
  const int64_t a = value[0].number;
  const int64_t b = value[1].number;
  const int64_t c = value[2].number;
  const auto product = [&] {
    return static_cast<int64_t>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
  };
  const auto number = [&](int64_t result) { return known(truncate(result, i.wide), same_in_warp); };
  switch (i.compute) {
    case Compute::kMove:
      return known(truncate(a, i.wide), same_in_warp);
    case Compute::kAdd:
      return number(sum);
    case Compute::kSubtract:
      return number(static_cast<int64_t>(static_cast<uint64_t>(a) - static_cast<uint64_t>(b)));
    case Compute::kMultiply:
      return number(product());
    case Compute::kMultiplyAdd:
      return number(
          static_cast<int64_t>(static_cast<uint64_t>(product()) + static_cast<uint64_t>(c)));
    case Compute::kShiftLeft:
      return number(shift(i.compute, a, b, i.wide));
    case Compute::kShiftRight:
    case Compute::kShiftRightSigned: {
      Value result = number(shift(i.compute, a, b, i.wide));
      // Warps are 32 threads in a row: the bits above a coordinate's lowest five are the warp's.
      result.same_in_warp = result.same_in_warp || (b >= 5 && who.y <= 0);
      return result;
    }
    case Compute::kAnd:
      return number(a & b);
    case Compute::kOr:
      return number(a | b);
    case Compute::kXor:
      return number(a ^ b);
    case Compute::kNot:
      return number(~a);
    case Compute::kLogic3:
      return number(logic3(a, b, c, i.immediate));
    case Compute::kPredicateLogic3:
      return known(logic3(a, b, c, i.immediate) & 1, same_in_warp);
    case Compute::kMinimum:
    case Compute::kMaximum: {
      const bool adds = sources.size() == 3;
      const int64_t first = adds ? truncate(a + b, i.wide) : a;
      const int64_t second = adds ? c : b;
      const bool less = compare(Comparison::kLess, i.is_signed, i.wide, first, second);
      return number(less == (i.compute == Compute::kMinimum) ? first : second);
    }
    case Compute::kTableWord: {
      const auto word = static_cast<uint64_t>(a + i.immediate) / sizeof(uint32_t);
      if (word >= function_.table.size()) return kUnknownValue;
      return known(function_.table[word], same_in_warp);
    }
    case Compute::kBroadcast:
      return value[0].same_in_warp ? value[0] : kUnknownValue;
    case Compute::kSelect:
      return value[1];
    case Compute::kCompare: {
      const bool result = compare(i.comparison, i.is_signed, i.wide, a, b);
      const bool other = sources.size() < 3 || c != 0;
      const bool combined = i.combine == Combine::kAnd  ? result && other
                            : i.combine == Combine::kOr ? result || (sources.size() >= 3 && other)
                                                        : result != (sources.size() >= 3 && other);
      return known(combined ? 1 : 0, same_in_warp);
    }
    default:
      return kUnknownValue;
  }
}

// Of an instruction that has one result in all threads, or that is at least known to have none.
std::optional<Value> Evaluator::compute_once(const Instruction& i, const Environment& environment,
                                             size_t thread) const {
  if (i.compute == Compute::kOpaque) return kUnknownValue;
  bool same = i.compute != Compute::kElect;
  for (const Operand& source : function_.sources_of(i)) {
    const bool one = is_same(source, environment);
    same = same && one;
    const bool needed = i.compute != Compute::kSelect;
    if (!one || !needed) continue;
    const Value value = operand(source, environment, thread);
    if (!value.known() && !value.bounded()) return kUnknownValue;
  }
  if (!same) return std::nullopt;
  const Value value = compute(i, environment, thread);
  // Whether a shift gives the warp's number depends on the thread.
  const bool shifts = i.compute == Compute::kShiftRight || i.compute == Compute::kShiftRightSigned;
  return shifts && value.known() && !value.same_in_warp ? std::nullopt : std::optional(value);
}

Values Evaluator::compute_all(const Instruction& instruction, const Environment& environment,
                              const RoleSet& active) const {
  size_t first = 0;
  while (!active.test(first)) ++first;
  if (const std::optional<Value> all = compute_once(instruction, environment, first)) {
    return Values(*all);
  }
  std::vector<Value> each(threads_.size());
  for (size_t t = first; t < each.size(); ++t) {
    if (active.test(t)) each[t] = compute(instruction, environment, t);
  }
  return {std::move(each), active};
}

// What a register holds after an instruction that writes `value` unless its guard keeps it.
Values Evaluator::written(const Values& before, const Values& value, const Verdict& guard,
                          const RoleSet& active) const {
  if (guard.yes == active) return value;
  if (before.same() && value.same() && guard.yes.none() && guard.no.none()) {
    return before.in(0) == value.in(0) ? before : Values(kUnknownValue);
  }
  std::vector<Value> each(threads_.size());
  for (size_t t = 0; t < each.size(); ++t) {
    if (!active.test(t)) continue;
    const bool keeps = guard.no.test(t) || before.in(t) == value.in(t);
    each[t] = keeps ? before.in(t) : guard.yes.test(t) ? value.in(t) : kUnknownValue;
  }
  return {std::move(each), active};
}

void Evaluator::execute(const Instruction& instruction, const Verdict& guard, const RoleSet& active,
                        Environment& environment) const {
  const RoleSet executing = active & ~guard.no;
  if (executing.none()) return;
  bool first = true;
  for (const uint32_t reg : function_.destinations_of(instruction)) {
    const uint32_t slot = slice_.slot(reg);
    if (slot != kNone) {
      const bool computed = instruction.action == Action::kNone &&
                            (first || instruction.elementwise || instruction.repeats);
      const Values value =
          computed ? compute_all(instruction, environment, executing) : Values(kUnknownValue);
      environment[slot] = written(environment[slot], value, guard, active);
    }
    first = false;
  }
}

}  // namespace slipstream::check
