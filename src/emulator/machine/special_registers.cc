#include "emulator/machine/special_registers.h"

#include <algorithm>
#include <array>
#include <functional>

#include "emulator/machine/cta.h"
#include "emulator/machine/grid_run.h"
#include "emulator/machine/warp.h"
#include "emulator/program/operation.h"

namespace slipstream::emulator {
namespace {

// Emulated time: an instruction of a cluster takes a nanosecond. Starts away from 0, so that a
// program that takes 0 for "not set" works.
// Where nothing can run but polls, it goes on with the host's time.
uint64_t clock(const Cluster& cluster) {
  const Idle* const idle = cluster.grid->device->idle;
  return cluster.instructions + (idle == nullptr ? 0 : idle->time.load(std::memory_order_relaxed));
}
uint64_t nanoseconds(const Cluster& cluster) {
  constexpr uint64_t kStart = 1'000'000'000'000ULL;
  return kStart + cluster.grid->id * 1'000'000ULL + clock(cluster);
}

uint32_t component(const Dim3& dim, uint32_t axis) {
  return axis == 0 ? dim.x : axis == 1 ? dim.y : dim.z;
}

uint32_t axis_of(SpecialRegister special, SpecialRegister first) {
  return static_cast<uint32_t>(special) - static_cast<uint32_t>(first);
}

// Of the warp's threads, from lane to lane without a division.
void write_thread_coordinates(const Warp& warp, uint32_t axis, uint32_t* lanes) {
  const Dim3& block = warp.cta->cluster->grid->launch.block;
  const uint32_t first = warp.index * kWarpSize;
  std::array<uint32_t, 3> at{first % block.x, first / block.x % block.y,
                             first / (block.x * block.y)};
  for (uint32_t lane = 0; lane < kWarpSize; ++lane) {
    lanes[lane] = at[axis];
    if (++at[0] < block.x) continue;
    at[0] = 0;
    if (++at[1] < block.y) continue;
    at[1] = 0;
    ++at[2];
  }
}

// Registers with one value for the whole CTA.
uint64_t cta_value(SpecialRegister special, const Warp& warp) {
  using enum SpecialRegister;
  const Cta& cta = *warp.cta;
  const Cluster& cluster = *cta.cluster;
  const GridRun& grid = *cluster.grid;
  const auto axis = [&](SpecialRegister first) { return axis_of(special, first); };
  switch (special) {
    case kNtidX:
    case kNtidY:
    case kNtidZ:
      return component(grid.launch.block, axis(kNtidX));
    case kCtaidX:
    case kCtaidY:
    case kCtaidZ:
      return cta.index[axis(kCtaidX)];
    case kNctaidX:
    case kNctaidY:
    case kNctaidZ:
      return component(grid.launch.grid, axis(kNctaidX));
    case kClusterIdX:
    case kClusterIdY:
    case kClusterIdZ:
      return cta.index[axis(kClusterIdX)] / component(grid.cluster, axis(kClusterIdX));
    case kNClusterIdX:
    case kNClusterIdY:
    case kNClusterIdZ:
      return component(grid.grid_in_clusters, axis(kNClusterIdX));
    case kClusterCtaidX:
    case kClusterCtaidY:
    case kClusterCtaidZ:
      return cta.index[axis(kClusterCtaidX)] % component(grid.cluster, axis(kClusterCtaidX));
    case kClusterNctaidX:
    case kClusterNctaidY:
    case kClusterNctaidZ:
      return component(grid.cluster, axis(kClusterNctaidX));
    case kClusterCtaRank:
      return cta.rank;
    case kClusterNctaRank:
      return grid.cluster.count();
    case kIsExplicitCluster:
      return grid.explicit_cluster ? kAllLanes : 0;
    case kWarpId:
      return warp.index;
    case kNWarpId:
      return Limits::kMaxThreadsPerSm / kWarpSize;
    case kSmId:
      return (cluster.index * grid.cluster.count() + cta.rank) % grid.device->settings->sm_count;
    case kNSmId:
      return grid.device->settings->sm_count;
    case kGridId:
      return grid.id;
    case kDynamicSharedSize:
      return grid.launch.dynamic_shared_bytes;
    case kTotalSharedSize:
      return grid.shared_bytes;
    case kEnvRegWorkspaceLow:
      return static_cast<uint32_t>(grid.launch.workspace);
    case kEnvRegWorkspaceHigh:
      return grid.launch.workspace >> 32U;
    case kClock:
      return static_cast<uint32_t>(clock(cluster));
    case kClockHi:
      return clock(cluster) >> 32U;
    case kClock64:
      return clock(cluster);
    case kGlobalTimer:
      return nanoseconds(cluster);
    case kGlobalTimerLo:
      return static_cast<uint32_t>(nanoseconds(cluster));
    case kGlobalTimerHi:
      return nanoseconds(cluster) >> 32U;
    default:
      return 0;  // %reserved_smem_offset_begin among them
  }
}

// Registers that differ from lane to lane but for the thread's place, whatever the warp.
uint32_t lane_value(SpecialRegister special, uint32_t lane) {
  using enum SpecialRegister;
  const uint32_t bit = 1U << lane;
  switch (special) {
    case kLaneId:
      return lane;
    case kLaneMaskEq:
      return bit;
    case kLaneMaskLe:
      return bit | (bit - 1);
    case kLaneMaskLt:
      return bit - 1;
    case kLaneMaskGe:
      return ~(bit - 1);
    default:
      return ~(bit | (bit - 1));
  }
}

void write_value(ptx::Type type, uint64_t value, void* lanes) {
  if (type == ptx::Type::kPred) {
    *static_cast<uint32_t*>(lanes) = static_cast<uint32_t>(value);
  } else if (type == ptx::Type::kU64) {
    std::fill_n(static_cast<uint64_t*>(lanes), kWarpSize, value);
  } else {
    std::fill_n(static_cast<uint32_t*>(lanes), kWarpSize, static_cast<uint32_t>(value));
  }
}

}  // namespace

void read_special_register(SpecialRegister special, const Warp& warp, const Frame& frame,
                           void* lanes) {
  using enum SpecialRegister;
  switch (special) {
    case kTidX:
    case kTidY:
    case kTidZ:
      return write_thread_coordinates(warp, axis_of(special, kTidX), static_cast<uint32_t*>(lanes));
    case kLaneId:
    case kLaneMaskEq:
    case kLaneMaskLe:
    case kLaneMaskLt:
    case kLaneMaskGe:
    case kLaneMaskGt:
      for (uint32_t lane = 0; lane < kWarpSize; ++lane) {
        static_cast<uint32_t*>(lanes)[lane] = lane_value(special, lane);
      }
      return;
    case kLocalBase:
      return write_value(ptx::Type::kU64, frame.local_offset, lanes);
    default:
      return write_value(type_of(special), cta_value(special, warp), lanes);
  }
}

}  // namespace slipstream::emulator
