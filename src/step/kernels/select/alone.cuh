// Selection of a token whose keys are few enough for one CTA's registers: no range of the scores is
// agreed on first, and no other CTA is waited for.
#pragma once

#include "step/kernels/select/bins.cuh"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {
namespace select {

// Classifies the scores. While there are many candidates, splits them up by twelve more bits in
// which their ranks can differ. Returns how many keys lie above them.
__device__ __forceinline__ uint32_t narrow(Tile& tile, uint32_t wanted, AloneShared& shared) {
  Range range{Rank{begin_of_bin(shared.found.bin)} << 32,
              Rank{begin_of_bin(shared.found.bin + 1)} << 32};
  uint32_t above = shared.found.above;
  classify(tile, range);
#pragma unroll 1
  while (shared.found.in > kMaxCandidates) {
    const int bits = 64 - __clzll(static_cast<int64_t>(range.end - range.begin - 1));
    const int shift = max(bits - kHalfBinBits, 0);
    __syncthreads();
    clear_bins(shared);
    __syncthreads();
    visit_candidates(tile, [&](int, Rank rank) {
      atomicAdd(&shared.histogram[(rank - range.begin) >> shift], 1U);
    });
    __syncthreads();
    find_bin(wanted - above, shared);
    above += shared.found.above;
    range.begin += Rank{shared.found.bin} << shift;
    range.end = min(range.end, range.begin + (Rank{1} << shift));
    classify(tile, range);
  }
  return above;
}

__device__ __forceinline__ void list_candidates(const Tile& tile, AloneShared& shared) {
  visit_candidates(
      tile, [&](int, Rank rank) { shared.candidates[atomicAdd(&shared.listed, 1U)] = rank; });
  __syncthreads();
}

// Ranks the candidates among each other: the `wanted`-th is the border. A lane has every 32nd of
// them, and a warp ranks every 16th.
template <int kOfLane>
__device__ __forceinline__ void find_border(uint32_t wanted, AloneShared& shared) {
  const int count = static_cast<int>(shared.found.in);
  const int lane = threadIdx.x % 32;
  Rank own[kOfLane];
#pragma unroll
  for (int i = 0; i < kOfLane; ++i) {
    own[i] = lane + 32 * i < count ? shared.candidates[lane + 32 * i] : 0;
  }
#pragma unroll 2
  for (int candidate = threadIdx.x / 32; candidate < 32 * kOfLane; candidate += kSelectWarps) {
    const Rank rank = shared.candidates[min(candidate, count - 1)];
    uint32_t larger = 0;
#pragma unroll
    for (int i = 0; i < kOfLane; ++i) larger += __popc(__ballot_sync(kAllLanes, own[i] > rank));
    if (candidate < count && larger == wanted - 1) shared.border = rank;
  }
}
__device__ __forceinline__ void find_border(uint32_t wanted, AloneShared& shared) {
  if (shared.found.in <= 32) {
    find_border<1>(wanted, shared);
  } else {
    find_border<kMaxCandidates / 32>(wanted, shared);
  }
  __syncthreads();
}

// The keys above the candidates, and those of them that are at or above the border.
__device__ __forceinline__ uint32_t kept_of(const Tile& tile, Rank border) {
  uint32_t kept = tile.above;
  visit_candidates(tile, [&](int i, Rank rank) {
    if (rank >= border) kept |= 1U << i;
  });
  return kept;
}

// Of 16 bits: how many are set of each four, in a byte each.
__device__ __forceinline__ uint32_t count_fours(uint32_t bits) {
  bits -= bits >> 1 & 0x5555;
  bits = (bits & 0x3333) + (bits >> 2 & 0x3333);
  bits = (bits | bits << 8) & 0x00ff00ff;
  return (bits | bits << 4) & 0x0f0f0f0f;
}

// Lists the positions of what is kept, in their order.
__device__ __forceinline__ void list_kept(uint32_t kept, int* positions, AloneShared& shared) {
  const int lane = threadIdx.x % 32;
  const int warp = threadIdx.x / 32;
  const uint32_t counts = count_fours(kept);
  const uint32_t prefix = warp_prefix(counts);  // at most 128 in each byte
  if (lane == 31) shared.kept_of_warps[warp] = prefix;
  __syncthreads();
  // The rows of all warps alternate: a row's keys come after those of the rows before it and those
  // that warps before this one have in it. Sums need 16 bits each.
  const uint32_t of_warp = lane < kSelectWarps ? shared.kept_of_warps[lane] : 0;
  const uint32_t even = of_warp & 0x00ff00ff;
  const uint32_t odd = of_warp >> 8 & 0x00ff00ff;
  const uint32_t all[] = {__reduce_add_sync(kAllLanes, even), __reduce_add_sync(kAllLanes, odd)};
  const uint32_t before[] = {__reduce_add_sync(kAllLanes, lane < warp ? even : 0),
                             __reduce_add_sync(kAllLanes, lane < warp ? odd : 0)};
#pragma unroll
  for (int row = 0; row < kTileRows; ++row) {
    const int shift = row / 2 * 16;
    int* place =
        positions + (before[row % 2] >> shift & 0xffff) + ((prefix - counts) >> 8 * row & 0xff);
#pragma unroll
    for (int i = row * kLaneKeys; i < (row + 1) * kLaneKeys; ++i) {
      if ((kept >> i & 1) != 0) *place++ = own_position(i);
    }
    positions += all[row % 2] >> shift & 0xffff;
  }
  __syncthreads();
}

// Of a token that the CTA has whole, and whose first kTileKeys scores were loaded. `positions` has
// room for `wanted`, fewer than there are keys.
__device__ __forceinline__ void select_alone(Tile& tile, int keys, const int* pages, int wanted,
                                             int* positions, AloneShared& shared, int* list) {
  cut_tile(tile, keys);
  count_scores(tile, keys, shared);
  for (int i = threadIdx.x; i * kPageSize < keys; i += kSelectThreads) {
    cuda::copy_4(shared.pages + i, pages + i);
  }
  cuda::commit_copies();
  __syncthreads();
  find_bin(wanted, shared);
  const uint32_t above = narrow(tile, wanted, shared);
  cuda::wait_copies();
  list_candidates(tile, shared);
  find_border(wanted - above, shared);
  list_kept(kept_of(tile, shared.border), positions, shared);
#pragma unroll 4
  for (int i = threadIdx.x; i < wanted; i += kSelectThreads) {
    const int position = positions[i];
    list[i] = shared.pages[position / kPageSize] * kPageSize + position % kPageSize;
  }
}

}  // namespace select
}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
