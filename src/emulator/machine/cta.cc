#include "emulator/machine/cta.h"

#include "emulator/machine/watch.h"

namespace slipstream::emulator {
namespace {

uint32_t result_of(const NamedBarrier& barrier) {
  return barrier.count_true | (barrier.count_true != 0 ? kBarrierAny : 0U) |
         (barrier.count_true == barrier.contributed ? kBarrierAll : 0U);
}

void resume_waiting(Cta& cta, uint32_t barrier_index, uint32_t result) {
  for (Warp& warp : cta.warps) {
    for (Group& group : warp.groups) {
      if (group.wait == Wait::kBarrier && group.detail == barrier_index) {
        group.wait = Wait::kNone;
        group.resumed = true;
        group.detail = result;
        if (race::ClusterOrder* const order = order_of(warp)) {
          order->leave(order_index(warp), group.lanes, barrier_index);
        }
      }
    }
  }
}

}  // namespace

void complete_barriers(Cta& cta) {
  for (uint32_t i = 0; i < kNamedBarriers; ++i) {
    NamedBarrier& barrier = cta.barriers[i];
    const uint32_t needed = barrier.expected == 0 ? cta.live_threads : barrier.expected;
    if (barrier.in_use && barrier.arrived >= needed) {
      resume_waiting(cta, i, result_of(barrier));
      barrier = {};
      if (cta.cluster->order != nullptr) cta.cluster->order->reset(cta.rank, i);
    }
  }
}

void complete_cluster_barrier(Cluster& cluster) {
  if (cluster.barrier_arrived != 0 && cluster.barrier_arrived >= cluster.live_threads) {
    cluster.barrier_arrived = 0;
    cluster.barrier_parity ^= 1U;
    notify(cluster);
  }
}

}  // namespace slipstream::emulator
