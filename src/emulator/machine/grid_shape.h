// Counts and coordinates of a grid's CTAs and warps.
#pragma once

#include <array>
#include <cstdint>

#include "emulator/machine/grid_run.h"

namespace slipstream::emulator {

// Of one CTA.
[[nodiscard]] inline uint32_t warps_of(const GridRun& grid) {
  return static_cast<uint32_t>((grid.launch.block.count() + Limits::kWarpSize - 1) /
                               Limits::kWarpSize);
}

// The lanes of a warp that have a thread.
[[nodiscard]] inline uint32_t lanes_of(const GridRun& grid, uint32_t warp) {
  const uint64_t rest = grid.launch.block.count() - uint64_t{warp} * Limits::kWarpSize;
  return rest >= Limits::kWarpSize ? kAllLanes : (1U << rest) - 1;
}

// The coordinates of the index-th CTA or thread, x first.
[[nodiscard]] inline std::array<uint32_t, 3> unflatten(uint64_t index, const Dim3& dim) {
  return {static_cast<uint32_t>(index % dim.x), static_cast<uint32_t>(index / dim.x % dim.y),
          static_cast<uint32_t>(index / dim.x / dim.y)};
}

}  // namespace slipstream::emulator
