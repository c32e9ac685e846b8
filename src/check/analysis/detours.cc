#include "check/analysis/detours.h"

#include <algorithm>
#include <vector>

namespace slipstream::check {
namespace {

using BlockSet = std::vector<bool>;

class Detours {
 public:
  Detours(const KernelCode& code, uint32_t access)
      : code_(code),
        flow_(code.flow()),
        threads_(code.ordering().before[access]),
        target_(flow_.block_of[access]) {
    predecessors_.resize(flow_.blocks.size());
    for (uint32_t b = 0; b < flow_.blocks.size(); ++b) {
      for (const uint32_t next : flow_.successors(b)) predecessors_[next].push_back(b);
    }
  }

  [[nodiscard]] bool are_the_only_ways() const {
    if (wait_themselves()) return false;
    const auto leaves = [this](uint32_t block) { return leaves_unordered(block); };
    BlockSet open = lead_to({target_}, leaves);
    if (!open[0]) return false;  // by a way that is not followed here
    const auto any = [](uint32_t) { return true; };
    const BlockSet to_barriers = lead_to(barriers(), any);
    // Or the threads end there, and those that go the other way never come.
    const BlockSet ordered = to_barriers[target_] ? lead_to({target_}, any) : to_barriers;
    // After a detour there may be another one: ways that are left by either are no ways.
    for (BlockSet before; open != before;) {
      before = open;
      open = lead_to({target_}, [&](uint32_t block) {
        return comes_unordered(block) && leaves_unordered(block) &&
               !is_detour(block, before, ordered);
      });
    }
    return !open[0];
  }

 private:
  [[nodiscard]] bool wait_themselves() const {
    const auto& instructions = code_.function().instructions;
    for (uint32_t i = 0; i < instructions.size(); ++i) {
      if (instructions[i].action == Action::kWait && (reached_by(i) & threads_).any()) return true;
    }
    return false;
  }

  [[nodiscard]] RoleSet reached_by(uint32_t instruction) const {
    return code_.ordering().before[instruction] | code_.ordering().after[instruction];
  }

  [[nodiscard]] bool comes_unordered(uint32_t block) const {
    return (code_.ordering().enter[block] & threads_).any();
  }

  // Whether one of the threads may run on from the block as it came, unordered.
  [[nodiscard]] bool leaves_unordered(uint32_t block) const {
    const uint32_t last = flow_.blocks[block].last;
    return (code_.ordering().enter[block] & threads_ & ~code_.ordering().orders[last]).any();
  }

  // Blocks that end with a barrier at which the threads are ordered.
  [[nodiscard]] std::vector<uint32_t> barriers() const {
    std::vector<uint32_t> result;
    for (uint32_t b = 0; b < flow_.blocks.size(); ++b) {
      if ((code_.ordering().orders[flow_.blocks[b].last] & threads_).any()) result.push_back(b);
    }
    return result;
  }

  // Blocks from which a way leads to one of `goals` through blocks that `may_pass`.
  template <class MayPass>
  [[nodiscard]] BlockSet lead_to(std::vector<uint32_t> goals, const MayPass& may_pass) const {
    BlockSet found(flow_.blocks.size());
    for (const uint32_t goal : goals) found[goal] = true;
    while (!goals.empty()) {
      const uint32_t block = goals.back();
      goals.pop_back();
      for (const uint32_t before : predecessors_[block]) {
        if (found[before] || !may_pass(before)) continue;
        found[before] = true;
        goals.push_back(before);
      }
    }
    return found;
  }

  // A branch one way of which leads to the access unordered, and the other one to a barrier first.
  [[nodiscard]] bool is_detour(uint32_t block, const BlockSet& open,
                               const BlockSet& ordered) const {
    const std::vector<uint32_t> successors = flow_.successors(block);
    return std::any_of(successors.begin(), successors.end(), [&](uint32_t next) {
      return comes_unordered(next) && !open[next] && ordered[next];
    });
  }

  const KernelCode& code_;
  const ControlFlow& flow_;
  const RoleSet threads_;
  const uint32_t target_;
  std::vector<std::vector<uint32_t>> predecessors_;
};

}  // namespace

bool only_by_a_detour(const KernelCode& code, uint32_t access) {
  return Detours(code, access).are_the_only_ways();
}

}  // namespace slipstream::check
