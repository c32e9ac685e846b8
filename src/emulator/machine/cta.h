// CTAs and clusters in execution.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "emulator/machine/fault.h"
#include "emulator/machine/warp.h"
#include "emulator/machine/warpgroup.h"

namespace slipstream::emulator::race {
class ClusterOrder;
class SharedDetector;
}  // namespace slipstream::emulator::race

namespace slipstream::emulator {

class FramePool;
class Worker;
struct Cluster;
struct GridRun;

inline constexpr uint32_t kNamedBarriers = 16;

struct NamedBarrier {
  bool in_use = false;       // somebody has arrived since it last completed
  uint32_t expected = 0;     // threads, as given by the first to come; 0: all that have not exited
  uint32_t arrived = 0;      // threads; a warp counts whole where `expected` is given
  uint32_t count_true = 0;   // bar.red: threads whose predicate holds
  uint32_t contributed = 0;  // bar.red: threads that gave one
};

// What a completed bar.red hands to the groups it resumes, in Group::detail.
inline constexpr uint32_t kBarrierAny = 1U << 31;  // some predicate held
inline constexpr uint32_t kBarrierAll = 1U << 30;  // all held; the low bits count them

// Shared memory is made as new by chunks of this size; all it can have are bits of one word.
inline constexpr uint32_t kSharedChunkShift = 12;

struct alignas(64) Cta {
  Cluster* cluster = nullptr;
  uint32_t rank = 0;  // in the cluster
  std::array<uint32_t, 3> index{};
  std::vector<Warp> warps;
  std::vector<Warpgroup> warpgroups;
  uint32_t live_threads = 0;
  std::array<NamedBarrier, kNamedBarriers> barriers{};
  std::byte* shared = nullptr;        // byte 0 is shared address kSharedBase
  uint8_t* shared_written = nullptr;  // 1 for each byte that has a value; null: not tracked
  uint32_t shared_bytes = 0;
  uint64_t shared_touched = 0;  // chunks of it that somebody has written to, a bit for each
  bool triggered = false;       // griddepcontrol.launch_dependents
};

// What one worker runs at a time: a cluster, or a CTA launched without.
struct alignas(64) Cluster {
  GridRun* grid = nullptr;
  FramePool* frames = nullptr;
  Worker* worker = nullptr;  // that runs it now
  std::vector<Cta> ctas;
  uint64_t index = 0;  // in the grid
  uint64_t epoch = 0;  // moves when something changes that a group in Wait::kCondition may wait for
  uint32_t barrier_arrived = 0;  // barrier.cluster
  uint32_t barrier_parity = 0;
  uint32_t live_threads = 0;
  std::vector<LateCopy> late_copies;    // that mbarriers count; adversarial schedule only
  uint64_t instructions = 0;            // of all its warps: its clock
  bool waits_for_grids = false;         // a thread is in griddepcontrol.wait
  bool wants_to_yield = false;          // ends its turn as soon as a warp stops
  size_t next_warp = 0;                 // with which its next turn begins, of all of all CTAs
  uint64_t progress = 0;                // counts what no spinning warp does: see polls.h
  uint32_t quiet_rounds = 0;            // over its warps, without progress
  uint64_t asleep_since = 0;            // generation of memory
  race::ClusterOrder* order = nullptr;  // null unless the race check is on, as what follows
  race::SharedDetector* shared_races = nullptr;
};

// Call before a write to `bytes` of the CTA's shared memory.
inline void touch_shared(Cta& cta, uint32_t offset, uint32_t bytes) {
  if (bytes == 0) return;
  const uint32_t first = offset >> kSharedChunkShift;
  const uint32_t last = (offset + bytes - 1) >> kSharedChunkShift;
  cta.shared_touched |= (uint64_t{2} << last) - (uint64_t{1} << first);
}

// Completes every named barrier of the CTA whose last thread has arrived (or has exited) and
// resumes the threads that wait.
void complete_barriers(Cta& cta);
// The same for barrier.cluster.
void complete_cluster_barrier(Cluster& cluster);

// Wakes the groups of the cluster in Wait::kCondition.
inline void notify(Cluster& cluster) { ++cluster.epoch; }

}  // namespace slipstream::emulator
