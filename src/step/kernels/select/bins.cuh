// How many keys of one CTA fall into which of 4096 bins, and the bin of the last one that is kept.
// Bins are halves cut to twelve bits, 64 to an octave: they need no look at the scores first.
#pragma once

#include <cuda_fp16.h>

#include "step/kernels/select/candidates.cuh"
#include "step/kernels/select/tile.cuh"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {
namespace select {

inline constexpr int kHalfBinBits = 12;
inline constexpr int kHalfBins = 1 << kHalfBinBits;
inline constexpr int kThreadBins = kHalfBins / kSelectThreads;

// The bin of the last kept key: keys in it, and in the bins above it.
struct alignas(16) FoundBin {
  uint32_t bin;
  uint32_t in;
  uint32_t above;
};

struct alignas(16) AloneShared {
  uint32_t histogram[kHalfBins];
  uint32_t warp_sums[kSelectWarps];
  FoundBin found;
  uint32_t listed;  // candidates
  Rank border;
  Rank candidates[kMaxCandidates];
  uint32_t kept_of_warps[kSelectWarps];  // a byte for each row
  int pages[kTileKeys / kPageSize];
};

// Which of the two a CTA uses is known after it has cleared them.
inline constexpr int kSharedBytes = sizeof(AloneShared);
static_assert(sizeof(SelectShared) <= sizeof(AloneShared::histogram));

__device__ __forceinline__ void clear_bins(AloneShared& shared) {
  uint4* words = reinterpret_cast<uint4*>(shared.histogram);
  for (int i = threadIdx.x; i < kHalfBins / 4; i += kSelectThreads) words[i] = {};
}

// Two halves, the first one low, cut off toward zero, so that a bin begins exactly at a half.
__device__ __forceinline__ uint32_t cut_off(float first, float second) {
  uint32_t pair;
  asm("cvt.rz.f16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(second), "f"(first));
  return pair;
}
// Of a score whose half is in the upper bits.
__device__ __forceinline__ uint32_t bin_of(float score, uint32_t half) {
  return (half ^ order_mask(score)) >> (32 - kHalfBinBits);
}

// The smallest ordered score in a bin. What is negative was cut off upward, so its bin begins right
// after the next half below. The bins beyond the infinities begin at NaNs, beyond them, too.
__device__ __forceinline__ uint32_t begin_of_bin(uint32_t bin) {
  constexpr int kZero = 0x8000;  // a half's zero, ordered likewise
  const int half = static_cast<int>(bin << (16 - kHalfBinBits)) - kZero;
  const auto magnitude = static_cast<uint16_t>(abs(half));
  const uint32_t bits = __float_as_uint(__half2float(__ushort_as_half(magnitude)));
  return half < 0 ? 0x80000000U - bits : 0x80000000U + bits;
}

// Orders the scores and counts them.
__device__ __forceinline__ void count_scores(Tile& tile, int end, AloneShared& shared) {
#pragma unroll
  for (int row = 0; row < kTileRows; ++row) {
    auto& scores = tile.scores[row];
    if (is_absent(row, end)) continue;
#pragma unroll
    for (int i = 0; i < kLaneKeys; i += 2) {
      const float first = comparable(scores[i]);
      const float second = comparable(scores[i + 1]);
      const uint32_t halves = cut_off(first, second);
      atomicAdd(&shared.histogram[bin_of(first, halves << 16)], 1U);
      atomicAdd(&shared.histogram[bin_of(second, halves)], 1U);
      scores[i] = ordered(first);
      scores[i + 1] = ordered(second);
    }
  }
}

// The bins of this thread, the highest first; thread 0 has the highest ones.
__device__ __forceinline__ void load_bins(const AloneShared& shared,
                                          uint32_t (&counts)[kThreadBins]) {
  static_assert(kThreadBins == 8);
  const auto* words =
      reinterpret_cast<const uint4*>(shared.histogram + kHalfBins - threadIdx.x * kThreadBins);
  const uint4 high = words[-1];
  const uint4 low = words[-2];
  counts[0] = high.w;
  counts[1] = high.z;
  counts[2] = high.y;
  counts[3] = high.x;
  counts[4] = low.w;
  counts[5] = low.z;
  counts[6] = low.y;
  counts[7] = low.x;
}

// Finds the bin of the `wanted`-th key from the top. After a barrier that follows the counts.
__device__ __forceinline__ void find_bin(uint32_t wanted, AloneShared& shared) {
  const int lane = threadIdx.x % 32;
  const int warp = threadIdx.x / 32;
  uint32_t counts[kThreadBins];
  load_bins(shared, counts);
  uint32_t own = 0;
#pragma unroll
  for (const uint32_t count : counts) own += count;
  const uint32_t prefix = warp_prefix(own);
  if (lane == 31) shared.warp_sums[warp] = prefix;
  __syncthreads();
  const uint32_t before = lane < warp ? shared.warp_sums[lane] : 0;
  uint32_t sum = __reduce_add_sync(kAllLanes, before) + prefix - own;
  if (sum < wanted && sum + own >= wanted) {
    uint32_t bin = kHalfBins - 1 - threadIdx.x * kThreadBins;
    uint32_t above = sum;
    uint32_t reached = sum + own;
#pragma unroll
    for (const uint32_t count : counts) {
      sum += count;
      if (sum < wanted) --bin;
      if (sum < wanted) above = sum;
      if (sum >= wanted) reached = min(reached, sum);
    }
    shared.found = {bin, reached - above, above};
  }
  __syncthreads();
}

}  // namespace select
}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
