#include "emulator/race/clock_graph.h"

#include <utility>

namespace slipstream::emulator::race {
namespace {

// How many answers are kept, and times in them. Only the clocks of the warps that run are asked, and after a barrier of
// the grid most know the same.
constexpr size_t kMaxKept = 16384;
constexpr size_t kMaxTimes = size_t{4} << 20U;

}  // namespace

ClockId ClockGraph::release(ClusterId cluster, std::span<const uint32_t> times,
                            const TicketSet& tickets, ClockId parent) {
  Node node;
  node.cluster = cluster;
  node.first_time = static_cast<uint32_t>(times_.size());
  node.warps = static_cast<uint32_t>(times.size());
  node.parents[0] = parent;
  node.tickets = tickets;
  times_.insert(times_.end(), times.begin(), times.end());
  nodes_.push_back(std::move(node));
  return static_cast<ClockId>(nodes_.size() - 1);
}

// After a barrier each warp joins what it knew with what all have gathered, which has that already.
bool ClockGraph::is_parent(ClockId clock, const Node& node) {
  return node.parents[0] == clock || node.parents[1] == clock;
}

ClockId ClockGraph::join(ClockId a, ClockId b) {
  if (a == b || b == 0 || is_parent(b, nodes_[a])) return a;
  if (a == 0 || is_parent(a, nodes_[b])) return b;
  Node node;
  node.parents[0] = a;
  node.parents[1] = b;
  nodes_.push_back(std::move(node));
  return static_cast<ClockId>(nodes_.size() - 1);
}

void ClockGraph::keep(ClockId clock, const Gathered& gathered) {
  if (kept_count_ >= kMaxKept || kept_times_ >= kMaxTimes) forget_answers();
  // The first owner counts its times: others share them later.
  if (gathered.use_count() == 1) kept_times_ += gathered->size();
  ++kept_count_;
  if (kept_.size() <= clock) kept_.resize(nodes_.size());
  kept_[clock] = gathered;
}

void ClockGraph::forget_answers() {
  kept_.clear();
  kept_count_ = 0;
  kept_times_ = 0;
}

ClockGraph::Gathered ClockGraph::walk(ClockId clock) {
  auto gathered = std::make_shared<Knowledge>();
  ++walk_;
  seen_.resize(nodes_.size());
  seen_[0] = walk_;
  seen_[clock] = walk_;
  std::vector<ClockId> open{clock};
  while (!open.empty()) {
    const ClockId next = open.back();
    open.pop_back();
    if (next < kept_.size() && kept_[next] != nullptr) {
      gathered->merge(*kept_[next]);
      continue;
    }
    const Node& node = nodes_[next];
    gathered->add(node.tickets);
    if (node.cluster != 0) {
      gathered->add(node.cluster, std::span(times_).subspan(node.first_time, node.warps));
    }
    for (const ClockId parent : node.parents) {
      if (std::exchange(seen_[parent], walk_) != walk_) open.push_back(parent);
    }
  }
  return gathered;
}

ClockGraph::Gathered ClockGraph::find_or_walk(ClockId clock) {
  if (Gathered kept = find(clock)) return kept;
  Gathered gathered = walk(clock);
  keep(clock, gathered);
  return gathered;
}

const Knowledge& ClockGraph::gather(ClockId clock) {
  if (clock < kept_.size() && kept_[clock] != nullptr) return *kept_[clock];
  const Node& node = nodes_[clock];
  if (node.cluster != 0) return *find_or_walk(clock);
  // After a barrier of the grid one side knows all that the other does.
  const Gathered first = find_or_walk(node.parents[0]);
  const Gathered second = find_or_walk(node.parents[1]);
  Gathered both = first;
  if (second->includes(*first)) {
    both = second;
  } else if (!first->includes(*second)) {
    auto merged = std::make_shared<Knowledge>(*first);
    merged->merge(*second);
    both = std::move(merged);
  }
  keep(clock, both);
  return *kept_[clock];
}

bool ClockGraph::knows(ClockId clock, ClusterId cluster, uint32_t warp, uint32_t time) {
  return clock != 0 && gather(clock).knows(cluster, warp, time);
}

bool ClockGraph::knows(ClockId clock, Ticket ticket) {
  return clock != 0 && gather(clock).knows(ticket);
}

void ClockGraph::clear() {
  nodes_.resize(1);
  times_.clear();
  forget_answers();
  seen_.clear();
}

}  // namespace slipstream::emulator::race
