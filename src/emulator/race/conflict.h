// Two accesses that nothing orders.
#pragma once

#include <cstdint>
#include <optional>

#include "emulator/race/history.h"

namespace slipstream::emulator::race {

enum class ConflictKind : uint8_t { kReadAfterWrite, kWriteAfterRead, kWriteAfterWrite };

// What is special about a conflict, if anything.
enum class ConflictClass : uint8_t {
  kRace,
  kAtomic,      // one side is atomic, the other is a plain access
  kTransitive,  // ordered only if a wait also covers grids before the direct prerequisites
  kProxy,       // a bulk copy reads what ordinary stores wrote, with no proxy fence between
  kOverRead,    // the reader's wide load covers the bytes, and does not use them
  kSameValue,   // the writer stores what was there before
};

// The promise that would have ordered the two.
enum class Missing : uint8_t {
  kWait,         // the second grid's thread is not ordered after griddepcontrol.wait
  kChain,        // it is, but a grid between the two never waited
  kSystemScope,  // the two are on different devices
  kDependency,   // streams, events or graph edges between the two work items
  kGridSync,     // release and acquire between clusters of one grid
  kClusterSync,  // a cluster barrier between CTAs of one cluster
  kCtaSync,      // a barrier between warps of one CTA
  kProxyFence,   // fence.proxy.async
  // A wait for what goes on without its warp.
  kCopyWait,     // cp.async.wait_group, or an mbarrier that counts the copies
  kStoreWait,    // cp.async.bulk.wait_group
  kProductWait,  // wgmma.wait_group
  kPhaseWait,    // for the phase of an mbarrier
};

struct Accessor {
  Site site;
  Ticket ticket = 0;
  uint32_t device = 0;
  uint64_t cluster = 0;  // in the grid
  uint32_t cta = 0;      // in the cluster
  uint32_t warp = 0;     // in the CTA
  uint32_t lane = 0;
  bool lane_known = true;  // else some lane of the warp
  bool waited = false;     // had executed griddepcontrol.wait, or was ordered after it
};

struct Conflict {
  ConflictKind kind = ConflictKind::kReadAfterWrite;
  ConflictClass special = ConflictClass::kRace;
  Missing missing = Missing::kWait;
  Accessor first;  // by submission; within a grid as it ran
  Accessor second;
  uint64_t address = 0;  // of the first byte concerned
  uint32_t bytes = 0;
  // In shared memory: of which CTA of the cluster; the address is the offset in it.
  std::optional<uint32_t> shared_of;
};

}  // namespace slipstream::emulator::race
