#include "check/analysis/explorer.h"

#include <algorithm>
#include <utility>

namespace slipstream::check {

Explorer::Explorer(const Function& function, const ControlFlow& flow, const Slice& slice,
                   const LiveSlots& live, std::span<const Thread> threads, const RoleSet& run,
                   const std::vector<RoleSet>& orders)
    : function_(function),
      flow_(flow),
      live_(live),
      run_(run),
      evaluator_(function, slice, threads),
      orders_(orders),
      environment_(slice.size()),
      nodes_(flow.blocks.size() * 2),
      matter_(flow.blocks.size()),
      reached_(function.instructions.size() * 2),
      bounds_(find_branch_bounds(function, flow, slice)) {
  find_instructions_that_matter(slice);
  find_ways_back();
}

void Explorer::find_instructions_that_matter(const Slice& slice) {
  const auto is_followed = [&](uint32_t reg) { return slice.slot(reg) != kNone; };
  for (size_t b = 0; b < flow_.blocks.size(); ++b) {
    for (uint32_t i = flow_.blocks[b].first; i < flow_.blocks[b].last; ++i) {
      const Instruction& instruction = function_.instructions[i];
      const auto results = function_.destinations_of(instruction);
      if (instruction.guard != kNone || std::any_of(results.begin(), results.end(), is_followed)) {
        matter_[b].push_back(i);
      }
    }
  }
}

void Explorer::find_ways_back() {
  for (uint32_t b = 0; b < flow_.blocks.size(); ++b) {
    if (!function_.instructions[flow_.blocks[b].last].returns) continue;
    const std::vector<uint32_t>& targets = flow_.blocks[b].targets;
    for (uint32_t t = 0; t < targets.size(); ++t) {
      ways_back_[flow_.blocks[targets[t]].first - 1].push_back({.block = b, .target = t});
    }
  }
}

void Explorer::run() {
  if (flow_.blocks.empty() || run_.none()) return;
  nodes_[0].threads = nodes_[0].to_visit = run_;
  nodes_[0].values.resize(live_.at(0).size());
  work_.insert(0);
  // In the order of the code, so that most ways into a block are known when it is visited.
  do {
    while (!work_.empty()) visit(work_.extract(work_.begin()).value());
    resume_returns();
  } while (!work_.empty());
  complete_reached();
}

// What has no guard is reached by all that come to its block.
void Explorer::complete_reached() {
  for (uint32_t node = 0; node < nodes_.size(); ++node) {
    const Block& block = flow_.blocks[node / 2];
    for (uint32_t i = block.first; i < block.last; ++i) {
      if (function_.instructions[i].guard == kNone) {
        reached_[node_of(i, node % 2 == 1)] = nodes_[node].threads;
      }
    }
  }
}

// A function may return where the thread has called it: in the copy in which it runs, or, once
// ordered, before that too.
RoleSet Explorer::have_called(uint32_t return_site, bool ordered) const {
  const uint32_t call = flow_.blocks[return_site].first - 1;
  const RoleSet& before = reached(call, false);
  return ordered ? before | reached(call, true) : before;
}

// Calls that were reached since a return was visited. Only their own ways back are looked at: a
// function may have a thousand callers.
void Explorer::resume_returns() {
  for (const WayBack& way : std::exchange(called_, {})) {
    for (const bool ordered : {false, true}) {
      const uint32_t node = node_of(way.block, ordered);
      const auto found = returns_.find(node);
      if (found == returns_.end()) continue;
      const Return& one = found->second;
      const RoleSet called = have_called(flow_.blocks[way.block].targets[way.target], ordered);
      const RoleSet missed = called & one.threads & ~one.followed[way.target];
      if (missed.none()) continue;
      nodes_[node].to_visit |= missed;
      nodes_[node].resumed = true;
      work_.insert(node);
    }
  }
}

// Notes that the threads execute the block's last instruction.
void Explorer::reach_end(const Block& block, bool ordered, const RoleSet& threads) {
  RoleSet& reached = reached_[node_of(block.last, ordered)];
  if ((threads & ~reached).none()) return;
  reached |= threads;
  const auto ways = ways_back_.find(block.last);
  if (ways == ways_back_.end()) return;
  called_.insert(called_.end(), ways->second.begin(), ways->second.end());
}

void Explorer::visit(uint32_t node) {
  Node& here = nodes_[node];
  const Block& block = flow_.blocks[node / 2];
  const bool ordered = node % 2 == 1;
  const RoleSet active = here.to_visit;
  here.to_visit.reset();
  const std::vector<uint32_t>& live = live_.at(node / 2);
  for (size_t i = 0; i < live.size(); ++i) environment_[live[i]] = here.values[i];
  for (const uint32_t i : matter_[node / 2]) {
    const Instruction& instruction = function_.instructions[i];
    const Verdict guard = evaluator_.guard(instruction, environment_, active);
    if (instruction.guard != kNone) reached_[node_of(i, ordered)] |= active & ~guard.no;
    evaluator_.execute(instruction, guard, active, environment_);
  }
  const Instruction& last = function_.instructions[block.last];
  const Verdict guard = evaluator_.guard(last, environment_, active);
  reach_end(block, ordered, active & ~guard.no);
  leave(last, node, guard, active);
}

// A test of the initial phase's predecessor (parity 1) succeeds at once on a fresh mbarrier, which
// is how producers skip their first wait; it orders nothing.
RoleSet Explorer::passes_phase(const Instruction& wait, const RoleSet& active) const {
  RoleSet passing;
  const auto sources = function_.sources_of(wait);
  if (wait.action != Action::kMbarrierWait || sources.empty()) return passing;
  for (size_t t = 0; t < active.size(); ++t) {
    if (!active.test(t)) continue;
    const Value phase = evaluator_.operand(sources.front(), environment_, t);
    passing.set(t, phase.known() && ((phase.number >> wait.immediate) & 1) == 1);
  }
  return passing;
}

void Explorer::leave(const Instruction& last, uint32_t node, const Verdict& guard,
                     const RoleSet& active) {
  const Block& block = flow_.blocks[node / 2];
  const bool ordered = node % 2 == 1;
  // Both look at the registers before the instruction writes its own.
  const Verdict condition =
      last.action == Action::kBranch ? evaluator_.condition(last, environment_, active) : Verdict{};
  const RoleSet passing = passes_phase(last, active);
  evaluator_.execute(last, guard, active, environment_);
  if (last.action == Action::kBranch) return leave_by_branch(last, node, condition, active);
  RoleSet staying = active;
  if (ends_thread(last.action)) staying &= ~guard.yes;
  if (block.fall_through == kNone) return;
  if (ordered) return go(node, block.fall_through, true, staying);
  const RoleSet ordering = last.action == Action::kWait ? active : orders_[block.last] & ~passing;
  go(node, block.fall_through, true, staying & ordering & ~guard.no);
  go(node, block.fall_through, false, staying & ~(ordering & guard.yes));
}

void Explorer::leave_by_branch(const Instruction& last, uint32_t node, const Verdict& condition,
                               const RoleSet& active) {
  const Block& block = flow_.blocks[node / 2];
  const bool ordered = node % 2 == 1;
  const RoleSet taking = active & ~condition.no;
  // Where both ways are open, each one tells.
  const auto found = (taking & ~condition.yes).any() ? bounds_.find(node / 2) : bounds_.end();
  const BranchBound* bound = found == bounds_.end() ? nullptr : &found->second;
  Values predicate;
  Values compared;
  if (bound != nullptr) {
    predicate = environment_[bound->predicate];
    if (bound->slot != kNone) compared = environment_[bound->slot];
    assume(environment_, *bound, true);
  }
  if (last.returns) {
    follow_returns(node, taking);
  } else {
    follow_targets(node, last, taking);
  }
  if (bound != nullptr) {
    environment_[bound->predicate] = predicate;
    if (bound->slot != kNone) environment_[bound->slot] = compared;
    assume(environment_, *bound, false);
  }
  if (block.fall_through != kNone) {
    go(node, block.fall_through, ordered, active & ~condition.yes);
  }
}

// Where an indirect branch takes the thread, if that is known: SASS computes a position, PTX the number
// of the target.
std::optional<int64_t> Explorer::destination(const Instruction& branch, size_t thread) const {
  int64_t place = 0;
  for (const Operand& part : function_.place_of(branch)) {
    const Value value = evaluator_.operand(part, environment_, thread);
    if (!value.known()) return std::nullopt;
    place += value.number;
  }
  return place;
}

// Each thread to all targets, or to the one that it chooses.
void Explorer::follow_targets(uint32_t node, const Instruction& branch, const RoleSet& taking) {
  const std::vector<uint32_t>& targets = flow_.blocks[node / 2].targets;
  const bool ordered = node % 2 == 1;
  if (branch.place_parts == 0) {
    for (const uint32_t target : targets) go(node, target, ordered, taking);
    return;
  }
  std::vector<RoleSet> heading(targets.size(), taking);
  for (size_t thread = 0; thread < taking.size(); ++thread) {
    if (!taking.test(thread)) continue;
    const std::optional<int64_t> place = destination(branch, thread);
    const auto is_chosen = [&](size_t t) {
      const uint32_t first = flow_.blocks[targets[t]].first;
      return place == (function_.code == CodeKind::kPtx
                           ? static_cast<int64_t>(t)
                           : int64_t{function_.instructions[first].position});
    };
    std::vector<bool> chosen(targets.size());
    for (size_t t = 0; t < targets.size(); ++t) chosen[t] = is_chosen(t);
    // Elsewhere it cannot go: then something was not understood.
    if (std::find(chosen.begin(), chosen.end(), true) == chosen.end()) continue;
    for (size_t t = 0; t < targets.size(); ++t) heading[t].set(thread, chosen[t]);
  }
  for (size_t t = 0; t < targets.size(); ++t) go(node, targets[t], ordered, heading[t]);
}

void Explorer::follow_returns(uint32_t node, const RoleSet& threads) {
  const Block& block = flow_.blocks[node / 2];
  const bool ordered = node % 2 == 1;
  const bool resumed = std::exchange(nodes_[node].resumed, false);
  Return& one = returns_[node];
  one.threads |= threads;
  one.followed.resize(block.targets.size());
  for (size_t t = 0; t < block.targets.size(); ++t) {
    RoleSet calling = threads & have_called(block.targets[t], ordered);
    if (resumed) calling &= ~one.followed[t];
    one.followed[t] |= calling;
    go(node, block.targets[t], ordered, calling);
  }
}

void Explorer::go(uint32_t from, uint32_t block, bool ordered, const RoleSet& arriving) {
  if (arriving.none()) return;
  const uint32_t node = node_of(block, ordered);
  Node& target = nodes_[node];
  const std::vector<uint32_t>& live = live_.at(block);
  if (target.threads.none()) {
    target.parent = from;
    target.values.resize(live.size());
  }
  RoleSet changed = arriving & ~target.threads;
  const Arrival arrival(target.threads, arriving);
  for (size_t i = 0; i < live.size(); ++i) {
    changed |= target.values[i].join(environment_[live[i]], arrival);
  }
  target.threads |= arriving;
  if (changed.none()) return;
  target.to_visit |= changed;
  target.resumed = false;
  work_.insert(node);
}

std::vector<Decision> Explorer::path_to(uint32_t block) const {
  std::vector<Decision> path;
  uint32_t node = node_of(block, false);
  if (nodes_[node].threads.none()) return path;
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
