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
    const BlockSet unordered = lead_to_target(true);
    if (!unordered[0]) return false;  // by a way that is not followed here
    const BlockSet all = lead_to_target(false);
    return !reaches_target_without_detour(unordered, all);
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

  // Blocks from which a way leads to the access.
  [[nodiscard]] BlockSet lead_to_target(bool unordered) const {
    BlockSet found(flow_.blocks.size());
    std::vector<uint32_t> work = {target_};
    found[target_] = true;
    while (!work.empty()) {
      const uint32_t block = work.back();
      work.pop_back();
      for (const uint32_t before : predecessors_[block]) {
        if (found[before] || (unordered && !leaves_unordered(before))) continue;
        found[before] = true;
        work.push_back(before);
      }
    }
    return found;
  }

  // A branch one way of which leads to the access unordered, and the other one only ordered.
  [[nodiscard]] bool is_detour(uint32_t block, const BlockSet& unordered,
                               const BlockSet& all) const {
    const std::vector<uint32_t> successors = flow_.successors(block);
    return std::any_of(successors.begin(), successors.end(), [&](uint32_t next) {
      return comes_unordered(next) && !unordered[next] && all[next];
    });
  }

  [[nodiscard]] bool reaches_target_without_detour(const BlockSet& unordered,
                                                   const BlockSet& all) const {
    BlockSet seen(flow_.blocks.size());
    std::vector<uint32_t> work = {0};
    seen[0] = true;
    while (!work.empty()) {
      const uint32_t block = work.back();
      work.pop_back();
      if (block == target_) return true;
      if (!leaves_unordered(block) || is_detour(block, unordered, all)) continue;
      for (const uint32_t next : flow_.successors(block)) {
        if (seen[next] || !unordered[next] || !comes_unordered(next)) continue;
        seen[next] = true;
        work.push_back(next);
      }
    }
    return false;
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
