#include "emulator/race/order.h"

#include <algorithm>
#include <span>
#include <utility>

namespace slipstream::emulator::race {

void Order::submit(Ticket ticket, const std::vector<Dependency>& dependencies,
                   uint64_t memory_domain, uint32_t device) {
  Work& work = works_.submit(ticket, dependencies);
  work.memory_domain = memory_domain;
  work.device = device;
}

void Order::start(Ticket ticket) {
  if (const auto work = works_.find(ticket)) WorkOrder::start(*work);
}

void Order::complete(Ticket ticket) {
  if (const auto work = works_.find(ticket)) WorkOrder::complete(*work);
}

bool Order::host_waited(Ticket ticket) {
  if (works_.host_knows(ticket)) return false;
  works_.host_waited(ticket);
  std::erase_if(unseen_, [&](Ticket unseen) { return works_.host_knows(unseen); });
  if (!unseen_.empty()) return false;
  published_.clear();
  proxy_fenced_.clear();
  clocks_.clear();
  history_.forget_accesses();
  return true;
}

bool Order::implies(Ticket later, Ticket earlier) const {
  const auto work = works_.find(later);
  return work != nullptr && work->can_wait && work->at_end().contains(earlier);
}

bool Order::is_ancestor(Ticket earlier, Ticket later) const {
  const auto work = works_.find(later);
  return work != nullptr && work->ancestors.contains(earlier);
}

// What prerequisites handed over before the grid started.
ClockId Order::start_clock(const Work& work) {
  ClockId clock = 0;
  for (const Work::Link& link : work.links) {
    if (link.kind != DependencyKind::kProgrammatic) continue;
    const bool same_domain = link.work->memory_domain == work.memory_domain;
    const Scope needed = same_domain ? Scope::kDevice : Scope::kSystem;
    clock = clocks_.join(clock, link.work->published[static_cast<size_t>(needed)]);
  }
  return clock;
}

std::unique_ptr<ClusterOrder> Order::start_cluster(Ticket ticket, uint64_t index, uint32_t ctas,
                                                   uint32_t warps_per_cta) {
  auto cluster = std::make_unique<ClusterOrder>(clocks_, history_, ctas, warps_per_cta);
  start_cluster(*cluster, ticket, index);
  return cluster;
}

void Order::start_cluster(ClusterOrder& cluster, Ticket ticket, uint64_t index) {
  auto work = works_.find(ticket);
  WorkOrder::start(*work);
  unseen_.insert(ticket);
  const ClockId clock = start_clock(*work);
  cluster.start(std::move(work), index, clock);
}

ClockId Order::visible(const Published& published, uint32_t device, Scope scope) {
  const bool is_own = published.device == device;
  if (!is_own && scope != Scope::kSystem) return 0;
  return published.clocks[static_cast<size_t>(is_own ? Scope::kDevice : Scope::kSystem)];
}

void Order::strong_read(ClusterOrder& cluster, uint32_t warp, uint64_t address, bool acquires,
                        Scope scope) {
  const auto published = published_.find(address);
  if (published == published_.end()) return;
  const ClockId clock = visible(published->second, cluster.work().device, scope);
  if (clock != 0) cluster.observe(warp, clock, acquires);
}

void Order::strong_write(ClusterOrder& cluster, uint32_t warp, uint64_t address, bool releases,
                         bool is_atomic, Scope scope) {
  Published now{cluster.work().device, cluster.published(warp, releases)};
  ClockId& in_device = now.clocks[static_cast<size_t>(Scope::kDevice)];
  ClockId& everywhere = now.clocks[static_cast<size_t>(Scope::kSystem)];
  if (scope != Scope::kSystem) everywhere = 0;
  const auto before = published_.find(address);
  if (is_atomic && before != published_.end()) {
    // An atomic keeps what earlier writes released: it may pass their value on.
    in_device = clocks_.join(visible(before->second, now.device, scope), in_device);
    if (scope == Scope::kSystem) {
      everywhere =
          clocks_.join(before->second.clocks[static_cast<size_t>(Scope::kSystem)], everywhere);
    }
  }
  if (in_device == 0 && everywhere == 0) {
    published_.erase(address);
  } else {
    published_[address] = now;
  }
}

void Order::fence_proxy(ClusterOrder& cluster, uint32_t warp) {
  const std::span<const uint32_t> covered = cluster.fence_proxy(warp);
  std::vector<uint32_t>& fenced = proxy_fenced_[cluster.id()];
  fenced.resize(covered.size());
  for (size_t i = 0; i < covered.size(); ++i) fenced[i] = std::max(fenced[i], covered[i]);
}

bool Order::needs_proxy_fence(const ClusterOrder& cluster, uint32_t warp,
                              const Segment& earlier) const {
  const Ticket ticket = history_.cluster(earlier.cluster).ticket;
  // Between launches in full order there is nothing to fence.
  if (cluster.work().at_start.contains(ticket) || cluster.has_fenced_proxy(warp)) return false;
  const auto fenced = proxy_fenced_.find(earlier.cluster);
  return fenced == proxy_fenced_.end() || fenced->second[earlier.warp] < earlier.time;
}

}  // namespace slipstream::emulator::race
