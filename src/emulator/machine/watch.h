// How instruction handlers tell the race check of accesses and synchronization. While the check is
// off, order_of() is null and that is all it costs.
#pragma once

#include <cstdint>

#include "emulator/machine/cta.h"
#include "emulator/machine/warp.h"
#include "emulator/race/cluster_order.h"
#include "emulator/race/history.h"

namespace slipstream::emulator {

inline race::ClusterOrder* order_of(const Warp& warp) { return warp.cta->cluster->order; }

// The warp's number in its cluster.
inline uint32_t order_index(const Warp& warp) {
  return warp.cta->rank * static_cast<uint32_t>(warp.cta->warps.size()) + warp.index;
}

// What the current operation's accesses to global memory are.
struct AccessTraits {
  race::AccessKind kind = race::AccessKind::kRead;
  bool strong = false;  // relaxed, volatile, acquire, release or atomic at gpu or system scope
  bool system = false;  // at system scope
  bool acquires = false;
  bool releases = false;
  bool async_proxy = false;
};

// All of these may only be called where order_of() is not null.

void watch_operation(Warp& warp, const AccessTraits& traits);
// Accesses of `bytes` each by the executing lanes, to global addresses by lane.
void watch_lanes(Warp& warp, uint32_t executing, const uint64_t* addresses, uint32_t bytes);
// The same where lane 0 begins at `address` and all 32 lanes follow each other without a gap.
void watch_row(Warp& warp, uint64_t address, uint32_t bytes);
void watch_lane(Warp& warp, uint32_t lane, uint64_t address, uint32_t bytes, race::AccessKind kind);
// The stores that were announced are done.
void watch_end(Warp& warp);
void watch_proxy_fence(Warp& warp);

// --- Shared memory. Accesses by the executing lanes of `bytes` each, at their shared addresses, all in the CTA's own
// memory; or by one lane anywhere in the cluster. Where it is a store, watch_shared_end() must follow.

void watch_shared_lanes(Warp& warp, uint32_t executing, const uint64_t* addresses, uint32_t bytes,
                        race::AccessKind kind);
void watch_shared(Warp& warp, uint32_t lane, uint64_t address, uint32_t bytes,
                  race::AccessKind kind);
void watch_shared_end(Warp& warp);
// By what goes on without the warp, which starts it; `key` as in race::ClusterOrder::background().
void watch_start(Warp& warp, race::Background background, uint64_t key);
void watch_background(Warp& warp, race::Background background, uint64_t key, uint32_t lane,
                      uint64_t address, uint32_t bytes, race::AccessKind kind);
// The same by the executing lanes, of `bytes` each at their shared addresses.
void watch_background_lanes(Warp& warp, race::Background background, uint64_t key,
                            uint32_t executing, const uint64_t* addresses, uint32_t bytes,
                            race::AccessKind kind);
// The warp's groups of copies or products: one is committed, or waited for.
void watch_commit(Warp& warp, race::Background background, uint64_t key);
void watch_group_wait(Warp& warp, race::Background background, uint64_t key, uint32_t pending);

// The CTA's warpgroup, as the key of its products.
uint64_t warpgroup_key(const Warp& warp);

}  // namespace slipstream::emulator
