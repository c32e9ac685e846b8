#include "emulator/race/cluster_order.h"

#include <algorithm>
#include <utility>

namespace slipstream::emulator::race {
namespace {

constexpr uint32_t kBarriersPerCta = 16;
// Beyond, what goes on without warps shares the last number.
constexpr Actor kMaxActors = 2040;

size_t index_of(Scope scope) { return static_cast<size_t>(scope); }

void merge(std::vector<uint32_t>& into, const std::vector<uint32_t>& from) {
  if (into.size() < from.size()) into.resize(from.size());
  for (size_t i = 0; i < from.size(); ++i) into[i] = std::max(into[i], from[i]);
}

}  // namespace

ClusterOrder::ClusterOrder(ClockForest& clocks, History& history, uint32_t ctas,
                           uint32_t warps_per_cta)
    : clocks_(clocks),
      history_(history),
      warps_per_cta_(warps_per_cta),
      warp_count_(ctas * warps_per_cta),
      warps_(warp_count_),
      triggered_(ctas) {}

// As new, but with the memory that it has.
void ClusterOrder::WarpOrder::restart(ClockId start_clock) {
  WarpOrder fresh;
  fresh.remote = start_clock;
  fresh.known = std::move(known);
  fresh.fenced_block = std::move(fenced_block);
  fresh.known.clear();
  fresh.fenced_block.clear();
  *this = std::move(fresh);
}

void ClusterOrder::start(std::shared_ptr<Work> work, uint64_t index, ClockId start_clock) {
  work_ = std::move(work);
  id_ = history_.add_cluster({work_->ticket, index, warps_per_cta_, work_->device});
  warps_.resize(warp_count_);
  for (WarpOrder& warp : warps_) warp.restart(start_clock);
  started_.clear();
  background_.clear();
  last_background_ = {{{}, ~uint64_t{0}}, 0};
  flags_.clear();
  triggered_.assign(triggered_.size(), false);
  barriers_.clear();
  exited_.clear();
  cluster_barrier_ = {};
  mbarriers_.clear();
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
  const bool has_segment = std::exchange(order.segment, 0) != 0;
  const bool has_acted = std::exchange(order.has_acted, false) || has_segment;
  const uint32_t covered = has_acted ? order.time : order.time - 1;
  if (has_acted) ++order.time;
  const size_t least = std::max(warp_count_, warp + 1);
  if (order.known.size() < least) order.known.resize(least);
  order.known[warp] = covered;
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
  merge(into.times, order.known);
  merge(into.fenced_block, order.fenced_block);
  into.remote = clocks_.join(into.remote, order.remote);
  for (size_t scope = 0; scope < kScopes; ++scope) {
    into.fenced[scope] = clocks_.join(into.fenced[scope], order.fenced[scope]);
  }
  into.waited |= (order.waited_lanes & lanes) != 0;
}

void ClusterOrder::learn(uint32_t warp, uint32_t lanes, const Gathered& from) {
  WarpOrder& order = warps_[warp];
  merge(order.known, from.times);
  merge(order.fenced_block, from.fenced_block);
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
  const auto exited = exited_.find(warp / warps_per_cta_);
  if (exited != exited_.end()) learn(warp, lanes, exited->second);
}
void ClusterOrder::exit(uint32_t warp, uint32_t lanes) {
  gather(warp, lanes, exited_[warp / warps_per_cta_]);
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
  return clocks_.release(id_, warp, known_of_warps(warp), tickets, order.remote);
}

void ClusterOrder::fence(uint32_t warp, Scope scope, bool acquires, bool releases) {
  WarpOrder& order = warps_[warp];
  if (acquires && std::exchange(order.last_fenced, order.observed) != order.observed) {
    order.remote = clocks_.join(order.remote, order.observed);
  }
  if (!releases) return;
  const ClockId now = snapshot(warp);
  for (size_t i = 0; i <= index_of(scope); ++i) order.fenced[i] = now;
}

std::span<const uint32_t> ClusterOrder::fence_proxy(uint32_t warp) {
  close_segment(warp);
  warps_[warp].fenced_proxy = true;
  return known_of_warps(warp);
}

Clocks ClusterOrder::published(uint32_t warp, bool releases) {
  if (!releases) return warps_[warp].fenced;
  Clocks clocks{};
  clocks.fill(snapshot(warp));
  return clocks;
}

void ClusterOrder::observe(uint32_t warp, ClockId clock, bool acquires) {
  WarpOrder& order = warps_[warp];
  // A poll sees the same again and again.
  if (std::exchange(order.last_observed, clock) != clock) {
    order.observed = clocks_.join(order.observed, clock);
  }
  if (acquires && std::exchange(order.last_acquired, clock) != clock) {
    order.remote = clocks_.join(order.remote, clock);
  }
}

// --- Shared memory.

void ClusterOrder::fence_block(uint32_t warp) {
  close_segment(warp);
  warps_[warp].fenced_block = warps_[warp].known;
}

void ClusterOrder::write_flag(uint32_t warp, uint64_t key, bool releases, bool is_atomic) {
  if (releases) fence_block(warp);
  const Times& told = warps_[warp].fenced_block;
  const auto flag = flags_.find(key);
  if (is_atomic && flag != flags_.end()) {
    // It passes on what earlier writers released.
    merge(flag->second, told);
  } else if (told.empty()) {
    flags_.erase(key);
  } else {
    flags_[key] = told;
  }
}

void ClusterOrder::read_flag(uint32_t warp, uint64_t key) {
  const auto flag = flags_.find(key);
  if (flag == flags_.end()) return;
  close_segment(warp);
  merge(warps_[warp].known, flag->second);
}

// --- What goes on without a warp.

Actor ClusterOrder::background(Background kind, uint64_t key) {
  if (last_background_.first == std::pair(kind, key)) return last_background_.second;
  const auto next = static_cast<Actor>(warps_.size());
  const auto [entry, is_new] = background_.try_emplace({kind, key}, next);
  last_background_ = *entry;
  if (!is_new) return entry->second;
  if (next >= kMaxActors && !started_.empty()) {
    return last_background_.second = entry->second = next - 1;
  }
  warps_.emplace_back();
  started_.push_back({kind, 0});
  return next;
}

void ClusterOrder::start(uint32_t warp, Actor actor) {
  close_segment(warp);
  merge(warps_[actor].known, warps_[warp].known);
  started_[actor - warp_count_].warp = warp;
}

void ClusterOrder::commit(uint32_t warp, Actor actor) {
  warps_[warp].commits[actor].push_back(close_segment(actor));
}

void ClusterOrder::wait_for(uint32_t warp, Actor actor, uint32_t pending) {
  std::vector<uint32_t>& commits = warps_[warp].commits[actor];
  if (commits.size() <= pending) return;
  const auto end = commits.end() - pending;
  Times& known = warps_[warp].known;
  if (known.size() <= actor) known.resize(std::max(warp_count_, actor + 1));
  known[actor] = std::max(known[actor], end[-1]);
  commits.erase(commits.begin(), end);
}

void ClusterOrder::count_on_mbarrier(Actor actor, uint64_t key, bool parity) {
  close_segment(actor);
  merge(mbarriers_[key][parity ? 1 : 0].times, warps_[actor].known);
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
    return earlier.warp == warp || knows(warp, earlier.warp, earlier.time) ||
           clocks_.knows(warps_[warp].remote, id_, earlier.warp, earlier.time);
  }
  const Ticket ticket = history_.cluster(earlier.cluster).ticket;
  if (ticket != work_->ticket && know_complete(warp, 1U << lane, ticket)) return true;
  return clocks_.knows(warps_[warp].remote, earlier.cluster, earlier.warp, earlier.time);
}

}  // namespace slipstream::emulator::race
