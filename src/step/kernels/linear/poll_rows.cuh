// Polls of lanes that have many columns of a place each.
//
// What is polled for never comes from the first cache, and how long it takes hangs on how many lines of
// 128 bytes a warp touches with each load. Lanes that read their own columns, 16 bytes at a time, touch
// four times as many as lanes that read neighboring columns. So a warp polls for two places at a time,
// 16 lanes for each, and its lanes then take from each other what is theirs.
#pragma once

#include "step/kernels/linear/sources.cuh"
#include "step/kernels/support/lanes.cuh"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {

// The calling lane's kCount columns, which `place` begins with, as a norm reads them. By all lanes of a
// warp; neighboring ones have neighboring columns, and those of a place exist or not together.
template <int kCount, class Source>
__device__ __forceinline__ void poll_rows(const Source& source, const Place& place, bool exists,
                                          Values<kCount>& values) {
  constexpr int kLanes = kGroup / kCount;  // of a place
  constexpr int kUnits = kCount / 8;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int place_of_lane = lane / kLanes;
  // Which lane polls for the first of this one's units.
  const int first_giver = place_of_lane % 2 * kNarrowLanes + lane % kLanes * kUnits;
  // Polls take many registers and instructions, hence one after another.
#pragma unroll 1
  for (int pair = 0; pair < 32 / kLanes / 2; ++pair) {
    const int taker = (2 * pair + lane / kNarrowLanes) * kLanes;
    Place part = place;
    part.token = __shfl_sync(kAllLanes, place.token, taker);
    part.column = __shfl_sync(kAllLanes, place.column, taker) + lane % kNarrowLanes * 8;
    Eight sums = {};
    if (__shfl_sync(kAllLanes, static_cast<int>(exists), taker) != 0) {
      const auto address = source.address(part);
      auto raw = source.template load<8>(part, address);
      source.template receive<8>(part, address, raw, sums);
    }
    __syncwarp();
#pragma unroll
    for (int unit = 0; unit < kUnits; ++unit) {
#pragma unroll
      for (int i = 0; i < 8; ++i) {
        const float given = __shfl_sync(kAllLanes, sums[i], first_giver + unit);
        if (place_of_lane / 2 == pair) values[unit * 8 + i] = given;
      }
    }
  }
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
