// Runs one kind of thread abstractly through a kernel: every way it can take, in two copies.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <vector>

#include "check/analysis/evaluate.h"
#include "check/analysis/live_slots.h"
#include "check/analysis/ordering.h"
#include "check/lower/control_flow.h"

namespace slipstream::check {

class Explorer {
 public:
  // `orders(i)` says whether passing the barrier `i` orders this thread.
  Explorer(const Function& function, const ControlFlow& flow, const Slice& slice,
           const LiveSlots& live, const Thread& thread, std::function<bool(uint32_t)> orders);

  void run();

  // Bit 0: reached before the thread was ordered; bit 1: after.
  [[nodiscard]] uint8_t reached(uint32_t instruction) const { return reached_[instruction]; }
  // Conditional branches on the first way that was found to the block, unordered.
  [[nodiscard]] std::vector<Decision> path_to(uint32_t block) const;

 private:
  struct Node {
    bool visited = false;
    uint32_t parent = kNone;
    Environment values;  // of the slots that are live at the block's start, in their order
  };

  [[nodiscard]] uint32_t node_of(uint32_t block, bool ordered) const {
    return block * 2 + (ordered ? 1 : 0);
  }
  void visit(uint32_t node);
  void leave(const Instruction& last, uint32_t node, std::optional<bool> guard,
             Environment& environment);
  [[nodiscard]] bool has_called(uint32_t return_site, bool ordered) const;
  void resume_returns();
  void go(uint32_t from, uint32_t block, bool ordered, const Environment& environment);
  // The values of `environment` that matter in `block`.
  [[nodiscard]] Environment live_values(uint32_t block, const Environment& environment) const;
  [[nodiscard]] bool passes_phase(const Instruction& wait, const Environment& environment) const;

  const Function& function_;
  const ControlFlow& flow_;
  const LiveSlots& live_;
  Evaluator evaluator_;
  std::function<bool(uint32_t)> orders_;
  Environment environment_;  // while a block is run; slots that are not live hold anything
  std::vector<Node> nodes_;
  std::set<uint32_t> work_;                // nodes to visit
  std::map<uint32_t, ptrdiff_t> returns_;  // nodes that return, and to how many callers so far
  std::vector<uint8_t> reached_;
};

}  // namespace slipstream::check
