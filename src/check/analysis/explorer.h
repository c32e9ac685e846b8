// Runs threads abstractly through a kernel: every way that each can take, in two copies.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "check/analysis/bounds.h"
#include "check/analysis/evaluate.h"
#include "check/analysis/live_slots.h"
#include "check/analysis/ordering.h"
#include "check/lower/control_flow.h"

namespace slipstream::check {

class Explorer {
 public:
  // Of `threads` those in `run` are run, together as far as they go the same ways. `orders` says by
  // instruction which threads are ordered by passing it, if it is a barrier.
  Explorer(const Function& function, const ControlFlow& flow, const Slice& slice,
           const LiveSlots& live, std::span<const Thread> threads, const RoleSet& run,
           const std::vector<RoleSet>& orders);

  void run();

  // The threads that can reach the instruction: before they are ordered, or after.
  [[nodiscard]] const RoleSet& reached(uint32_t instruction, bool ordered) const {
    return reached_[node_of(instruction, ordered)];
  }
  // The threads that can come to the start of the block before they are ordered.
  [[nodiscard]] const RoleSet& entering(uint32_t block) const {
    return nodes_[node_of(block, false)].threads;
  }
  // Conditional branches on the first way that was found to the block, unordered.
  [[nodiscard]] std::vector<Decision> path_to(uint32_t block) const;

 private:
  struct Node {
    uint32_t parent = kNone;
    RoleSet threads;       // that have come here
    RoleSet to_visit;      // with values that have not been followed yet
    bool resumed = false;  // these values have been followed to where others return to
    Environment values;    // of the slots that are live at the block's start, in their order
  };
  // Of a node that returns to its function's callers.
  struct Return {
    RoleSet threads;
    std::vector<RoleSet> followed;  // by target
  };
  // One way back from a function: the block that returns, and which of its targets it is.
  struct WayBack {
    uint32_t block = 0;
    uint32_t target = 0;
  };

  // Of a block or an instruction, in one of the two copies.
  [[nodiscard]] static uint32_t node_of(uint32_t place, bool ordered) {
    return place * 2 + (ordered ? 1 : 0);
  }
  void find_instructions_that_matter(const Slice& slice);
  void find_ways_back();
  void complete_reached();
  void visit(uint32_t node);
  void reach_end(const Block& block, bool ordered, const RoleSet& threads);
  void leave(const Instruction& last, uint32_t node, const Verdict& guard, const RoleSet& active);
  void leave_by_branch(const Instruction& last, uint32_t node, const Verdict& condition,
                       const RoleSet& active);
  void follow_returns(uint32_t node, const RoleSet& threads);
  void follow_targets(uint32_t node, const Instruction& branch, const RoleSet& taking);
  [[nodiscard]] std::optional<int64_t> destination(const Instruction& branch, size_t thread) const;
  [[nodiscard]] RoleSet have_called(uint32_t return_site, bool ordered) const;
  void resume_returns();
  void go(uint32_t from, uint32_t block, bool ordered, const RoleSet& arriving);
  [[nodiscard]] RoleSet passes_phase(const Instruction& wait, const RoleSet& active) const;

  const Function& function_;
  const ControlFlow& flow_;
  const LiveSlots& live_;
  RoleSet run_;
  Evaluator evaluator_;
  const std::vector<RoleSet>& orders_;
  Environment environment_;  // while a block is run; slots that are not live hold anything
  std::vector<Node> nodes_;
  std::set<uint32_t> work_;                             // nodes to visit
  std::map<uint32_t, Return> returns_;                  // by node
  std::map<uint32_t, std::vector<WayBack>> ways_back_;  // by call
  std::vector<WayBack> called_;  // of calls that were reached since returns were last followed
  // By block, but for its last instruction: those with a guard or a result that is worth a value.
  std::vector<std::vector<uint32_t>> matter_;
  std::vector<RoleSet> reached_;  // by instruction and copy
  // By block: what its last branch hangs on.
  std::map<uint32_t, BranchBound> bounds_;
};

}  // namespace slipstream::check
