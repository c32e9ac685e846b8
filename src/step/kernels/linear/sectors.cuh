// Polls of lanes that have more than 16 bytes of each rank.
//
// Memory gives 32 bytes at a time, a sector, and what is polled for never comes from the first cache:
// a lane that asks for its first 16 bytes and then for the others has every sector sent twice. Where
// many columns are polled for, that is what takes the time. So two neighboring lanes, which have
// neighboring columns of one token, read the sectors of the even lane together, then those of the odd
// one, and give each other what they have of the other's columns.
#pragma once

#include "step/kernels/linear/sources.cuh"
#include "step/kernels/support/lanes.cuh"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {

inline constexpr int kSectorColumns = 16;  // of bf16

// kCount columns of the calling lane, from those that `place` and `address` name on, by all lanes of a
// warp. `meanwhile` runs when all has been sent for.
template <int kCount, class Source, class Meanwhile>
__device__ __forceinline__ void poll_sectors(const Source& source, const Place& place,
                                             const typename Source::Address& address, bool exists,
                                             const Meanwhile& meanwhile, Values<kCount>& values) {
  constexpr int kHalf = kSectorColumns / 2;
  const bool is_odd = threadIdx.x % 2 != 0;
  const int begin = is_odd ? kHalf - kCount : 0;  // of the even lane's sectors, this one's half
  // Polls take many registers and instructions, hence one after another.
#pragma unroll 1
  for (int sector = 0; sector < kCount; sector += kSectorColumns) {
    Eight own = {};
    Eight others = {};
#pragma unroll 1
    for (int turn = 0; turn < 2; ++turn) {
      const int column = begin + sector + turn * kCount;
      const Place part = place.advanced(column);
      const auto part_address = advance(address, column);
      typename Source::template Raw<kHalf> raw;
      if (exists) raw = source.template load<kHalf>(part, part_address);
      if (turn == 1 && sector + kSectorColumns == kCount) meanwhile();
      Eight sums = {};
      if (exists) source.template receive<kHalf>(part, part_address, raw, sums);
#pragma unroll
      for (int i = 0; i < kHalf; ++i) {
        if (is_odd == (turn == 1)) {
          own[i] = sums[i];
        } else {
          others[i] = sums[i];
        }
      }
    }
#pragma unroll
    for (int i = 0; i < kCount - kSectorColumns; ++i) values[i] = values[i + kSectorColumns];
#pragma unroll
    for (int i = 0; i < kHalf; ++i) {
      const float given = __shfl_xor_sync(kAllLanes, others[i], 1);
      values[kCount - kSectorColumns + i] = is_odd ? given : own[i];
      values[kCount - kHalf + i] = is_odd ? own[i] : given;
    }
  }
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
