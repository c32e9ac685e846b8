#include "check/analysis/number_flow.h"

#include <algorithm>

namespace slipstream::check {
namespace {

using Known = std::optional<NumberRange>;

// Rounds of a loop after which its numbers are no longer followed one by one: pipelines have fewer
// stages.
constexpr uint32_t kFollowedChanges = 40;
// Numbers are multiples of this where they say which CTA of a cluster an address belongs to.
constexpr int64_t kWindow = int64_t{1} << 24;

Known join(const Known& a, const Known& b) {
  if (!a || !b) return a ? a : b;
  if (*a == *b) return a;
  return either_of(*a, *b);
}

Known narrowed_by(const Known& value, const Condition& condition, bool holds) {
  if (!value) return value;
  const bool as_signed = condition.is_signed || (value->least >= 0 && condition.number >= 0);
  if (as_signed) return narrowed(*value, condition.comparison, condition.number, holds);
  return value;
}

// A mask may take off which CTA it is, too: there is nothing to take off.
NumberRange and_in_window(const NumberRange& a, const NumberRange& b) {
  const auto in_window = [](const NumberRange& mask) {
    const bool takes_off = mask.is_one() && mask.is_number() && mask.first < 0;
    return takes_off ? NumberRange::one(mask.first | ~(kWindow - 1)) : mask;
  };
  return and_of(in_window(a), in_window(b));
}

NumberRange logic3(const NumberRange& a, const NumberRange& b, int64_t table) {
  constexpr int64_t kAnd = 0xc0;
  constexpr int64_t kOr = 0xfc;
  constexpr int64_t kXor = 0x3c;
  switch (table) {
    case kAnd:
      return and_in_window(a, b);
    case kOr:
      return or_of(a, b);
    case kXor:
      return xor_of(a, b);
    default:
      return {};
  }
}

// In a product that only says which CTA it is, there is nothing to add.
NumberRange product_in_window(const NumberRange& a, const NumberRange& b) {
  const bool is_window = b.is_one() && b.is_number() && b.first % kWindow == 0;
  return is_window ? NumberRange::one(0) : product_of(a, b);
}

NumberRange result_of(const Instruction& instruction, const std::vector<NumberRange>& sources) {
  const NumberRange& a = sources[0];
  const NumberRange& b = sources.size() > 1 ? sources[1] : a;
  switch (instruction.compute) {
    case Compute::kMove:
    case Compute::kBroadcast:
    case Compute::kPeerAddress:
      return a;
    case Compute::kAdd: {
      NumberRange sum = NumberRange::one(0);
      for (const NumberRange& one : sources) sum = sum_of(sum, one);
      return sum;
    }
    case Compute::kSubtract:
      return sum_of(a, negated(b));
    case Compute::kMultiply:
      return product_in_window(a, b);
    case Compute::kMultiplyAdd:
      return sum_of(product_in_window(a, b), sources.back());
    case Compute::kShiftLeft:
      return shifted_left(a, b);
    case Compute::kShiftRight:
    case Compute::kShiftRightSigned:
      return shifted_right(a, b);
    case Compute::kAnd:
      return and_in_window(a, b);
    case Compute::kOr:
      return or_of(a, b);
    case Compute::kXor:
      return xor_of(a, b);
    case Compute::kLogic3:
      return logic3(a, b, instruction.immediate);
    default:
      return {};
  }
}

}  // namespace

NumberFlow::NumberFlow(const Function& function, const ControlFlow& flow, const Slice& slice)
    : function_(function),
      flow_(flow),
      slice_(slice),
      live_(function, flow, slice),
      now_(slice.size()),
      start_(flow.blocks.size()),
      entered_(flow.blocks.size()) {
  if (flow.blocks.empty()) return;
  start_[0].resize(live_.at(0).size());
  entered_[0] = true;
  work_.insert(0);
  // In the order of the code, so that most ways into a block are known when it is run.
  while (!work_.empty()) run_block(work_.extract(work_.begin()).value());
}

void NumberFlow::enter(uint32_t block) {
  const std::vector<uint32_t>& live = live_.at(block);
  for (size_t i = 0; i < live.size(); ++i) now_[live[i]] = start_[block][i].value;
}

void NumberFlow::run_block(uint32_t block) {
  enter(block);
  for (uint32_t i = flow_.blocks[block].first; i <= flow_.blocks[block].last; ++i) {
    execute(block, i);
  }
  for (const uint32_t next : flow_.successors(block)) go(block, next);
}

// What the branch at the end of the block says, if it leads to `next` one way only.
NumberFlow::MaybeFact NumberFlow::fact_on_the_way(uint32_t block, uint32_t next) const {
  const Block& from = flow_.blocks[block];
  const Instruction& branch = function_.instructions[from.last];
  const bool is_target =
      std::find(from.targets.begin(), from.targets.end(), next) != from.targets.end();
  const bool both = is_target && next == from.fall_through;
  const std::optional<Operand> predicate = decides_alone(function_, branch);
  if (branch.action != Action::kBranch || both || !predicate) return std::nullopt;
  return fact_about(block, from.last, *predicate, is_target);
}

void NumberFlow::go(uint32_t block, uint32_t next) {
  const MaybeFact fact = fact_on_the_way(block, next);
  const std::vector<uint32_t>& live = live_.at(next);
  start_[next].resize(live.size());
  bool changed = !entered_[next];
  entered_[next] = true;
  for (size_t i = 0; i < live.size(); ++i) {
    Start& start = start_[next][i];
    Known value = now_[live[i]];
    if (fact && slice_.slot(fact->condition.reg) == live[i]) {
      value = narrowed_by(value, fact->condition, fact->holds);
    }
    if (!value || value == start.value) continue;
    Known after = join(start.value, value);
    if (after == start.value) continue;
    if (++start.changes > kFollowedChanges) after = widened(*start.value, *after);
    start.value = after;
    changed = true;
  }
  if (changed) work_.insert(next);
}

NumberFlow::MaybeFact NumberFlow::fact_about(uint32_t block, uint32_t at, const Operand& predicate,
                                             bool holds) const {
  if (predicate.kind != OperandKind::kRegister) return std::nullopt;
  const auto condition = condition_of(function_, flow_.blocks[block].first, at, predicate.index);
  if (!condition) return std::nullopt;
  return Fact{.condition = *condition, .holds = holds != predicate.negated};
}

Known NumberFlow::operand(const Operand& operand, const MaybeFact& fact) const {
  constexpr int64_t kLanes = 32;
  constexpr int64_t kMaxThreads = 1024;
  const int64_t threads = function_.max_threads != 0 ? function_.max_threads : kMaxThreads;
  switch (operand.kind) {
    case OperandKind::kImmediate:
      return NumberRange::one(static_cast<int32_t>(operand.value));
    case OperandKind::kSharedAddress: {
      if (function_.code == CodeKind::kSass) return NumberRange{};  // the upper half of one
      NumberRange address = NumberRange::one(operand.value);
      address.variable = operand.index;
      return address;
    }
    case OperandKind::kRegister: {
      const uint32_t slot = slice_.slot(operand.index);
      if (slot == kNone) return NumberRange{};
      const bool is_told = fact && fact->condition.reg == operand.index;
      return is_told ? narrowed_by(now_[slot], fact->condition, fact->holds) : now_[slot];
    }
    case OperandKind::kThreadX:
    case OperandKind::kThreadY:
    case OperandKind::kThreadZ:
      return NumberRange::between(0, threads - 1);
    case OperandKind::kLane:
    case OperandKind::kWarp:
      return NumberRange::between(0, kLanes - 1);
    default:
      return NumberRange{};
  }
}

Known NumberFlow::select(uint32_t block, uint32_t at) const {
  const auto sources = function_.sources_of(function_.instructions[at]);
  return join(operand(sources[1], fact_about(block, at, sources[0], true)),
              operand(sources[2], fact_about(block, at, sources[0], false)));
}

Known NumberFlow::compute(uint32_t block, uint32_t at, const MaybeFact& guard) const {
  const Instruction& instruction = function_.instructions[at];
  const auto sources = function_.sources_of(instruction);
  if (instruction.compute == Compute::kOpaque || sources.empty()) return NumberRange{};
  if (instruction.compute == Compute::kSelect) return select(block, at);
  std::vector<NumberRange> values;
  for (const Operand& source : sources) {
    const Known value = operand(source, guard);
    if (!value) return std::nullopt;
    values.push_back(source.negated ? negated(*value) : *value);
  }
  return result_of(instruction, values);
}

void NumberFlow::execute(uint32_t block, uint32_t at) {
  const Instruction& instruction = function_.instructions[at];
  bool first = true;
  for (const uint32_t reg : function_.destinations_of(instruction)) {
    const uint32_t slot = slice_.slot(reg);
    const bool is_computed = instruction.action == Action::kNone && first;
    first = false;
    if (slot == kNone) continue;
    const Operand predicate = {
        .kind = instruction.guard == kNone ? OperandKind::kOpaque : OperandKind::kRegister,
        .negated = instruction.guard_negated,
        .index = instruction.guard};
    Known value = is_computed ? compute(block, at, fact_about(block, at, predicate, true))
                              : Known(NumberRange{});
    if (instruction.guard != kNone) {
      value = join(value, operand(register_operand(reg), fact_about(block, at, predicate, false)));
    }
    now_[slot] = value;
  }
}

// Offsets in SASS are written with as many bits as the window has.
Known NumberFlow::place_of(const Instruction& instruction) const {
  NumberRange sum = NumberRange::one(0);
  for (const Operand& part : function_.place_of(instruction)) {
    Known value = operand(part, std::nullopt);
    if (!value) return std::nullopt;
    if (part.kind == OperandKind::kImmediate && value->first >= kWindow / 2) {
      value = NumberRange::one(value->first - kWindow);
    }
    sum = sum_of(sum, part.negated ? negated(*value) : *value);
  }
  return sum;
}

}  // namespace slipstream::check
