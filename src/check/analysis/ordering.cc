#include "check/analysis/ordering.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "check/analysis/explorer.h"

namespace slipstream::check {
namespace {

constexpr uint32_t kWarpThreads = 32;
constexpr uint32_t kMaxBlockThreads = 1024;
constexpr std::array<uint32_t, 3> kLanes = {0, 1, kWarpThreads - 1};

// Whether it may let threads go on that wait so.
bool arrives_at(Action action, Action wait) {
  if (wait == Action::kFlagWait) return action == Action::kFlagWrite;
  return action == Action::kMbarrierArrive || action == Action::kCopyToShared;
}

// Where threads may be ordered by each other.
bool is_meeting(Action action) {
  switch (action) {
    case Action::kBarrier:
    case Action::kBarrierArrive:
    case Action::kWarpBarrier:
    case Action::kClusterArrive:
    case Action::kClusterWait:
    case Action::kMbarrierWait:
    case Action::kMbarrierArrive:
    case Action::kCopyToShared:
    case Action::kFlagWait:
    case Action::kFlagWrite:
      return true;
    default:
      return false;
  }
}

// "0", "0 and 2", "1 to 7".
std::string ranges(const std::set<int32_t>& numbers) {
  std::string text;
  for (auto it = numbers.begin(); it != numbers.end();) {
    auto end = it;
    int32_t last = *it;
    while (std::next(end) != numbers.end() && *std::next(end) == last + 1) last = *++end;
    const std::string part =
        last == *it ? fmt::format("{}", *it) : fmt::format("{} to {}", *it, last);
    text += (text.empty() ? "" : ", ") + part;
    it = std::next(end);
  }
  return text;
}

}  // namespace

std::string Ordering::describe(const RoleSet& threads) const {
  if (threads.count() == roles.size()) return "every thread";
  std::set<int32_t> warps;
  std::set<int32_t> lanes;
  std::set<int32_t> ranks;
  for (size_t r = 0; r < roles.size(); ++r) {
    if (!threads.test(r)) continue;
    warps.insert(roles[r].warp);
    lanes.insert(roles[r].lane);
    ranks.insert(roles[r].cluster_rank);
  }
  std::set<int32_t> all_lanes;
  size_t of_these_ctas = 0;
  for (const Thread& role : roles) {
    all_lanes.insert(role.lane);
    of_these_ctas += ranks.contains(role.cluster_rank) ? 1 : 0;
  }
  const std::string of = ranks == std::set<int32_t>{0}   ? " of the cluster's first CTA"
                         : ranks == std::set<int32_t>{1} ? " of the cluster's other CTAs"
                                                         : "";
  if (threads.count() == of_these_ctas) return "every thread" + of;
  std::string where = fmt::format("warp{} {}{}", warps.size() == 1 ? "" : "s", ranges(warps), of);
  if (lanes == all_lanes) return where;
  if (lanes == std::set<int32_t>{0}) return "lane 0 of " + where;
  if (!lanes.contains(0)) return "lanes other than lane 0 of " + where;
  return "some lanes of " + where;
}

OrderingAnalysis::OrderingAnalysis(const Function& function, const ControlFlow& flow,
                                   uint32_t block_threads)
    : function_(function),
      flow_(flow),
      block_threads_(block_threads),
      slice_(function),
      live_(function, flow, slice_),
      mbarriers_(function, flow),
      orders_(function.instructions.size()) {
  for (uint32_t i = 0; i < function.instructions.size(); ++i) {
    if (is_meeting(function.instructions[i].action)) meetings_.push_back(i);
  }
}

OrderingAnalysis::~OrderingAnalysis() = default;

Ordering OrderingAnalysis::run() {
  Ordering ordering;
  ordering.has_wait =
      std::any_of(function_.instructions.begin(), function_.instructions.end(),
                  [](const Instruction& one) { return one.action == Action::kWait; });
  choose_threads(ordering);
  const size_t count = function_.instructions.size();
  ordering.before.resize(count);
  ordering.after.resize(count);
  ordering.enter.resize(flow_.blocks.size());
  RoleSet changed;
  for (size_t r = 0; r < ordering.roles.size(); ++r) changed.set(r);
  while (changed.any()) {
    explore(changed, ordering);
    changed.reset();
    if (!ordering.has_wait) break;
    for (size_t b = 0; b < blocks_.size(); ++b) {
      changed |= order_at_barriers(ordering, blocks_[b], clusters_[b]);
    }
  }
  ordering.orders = orders_;
  return ordering;
}

uint32_t OrderingAnalysis::block_size() const {
  const uint32_t bound = block_threads_ != 0          ? block_threads_
                         : function_.max_threads != 0 ? function_.max_threads
                                                      : kMaxBlockThreads;
  return std::min(bound, kMaxBlockThreads);
}

// The first CTA of a cluster and another one, where that decides branches and there is room.
bool OrderingAnalysis::tells_ranks_apart(size_t shapes) const {
  const size_t warps = (block_size() + kWarpThreads - 1) / kWarpThreads;
  return slice_.depends_on_rank() && 2 * shapes * warps * kLanes.size() <= kMaxRoles;
}

void OrderingAnalysis::choose_threads(Ordering& ordering) {
  const bool differ = slice_.depends_on_thread() || slice_.depends_on_rank();
  if (!ordering.has_wait || !differ) {
    ordering.roles.emplace_back();
    blocks_.emplace_back(1);
    clusters_.emplace_back(1);
    warps_.emplace_back(1);
    return;
  }
  std::vector<uint32_t> shapes = {function_.block_x != 0 ? function_.block_x : kMaxBlockThreads};
  // Rows of one warp are the other usual shape.
  if (function_.block_x == 0 && slice_.depends_on_y()) shapes.push_back(kWarpThreads);
  const bool tells_ranks = tells_ranks_apart(shapes.size());
  for (const uint32_t threads_in_x : shapes) {
    const size_t first = blocks_.size();
    add_block(threads_in_x, tells_ranks ? 0 : -1, ordering);
    if (tells_ranks) add_block(threads_in_x, 1, ordering);
    RoleSet cluster;
    for (size_t b = first; b < blocks_.size(); ++b) cluster |= blocks_[b];
    clusters_.resize(blocks_.size(), cluster);
  }
}

// Three lanes of every warp: the first, another, and the last.
void OrderingAnalysis::add_block(uint32_t threads_in_x, int32_t rank, Ordering& ordering) {
  const uint32_t count = block_size();
  RoleSet block;
  for (uint32_t first = 0; first < count; first += kWarpThreads) {
    for (const uint32_t lane : kLanes) {
      const uint32_t linear = first + lane;
      if (linear >= count) continue;
      Thread thread;
      thread.lane = static_cast<int32_t>(lane);
      thread.warp = static_cast<int32_t>(first / kWarpThreads);
      thread.x = static_cast<int32_t>(linear % threads_in_x);
      thread.y = static_cast<int32_t>(linear / threads_in_x);
      thread.z = 0;
      thread.cluster_rank = rank;
      if (block_threads_ != 0 && !slice_.depends_on_y()) {
        thread.block_threads = static_cast<int32_t>(block_threads_);
      }
      block.set(ordering.roles.size());
      ordering.roles.push_back(thread);
    }
  }
  blocks_.push_back(block);
  warps_.resize(ordering.roles.size());
  for (size_t a = 0; a < warps_.size(); ++a) {
    for (size_t b = 0; b < warps_.size(); ++b) {
      const bool same_warp = ordering.roles[a].warp == ordering.roles[b].warp;
      if (block.test(a) && block.test(b) && same_warp) warps_[a].set(b);
    }
  }
}

// What was known of the threads in `run` is found anew.
void OrderingAnalysis::explore(const RoleSet& run, Ordering& ordering) const {
  Explorer explorer(function_, flow_, slice_, live_, ordering.roles, run, orders_);
  explorer.run();
  for (uint32_t i = 0; i < function_.instructions.size(); ++i) {
    ordering.before[i] = (ordering.before[i] & ~run) | explorer.reached(i, false);
    ordering.after[i] = (ordering.after[i] & ~run) | explorer.reached(i, true);
  }
  for (uint32_t b = 0; b < flow_.blocks.size(); ++b) {
    ordering.enter[b] = (ordering.enter[b] & ~run) | explorer.entering(b);
  }
}

// Barriers that order threads which arrive unordered. More of them means fewer unordered threads,
// which may make more of them: the caller repeats with the threads that are returned, of which less
// is unordered now, until there are none.
RoleSet OrderingAnalysis::order_at_barriers(const Ordering& ordering, const RoleSet& block,
                                            const RoleSet& cluster) {
  RoleSet changed;
  const auto order = [&](uint32_t i, const RoleSet& threads) {
    // Of a barrier that a thread never reached unordered, nothing changes for it.
    changed |= threads & ~orders_[i] & ordering.before[i];
    orders_[i] |= threads;
  };
  const bool orders_cluster = std::any_of(meetings_.begin(), meetings_.end(), [&](uint32_t i) {
    return function_.instructions[i].action == Action::kClusterArrive &&
           (ordering.after[i] & ~ordering.before[i] & cluster).any();
  });
  for (const uint32_t i : meetings_) {
    switch (function_.instructions[i].action) {
      case Action::kBarrier:
        if (orders_block(i, ordering, block)) order(i, block);
        break;
      case Action::kWarpBarrier:
        order(i, ordered_by_warps(i, ordering));
        break;
      case Action::kClusterWait:
        if (orders_cluster) order(i, block);
        break;
      case Action::kMbarrierWait:
        if (orders_by_arrivals(i, ordering, cluster)) order(i, block);
        break;
      case Action::kFlagWait:
        if (orders_by_arrivals(i, ordering, block)) order(i, block);
        break;
      default:
        break;
    }
  }
  return changed;
}

// All threads of a block arrive at a barrier, so one that always arrives ordered orders the rest.
bool OrderingAnalysis::orders_block(uint32_t barrier, const Ordering& ordering,
                                    const RoleSet& block) const {
  return (ordering.after[barrier] & ~ordering.before[barrier] & block).any() ||
         orders_from_elsewhere(barrier, ordering, block);
}

// Warps with different work may meet at one barrier from different instructions. Threads that never
// come to this instruction, and come ordered to every other one with the same number, count.
bool OrderingAnalysis::orders_from_elsewhere(uint32_t barrier, const Ordering& ordering,
                                             const RoleSet& block) const {
  RoleSet ordered;
  RoleSet unordered = ordering.before[barrier] | ordering.after[barrier];
  for (const uint32_t i : meetings_) {
    const Instruction& other = function_.instructions[i];
    if (i == barrier ||
        (other.action != Action::kBarrier && other.action != Action::kBarrierArrive)) {
      continue;
    }
    if (!mbarriers_.may_be_same(barrier, i)) continue;
    ordered |= ordering.after[i];
    unordered |= ordering.before[i];
  }
  return (ordered & ~unordered & block).any();
}

// Some thread arrives only after the wait, and as far as one can tell at this mbarrier or flag.
bool OrderingAnalysis::orders_by_arrivals(uint32_t wait, const Ordering& ordering,
                                          const RoleSet& arriving) const {
  const Action waiting = function_.instructions[wait].action;
  return std::any_of(meetings_.begin(), meetings_.end(), [&](uint32_t i) {
    return arrives_at(function_.instructions[i].action, waiting) &&
           (ordering.after[i] & ~ordering.before[i] & arriving).any() &&
           mbarriers_.may_be_same(wait, i);
  });
}

RoleSet OrderingAnalysis::ordered_by_warps(uint32_t barrier, const Ordering& ordering) const {
  const RoleSet ordering_threads = ordering.after[barrier] & ~ordering.before[barrier];
  RoleSet ordered;
  for (size_t r = 0; r < warps_.size(); ++r) {
    if (ordering_threads.test(r)) ordered |= warps_[r];
  }
  return ordered;
}

std::vector<Decision> OrderingAnalysis::path_to(uint32_t instruction,
                                                const Ordering& ordering) const {
  for (size_t r = 0; r < ordering.roles.size(); ++r) {
    if (!ordering.before[instruction].test(r)) continue;
    if (explorer_ == nullptr || explored_role_ != r) {
      explorer_ = std::make_unique<Explorer>(function_, flow_, slice_, live_, ordering.roles,
                                             RoleSet().set(r), orders_);
      explorer_->run();
      explored_role_ = r;
    }
    return explorer_->path_to(flow_.block_of[instruction]);
  }
  return {};
}

}  // namespace slipstream::check
