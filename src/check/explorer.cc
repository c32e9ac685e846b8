#include "check/explorer.h"

#include <algorithm>

namespace slipstream::check {

Explorer::Explorer(const Function& function, const ControlFlow& flow, const Slice& slice,
                   const Thread& thread, std::function<bool(uint32_t)> orders)
    : function_(function),
      flow_(flow),
      slice_(slice),
      evaluator_(function, slice, thread),
      orders_(std::move(orders)),
      nodes_(flow.blocks.size() * 2),
      reached_(function.instructions.size()) {}

void Explorer::run() {
  if (flow_.blocks.empty()) return;
  nodes_[0].visited = true;
  nodes_[0].environment.resize(slice_.size());
  work_.push_back(0);
  while (!work_.empty()) {
    const uint32_t node = work_.back();
    work_.pop_back();
    visit(node);
  }
}

void Explorer::visit(uint32_t node) {
  const Block& block = flow_.blocks[node / 2];
  const bool ordered = node % 2 == 1;
  Environment environment = nodes_[node].environment;
  for (uint32_t i = block.first; i <= block.last; ++i) {
    const Instruction& instruction = function_.instructions[i];
    const std::optional<bool> guard = evaluator_.guard(instruction, environment);
    if (guard != false) {
      reached_[i] |= ordered ? 2 : 1;
    }
    if (i == block.last) {
      leave(instruction, node, guard, environment);
    } else if (guard != false) {
      evaluator_.execute(instruction, guard.has_value(), environment);
    }
  }
}

// A test of the initial phase's predecessor (parity 1) succeeds at once on a fresh mbarrier, which
// is how producers skip their first wait; it orders nothing.
bool Explorer::passes_phase(const Instruction& wait, const Environment& environment) const {
  const auto sources = function_.sources_of(wait);
  if (sources.empty()) return false;
  const Value phase = evaluator_.operand(sources.front(), environment);
  return phase.known && ((phase.number >> wait.immediate) & 1) == 1;
}

void Explorer::leave(const Instruction& last, uint32_t node, std::optional<bool> guard,
                     const Environment& environment) {
  const Block& block = flow_.blocks[node / 2];
  const bool ordered = node % 2 == 1;
  Environment after = environment;
  if (guard != false) evaluator_.execute(last, guard.has_value(), after);
  if (last.action == Action::kBranch) {
    const std::optional<bool> condition = evaluator_.condition(last, environment);
    if (condition != false) {
      for (const uint32_t target : block.targets) go(node, target, ordered, after);
    }
    if (condition != true && block.fall_through != kNone) {
      go(node, block.fall_through, ordered, after);
    }
    return;
  }
  if (ends_thread(last.action) && guard == true) return;
  if (block.fall_through == kNone) return;
  const bool orders = last.action == Action::kWait ||
                      (orders_(block.last) &&
                       !(last.action == Action::kMbarrierWait && passes_phase(last, environment)));
  const bool skipped = guard != true;
  if (!ordered && orders && guard != false) {
    go(node, block.fall_through, true, after);
    if (skipped) go(node, block.fall_through, false, after);
  } else {
    go(node, block.fall_through, ordered, after);
  }
}

void Explorer::go(uint32_t from, uint32_t block, bool ordered, const Environment& environment) {
  const uint32_t node = node_of(block, ordered);
  Node& target = nodes_[node];
  if (!target.visited) {
    target.visited = true;
    target.parent = from;
    target.environment = environment;
    work_.push_back(node);
  } else if (join(target.environment, environment)) {
    work_.push_back(node);
  }
}

std::vector<Decision> Explorer::path_to(uint32_t block) const {
  std::vector<Decision> path;
  uint32_t node = node_of(block, false);
  if (!nodes_[node].visited) return path;
  while (nodes_[node].parent != kNone) {
    const uint32_t parent = nodes_[node].parent;
    const Block& from = flow_.blocks[parent / 2];
    const Instruction& last = function_.instructions[from.last];
    const bool conditional = last.action == Action::kBranch && from.fall_through != kNone;
    if (conditional) {
      path.push_back({.instruction = from.last, .taken = node / 2 != from.fall_through});
    }
    node = parent;
  }
  std::reverse(path.begin(), path.end());
  return path;
}

}  // namespace slipstream::check
