#include "check/analysis/mbarriers.h"

#include <algorithm>
#include <span>
#include <vector>

namespace slipstream::check {

// Evaluates addresses in shared memory that are the same in all threads and rounds.
class MbarrierAddresses {
 public:
  using Place = Mbarriers::Place;

  explicit MbarrierAddresses(const Function& function)
      : function_(function),
        definitions_(function.register_count),
        known_(function.register_count),
        is_visited_(function.register_count) {
    for (uint32_t i = 0; i < function.instructions.size(); ++i) {
      for (const uint32_t reg : function.destinations_of(function.instructions[i])) {
        definitions_[reg].push_back(i);
      }
    }
  }

  std::optional<Place> sum(std::span<const Operand> parts) {
    Place result;
    for (const Operand& part : parts) {
      const std::optional<Place> one = of(part);
      if (!one || !add(result, *one, part.negated)) return std::nullopt;
    }
    return result;
  }

 private:
  // The bits above say which CTA of a cluster it is, and where the window of shared memory lies.
  static constexpr int64_t kWindow = int64_t{1} << 24;

  static bool add(Place& sum, const Place& one, bool negated) {
    if (one.variable != kNone && (sum.variable != kNone || negated)) return false;
    if (one.variable != kNone) sum.variable = one.variable;
    sum.offset = (sum.offset + (negated ? -one.offset : one.offset)) & (kWindow - 1);
    return true;
  }

  std::optional<Place> of(const Operand& operand) {
    switch (operand.kind) {
      case OperandKind::kImmediate:
        return Place{.variable = kNone, .offset = operand.value & (kWindow - 1)};
      case OperandKind::kSharedAddress:
        if (function_.code == CodeKind::kSass) return std::nullopt;  // the upper half of one
        return Place{.variable = operand.index, .offset = operand.value & (kWindow - 1)};
      case OperandKind::kRegister:
        return of_register(operand.index);
      default:
        return std::nullopt;
    }
  }

  // What all of its definitions give. A register that is computed from itself is not known.
  std::optional<Place> of_register(uint32_t reg) {
    constexpr int kDeepest = 64;
    if (is_visited_[reg] || depth_ == kDeepest) return known_[reg];
    is_visited_[reg] = true;
    ++depth_;
    known_[reg] = of_definitions(reg);
    --depth_;
    return known_[reg];
  }

  std::optional<Place> of_definitions(uint32_t reg) {
    std::optional<Place> result;
    for (const uint32_t i : definitions_[reg]) {
      const std::optional<Place> one = result_of(function_.instructions[i], reg);
      if (!one || (result && *result != *one)) return std::nullopt;
      result = one;
    }
    return result;
  }

  std::optional<Place> result_of(const Instruction& instruction, uint32_t reg) {
    const auto sources = function_.sources_of(instruction);
    const bool is_first = function_.destinations_of(instruction).front() == reg;
    if (instruction.action != Action::kNone || !is_first || sources.empty()) return std::nullopt;
    switch (instruction.compute) {
      case Compute::kMove:
        return sum(sources.first(1));
      case Compute::kAdd:
        return sum(sources);
      case Compute::kMultiplyAdd:
        return product_and(sources[0], sources[1], sources.subspan(2));
      case Compute::kMultiply:
        return product_and(sources[0], sources[1], {});
      default:
        return std::nullopt;
    }
  }

  std::optional<Place> product_and(const Operand& a, const Operand& b,
                                   std::span<const Operand> addends) {
    std::optional<Place> result = sum(addends);
    const bool is_window = b.kind == OperandKind::kImmediate && b.value % kWindow == 0;
    if (!result || is_window) return result;
    const std::optional<Place> factors[] = {of(a), of(b)};
    for (const std::optional<Place>& one : factors) {
      if (!one || one->variable != kNone) return std::nullopt;
    }
    const Place product{.variable = kNone, .offset = factors[0]->offset * factors[1]->offset};
    add(*result, product, a.negated != b.negated);
    return result;
  }

  const Function& function_;
  std::vector<std::vector<uint32_t>> definitions_;  // by register
  std::vector<std::optional<Place>> known_;
  std::vector<bool> is_visited_;
  int depth_ = 0;
};

Mbarriers::Mbarriers(const Function& function) {
  const auto waits = [](const Instruction& one) { return one.action == Action::kMbarrierWait; };
  if (std::none_of(function.instructions.begin(), function.instructions.end(), waits)) return;
  MbarrierAddresses addresses(function);
  for (uint32_t i = 0; i < function.instructions.size(); ++i) {
    const auto parts = function.place_of(function.instructions[i]);
    if (parts.empty()) continue;
    if (const auto place = addresses.sum(parts)) places_.emplace(i, *place);
  }
}

bool Mbarriers::may_be_same(uint32_t wait, uint32_t arrival) const {
  const auto a = places_.find(wait);
  const auto b = places_.find(arrival);
  return a == places_.end() || b == places_.end() || a->second == b->second;
}

}  // namespace slipstream::check
