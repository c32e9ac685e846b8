#include "emulator/race/cluster_order.h"

#include <algorithm>
#include <utility>

namespace slipstream::emulator::race {
namespace {

constexpr uint32_t kBarriersPerCta = 16;

size_t index_of(Scope scope) { return static_cast<size_t>(scope); }

}  // namespace

ClusterOrder::ClusterOrder(std::shared_ptr<Work> work, ClockGraph& clocks, History& history,
                           uint64_t index, uint32_t ctas, uint32_t warps_per_cta,
                           ClockId start_clock)
    : work_(std::move(work)),
      clocks_(clocks),
      history_(history),
      id_(history.add_cluster({work_->ticket, index, warps_per_cta, work_->device})),
      warps_per_cta_(warps_per_cta),
      warps_(size_t{ctas} * warps_per_cta),
      known_(warps_.size() * warps_.size()),
      triggered_(ctas) {
  for (WarpOrder& warp : warps_) warp.remote = start_clock;
}

// --- Segments.

SegmentId ClusterOrder::segment(uint32_t warp) {
  WarpOrder& order = warps_[warp];
  if (order.segment == 0) {
    order.segment = history_.add_segment({id_, warp, order.time, order.waited_lanes});
  }
  return order.segment;
}

// Others may now learn of all that the warp has done: what it does next is something else. Returns
// the time that covers what it has done.
uint32_t ClusterOrder::close_segment(uint32_t warp) {
  WarpOrder& order = warps_[warp];
  const uint32_t covered = order.segment == 0 ? order.time - 1 : order.time;
  if (std::exchange(order.segment, 0) != 0) ++order.time;
  known(warp)[warp] = covered;
  return covered;
}

void ClusterOrder::set_waited(uint32_t warp, uint32_t lanes) {
  WarpOrder& order = warps_[warp];
  if ((lanes & ~order.waited_lanes) == 0) return;
  order.waited_lanes |= lanes;
  // Reports say whether an access came before the wait, so it begins a segment.
  close_segment(warp);
}

// --- Grids.

void ClusterOrder::wait_for_grids(uint32_t warp, uint32_t lanes) {
  WorkOrder::settle_wait(*work_);
  work_->waited = true;
  set_waited(warp, lanes);
  warps_[warp].fenced_proxy = false;
}

void ClusterOrder::trigger(uint32_t warp, uint32_t lanes) {
  const uint32_t cta = warp / warps_per_cta_;
  if (triggered_[cta]) return;
  triggered_[cta] = true;
  const WarpOrder& order = warps_[warp];
  work_->released_late |= (order.waited_lanes & lanes) != 0;
  for (size_t scope = 0; scope < kScopes; ++scope) {
    work_->published[scope] = clocks_.join(work_->published[scope], order.fenced[scope]);
  }
}

void ClusterOrder::exit_cta(uint32_t cta) {
  if (triggered_[cta]) return;
  triggered_[cta] = true;
  for (uint32_t i = 0; i < warps_per_cta_; ++i) {
    work_->released_late |= warps_[cta * warps_per_cta_ + i].waited_lanes != 0;
  }
}

void ClusterOrder::synchronize_lanes(uint32_t warp, uint32_t members) {
  if ((warps_[warp].waited_lanes & members) != 0) set_waited(warp, members);
}

// --- Barriers.

void ClusterOrder::gather(uint32_t warp, uint32_t lanes, Gathered& into) {
  close_segment(warp);
  const WarpOrder& order = warps_[warp];
  const std::span<uint32_t> mine = known(warp);
  if (into.times.empty()) into.times.resize(mine.size());
  for (size_t i = 0; i < mine.size(); ++i) into.times[i] = std::max(into.times[i], mine[i]);
  into.remote = clocks_.join(into.remote, order.remote);
  for (size_t scope = 0; scope < kScopes; ++scope) {
    into.fenced[scope] = clocks_.join(into.fenced[scope], order.fenced[scope]);
  }
  into.waited |= (order.waited_lanes & lanes) != 0;
}

void ClusterOrder::learn(uint32_t warp, uint32_t lanes, const Gathered& from) {
  WarpOrder& order = warps_[warp];
  const std::span<uint32_t> mine = known(warp);
  for (size_t i = 0; i < from.times.size(); ++i) mine[i] = std::max(mine[i], from.times[i]);
  order.remote = clocks_.join(from.remote, order.remote);
  for (size_t scope = 0; scope < kScopes; ++scope) {
    order.fenced[scope] = clocks_.join(from.fenced[scope], order.fenced[scope]);
  }
  if (from.waited) set_waited(warp, lanes);
  order.fenced_proxy = false;
}

ClusterOrder::Gathered& ClusterOrder::barrier(uint32_t warp, uint32_t index) {
  return barriers_[warp / warps_per_cta_ * kBarriersPerCta + index];
}

void ClusterOrder::arrive(uint32_t warp, uint32_t lanes, uint32_t index) {
  gather(warp, lanes, barrier(warp, index));
}
void ClusterOrder::leave(uint32_t warp, uint32_t lanes, uint32_t index) {
  learn(warp, lanes, barrier(warp, index));
}
void ClusterOrder::reset(uint32_t cta, uint32_t index) {
  barrier(cta * warps_per_cta_, index) = {};
}

void ClusterOrder::arrive_cluster(uint32_t warp, uint32_t lanes, uint32_t parity) {
  gather(warp, lanes, cluster_barrier_[parity]);
}
void ClusterOrder::leave_cluster(uint32_t warp, uint32_t lanes, uint32_t parity) {
  learn(warp, lanes, cluster_barrier_[parity]);
}
void ClusterOrder::reset_cluster(uint32_t parity) { cluster_barrier_[parity] = {}; }

void ClusterOrder::arrive_mbarrier(uint32_t warp, uint32_t lane, uint64_t key, bool parity) {
  gather(warp, 1U << lane, mbarriers_[key][parity ? 1 : 0]);
}
void ClusterOrder::leave_mbarrier(uint32_t warp, uint32_t lanes, uint64_t key, bool parity) {
  learn(warp, lanes, mbarriers_[key][parity ? 1 : 0]);
}
void ClusterOrder::reset_mbarrier(uint64_t key, bool parity) {
  mbarriers_[key][parity ? 1 : 0] = {};
}

// --- Fences and strong accesses.

// All that the warp knows now.
ClockId ClusterOrder::snapshot(uint32_t warp) {
  close_segment(warp);
  const WarpOrder& order = warps_[warp];
  const TicketSet& tickets = order.waited_lanes != 0 ? work_->after_wait : work_->at_start;
  return clocks_.release(id_, known(warp), tickets, order.remote);
}

void ClusterOrder::fence(uint32_t warp, Scope scope, bool acquires, bool releases) {
  WarpOrder& order = warps_[warp];
  if (acquires) order.remote = clocks_.join(order.remote, order.observed);
  if (!releases) return;
  const ClockId now = snapshot(warp);
  for (size_t i = 0; i <= index_of(scope); ++i) order.fenced[i] = now;
}

std::span<const uint32_t> ClusterOrder::fence_proxy(uint32_t warp) {
  close_segment(warp);
  warps_[warp].fenced_proxy = true;
  return known(warp);
}

Clocks ClusterOrder::published(uint32_t warp, bool releases) {
  if (!releases) return warps_[warp].fenced;
  Clocks clocks{};
  clocks.fill(snapshot(warp));
  return clocks;
}

void ClusterOrder::observe(uint32_t warp, ClockId clock, bool acquires) {
  WarpOrder& order = warps_[warp];
  order.observed = clocks_.join(order.observed, clock);
  if (acquires) order.remote = clocks_.join(order.remote, clock);
}

// --- Questions.

bool ClusterOrder::know_complete(uint32_t warp, uint32_t lanes, Ticket ticket) {
  const WarpOrder& order = warps_[warp];
  if (work_->at_start.contains(ticket)) return true;
  const bool all_waited = (lanes & ~order.waited_lanes) == 0;
  if (all_waited && work_->after_wait.contains(ticket)) return true;
  return clocks_.knows(order.remote, ticket);
}

bool ClusterOrder::is_behind(uint32_t warp, uint32_t lane, const Segment& earlier) {
  if (earlier.cluster == id_) {
    return earlier.warp == warp || known(warp)[earlier.warp] >= earlier.time;
  }
  const Ticket ticket = history_.cluster(earlier.cluster).ticket;
  if (ticket != work_->ticket && know_complete(warp, 1U << lane, ticket)) return true;
  return clocks_.knows(warps_[warp].remote, earlier.cluster, earlier.warp, earlier.time);
}

}  // namespace slipstream::emulator::race
