#include "check/analysis/mbarriers.h"

#include <algorithm>
#include <vector>

#include "check/analysis/number_flow.h"

namespace slipstream::check {
namespace {

bool has_place(const Instruction& instruction) {
  return instruction.action != Action::kBranch && instruction.action != Action::kNone;
}

// What addresses and numbers are computed from.
std::vector<Operand> places_in(const Function& function) {
  std::vector<Operand> result;
  for (const Instruction& instruction : function.instructions) {
    if (!has_place(instruction)) continue;
    const auto parts = function.place_of(instruction);
    result.insert(result.end(), parts.begin(), parts.end());
  }
  return result;
}

}  // namespace

Mbarriers::Mbarriers(const Function& function, const ControlFlow& flow) {
  const auto waits = [](const Instruction& one) {
    return one.action == Action::kMbarrierWait || one.action == Action::kFlagWait ||
           one.action == Action::kBarrier;
  };
  if (std::none_of(function.instructions.begin(), function.instructions.end(), waits)) return;
  const Slice slice(function, places_in(function));
  NumberFlow(function, flow, slice).visit_places([&](uint32_t i, const NumberRange& place) {
    if (has_place(function.instructions[i])) places_.emplace(i, place);
  });
}

bool Mbarriers::may_be_same(uint32_t wait, uint32_t arrival) const {
  const auto a = places_.find(wait);
  const auto b = places_.find(arrival);
  return a == places_.end() || b == places_.end() || may_meet(a->second, b->second);
}

}  // namespace slipstream::check
