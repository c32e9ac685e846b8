#include "check/analysis/explorer.h"

#include <algorithm>

namespace slipstream::check {

Explorer::Explorer(const Function& function, const ControlFlow& flow, const Slice& slice,
                   const LiveSlots& live, const Thread& thread,
                   std::function<bool(uint32_t)> orders)
    : function_(function),
      flow_(flow),
      live_(live),
      evaluator_(function, slice, thread),
      orders_(std::move(orders)),
      environment_(slice.size()),
      nodes_(flow.blocks.size() * 2),
      reached_(function.instructions.size()) {}

void Explorer::run() {
  if (flow_.blocks.empty()) return;
  nodes_[0].visited = true;
  nodes_[0].values.resize(live_.at(0).size());
  work_.insert(0);
  // In the order of the code, so that most ways into a block are known when it is visited.
  do {
    while (!work_.empty()) visit(work_.extract(work_.begin()).value());
    resume_returns();
  } while (!work_.empty());
}

// A function may return where the thread has called it: in the copy in which it runs, or, once
// ordered, before that too.
bool Explorer::has_called(uint32_t return_site, bool ordered) const {
  const uint32_t call = flow_.blocks[return_site].first - 1;
  return (reached_[call] & (ordered ? 3U : 1U)) != 0;
}

// Calls that were reached since a return was visited.
void Explorer::resume_returns() {
  for (auto& entry : returns_) {
    const uint32_t node = entry.first;
    const auto& targets = flow_.blocks[node / 2].targets;
    const auto callers = std::count_if(targets.begin(), targets.end(), [&](uint32_t target) {
      return has_called(target, node % 2 == 1);
    });
    if (callers == entry.second) continue;
    entry.second = callers;
    work_.insert(node);
  }
}

void Explorer::visit(uint32_t node) {
  const Block& block = flow_.blocks[node / 2];
  const bool ordered = node % 2 == 1;
  const std::vector<uint32_t>& live = live_.at(node / 2);
  for (size_t i = 0; i < live.size(); ++i) environment_[live[i]] = nodes_[node].values[i];
  for (uint32_t i = block.first; i <= block.last; ++i) {
    const Instruction& instruction = function_.instructions[i];
    const std::optional<bool> guard = evaluator_.guard(instruction, environment_);
    if (guard != false) {
      reached_[i] |= ordered ? 2 : 1;
    }
    if (i == block.last) {
      leave(instruction, node, guard, environment_);
    } else if (guard != false) {
      evaluator_.execute(instruction, guard.has_value(), environment_);
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
                     Environment& environment) {
  const Block& block = flow_.blocks[node / 2];
  const bool ordered = node % 2 == 1;
  const bool branches = last.action == Action::kBranch;
  // Both look at the registers before the instruction writes its own.
  const std::optional<bool> condition =
      branches ? evaluator_.condition(last, environment) : std::nullopt;
  const bool passes = last.action == Action::kMbarrierWait && passes_phase(last, environment);
  if (guard != false) evaluator_.execute(last, guard.has_value(), environment);
  if (branches) {
    if (condition != false) {
      if (last.returns) returns_.try_emplace(node, 0);
      for (const uint32_t target : block.targets) {
        if (!last.returns || has_called(target, ordered)) go(node, target, ordered, environment);
      }
    }
    if (condition != true && block.fall_through != kNone) {
      go(node, block.fall_through, ordered, environment);
    }
    return;
  }
  if (ends_thread(last.action) && guard == true) return;
  if (block.fall_through == kNone) return;
  const bool orders = last.action == Action::kWait || (orders_(block.last) && !passes);
  const bool skipped = guard != true;
  if (!ordered && orders && guard != false) {
    go(node, block.fall_through, true, environment);
    if (skipped) go(node, block.fall_through, false, environment);
  } else {
    go(node, block.fall_through, ordered, environment);
  }
}

void Explorer::go(uint32_t from, uint32_t block, bool ordered, const Environment& environment) {
  const uint32_t node = node_of(block, ordered);
  Node& target = nodes_[node];
  if (!target.visited) {
    target.visited = true;
    target.parent = from;
    target.values = live_values(block, environment);
    work_.insert(node);
  } else if (join(target.values, live_values(block, environment))) {
    work_.insert(node);
  }
}

Environment Explorer::live_values(uint32_t block, const Environment& environment) const {
  Environment values;
  values.reserve(live_.at(block).size());
  for (const uint32_t slot : live_.at(block)) values.push_back(environment[slot]);
  return values;
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
