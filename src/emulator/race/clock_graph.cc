#include "emulator/race/clock_graph.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

namespace slipstream::emulator::race {
namespace {

// How many answers are kept. Only the clocks of the warps that run are asked, which are few.
constexpr size_t kMaxKept = 256;

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

void ClockGraph::add(const Node& node, Flat& flat) const {
  flat.tickets.merge(node.tickets);
  if (node.cluster == 0) return;
  std::vector<uint32_t>& known = flat.times[node.cluster];
  known.resize(node.warps);
  for (uint32_t warp = 0; warp < node.warps; ++warp) {
    known[warp] = std::max(known[warp], times_[node.first_time + warp]);
  }
}

const ClockGraph::Flat& ClockGraph::flatten(ClockId clock) {
  if (flat_.size() >= kMaxKept) flat_.clear();
  const auto [entry, is_new] = flat_.try_emplace(clock);
  if (!is_new) return entry->second;
  std::unordered_set<ClockId> seen{0, clock};
  std::vector<ClockId> open{clock};
  while (!open.empty()) {
    const Node& node = nodes_[open.back()];
    open.pop_back();
    add(node, entry->second);
    for (const ClockId parent : node.parents) {
      if (seen.insert(parent).second) open.push_back(parent);
    }
  }
  return entry->second;
}

bool ClockGraph::knows(ClockId clock, ClusterId cluster, uint32_t warp, uint32_t time) {
  if (clock == 0) return false;
  const Flat& flat = flatten(clock);
  const auto known = flat.times.find(cluster);
  return known != flat.times.end() && known->second[warp] >= time;
}

bool ClockGraph::knows(ClockId clock, Ticket ticket) {
  return clock != 0 && flatten(clock).tickets.contains(ticket);
}

void ClockGraph::clear() {
  nodes_.resize(1);
  times_.clear();
  flat_.clear();
}

}  // namespace slipstream::emulator::race
