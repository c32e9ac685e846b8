// Clusters, and what orders grids.
#include <fmt/format.h>

#include <array>

#include "emulator/instructions/families.h"
#include "emulator/instructions/lanes.h"
#include "emulator/machine/access.h"
#include "emulator/machine/cta.h"
#include "emulator/machine/grid_run.h"
#include "emulator/machine/watch.h"

namespace slipstream::emulator {
namespace {

// Lanes whose barrier phase is not complete.
uint32_t still_waiting(const Warp& warp, const Cluster& cluster) {
  const uint32_t current = cluster.barrier_parity != 0 ? kAllLanes : 0;
  return warp.cluster_arrived & ~(warp.cluster_parity ^ current);
}

// immediate: which lanes must come, and whether arriving orders nothing.
constexpr int64_t kAligned = 1;
constexpr int64_t kRelaxed = 2;

Step arrive(const Operation& operation, Warp& warp, uint32_t executing) {
  if ((operation.immediate & kAligned) != 0 && !gather(warp, operation, warp.live, executing)) {
    return park(warp, executing, Wait::kConvergence, warp.live);
  }
  Cluster& cluster = *warp.cta->cluster;
  if (const uint32_t twice = warp.cluster_arrived & executing; twice != 0) {
    raise(FaultKind::kIllegalInstruction, static_cast<uint32_t>(__builtin_ctz(twice)),
          "a thread arrives twice at barrier.cluster without a wait");
  }
  if (cluster.order != nullptr) {
    if (cluster.barrier_arrived == 0) cluster.order->reset_cluster(cluster.barrier_parity);
    if ((operation.immediate & kRelaxed) == 0) {
      cluster.order->arrive_cluster(order_index(warp), executing, cluster.barrier_parity);
    }
  }
  warp.cluster_arrived |= executing;
  assign(warp.cluster_parity, cluster.barrier_parity != 0 ? kAllLanes : 0, executing);
  cluster.barrier_arrived += static_cast<uint32_t>(__builtin_popcount(executing));
  complete_cluster_barrier(cluster);
  return Step::kNext;
}

Step wait(const Operation& operation, Warp& warp, uint32_t executing) {
  if ((operation.immediate & kAligned) != 0 && !gather(warp, operation, warp.live, executing)) {
    return park(warp, executing, Wait::kConvergence, warp.live);
  }
  if (const uint32_t absent = executing & ~warp.cluster_arrived; absent != 0) {
    raise(FaultKind::kIllegalInstruction, static_cast<uint32_t>(__builtin_ctz(absent)),
          "a thread waits at barrier.cluster without having arrived");
  }
  if ((still_waiting(warp, *warp.cta->cluster) & executing) != 0) {
    return wait_for_change(warp, executing);
  }
  warp.cluster_arrived &= ~executing;
  if (race::ClusterOrder* const order = order_of(warp)) {
    const auto lane = static_cast<uint32_t>(__builtin_ctz(executing));
    order->leave_cluster(order_index(warp), executing, warp.cluster_parity >> lane & 1U);
  }
  return Step::kNext;
}

template <Handler kHandler>
void build_cluster_barrier(Builder& builder) {
  builder.expect_operands(0, 0);
  builder.set_immediate((builder.has(".aligned") ? kAligned : 0) |
                        (builder.has(".relaxed") ? kRelaxed : 0));
  builder.set_handler(kHandler);
}

// The same place in the shared memory of CTA `rank` of the cluster.
template <class T>
T map_address(T address, uint32_t rank) {
  constexpr T kOffset = (T{1} << kSharedRankShift) - 1;
  const T window = address & static_cast<T>(kWindowMask);
  return window | static_cast<T>(T{rank} + 1) << kSharedRankShift | (address & kOffset);
}

template <class T>
Step rank_of(const Operation& operation, Warp& warp, uint32_t executing) {
  const T* const addresses = operand<T>(operation, warp, 1);
  auto* const result = operand<uint32_t>(operation, warp, 0);
  for_each_lane(executing, [&](uint32_t lane) {
    const auto place = static_cast<uint32_t>(addresses[lane]) >> kSharedRankShift;
    result[lane] = place == 0 ? warp.cta->rank : place - 1;
  });
  return Step::kNext;
}
template <class T>
void build_rank_of(Builder& builder) {
  read_operands<uint32_t, T>(builder);
  builder.set_handler(&rank_of<T>);
}

// --- Programmatic dependent launch.

Step launch_dependents(const Operation& /*operation*/, Warp& warp, uint32_t executing) {
  Cluster& cluster = *warp.cta->cluster;
  if (cluster.order != nullptr) cluster.order->trigger(order_index(warp), executing);
  const bool is_first = !warp.cta->triggered;
  warp.cta->triggered = true;
  if (!is_first || cluster.grid->device->settings->schedule == Schedule::kSerial) {
    return Step::kNext;
  }
  // Grids that may start now get the chance to, before this CTA goes on.
  cluster.wants_to_yield = true;
  return yield(warp);
}

Step wait_for_grids(const Operation& /*operation*/, Warp& warp, uint32_t executing) {
  Cluster& cluster = *warp.cta->cluster;
  if (cluster.grid->prerequisites_complete) {
    if (cluster.order != nullptr) cluster.order->wait_for_grids(order_index(warp), executing);
    return Step::kNext;
  }
  cluster.waits_for_grids = true;
  return wait_for_change(warp, executing);
}

constexpr auto kClusterForms = std::to_array<Form>({
    {"barrier .cluster .arrive [.release|.relaxed] [.aligned]", &build_cluster_barrier<arrive>},
    {"barrier .cluster .wait [.acquire] [.aligned]", &build_cluster_barrier<wait>},
    {"mapa [.shared::cluster] .u32", &build<map_address<uint32_t>, uint32_t, uint32_t, uint32_t>},
    {"mapa [.shared::cluster] .u64", &build<map_address<uint64_t>, uint64_t, uint64_t, uint32_t>},
    {"getctarank [.shared::cluster] .u32", &build_rank_of<uint32_t>},
    {"getctarank [.shared::cluster] .u64", &build_rank_of<uint64_t>},
    {"griddepcontrol .launch_dependents", &build_without_operands<launch_dependents>},
    {"griddepcontrol .wait", &build_without_operands<wait_for_grids>},
});

}  // namespace

Family cluster_family() { return {"Clusters and dependent grids", "cluster.cc", kClusterForms}; }

}  // namespace slipstream::emulator
