// Selection of a token whose keys are few enough for one CTA's registers: no other CTA is waited
// for, and what is kept is known before it is staged.
#pragma once

#include "step/kernels/select/list.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {
namespace select {

// Ranks the candidates among each other: notes which come after the `wanted` first. Warps take
// turns.
template <int kWarps>
__device__ __forceinline__ void rank_candidates(uint32_t wanted, SelectShared& shared) {
  const int count = static_cast<int>(shared.found.in);
  const int lane = threadIdx.x % 32;
#pragma unroll 1
  for (int candidate = threadIdx.x / 32; candidate < count; candidate += kWarps) {
    const Rank rank = shared.own[candidate].rank;
    uint32_t larger = 0;
#pragma unroll 1
    for (int i = lane; i - lane < count; i += 32) {
      const bool is_larger = i < count && shared.own[i].rank > rank;
      larger += __popc(__ballot_sync(kAllLanes, is_larger));
    }
    if (lane == 0) shared.after[candidate] = larger >= wanted;
  }
}

// Takes the marks from the candidates that come after the `wanted` first of them.
template <int kWarps>
__device__ __forceinline__ void drop_after(uint32_t wanted, const Tile& tile,
                                           const ShareOf<kWarps>& share, Marks& marks,
                                           SelectShared& shared) {
  const uint32_t candidates = bits_of(marks.candidates);
  uint32_t next = list_candidates(tile, candidates, share, 0, shared);
  __syncthreads();
  rank_candidates<kWarps>(wanted, shared);
  __syncthreads();
  if (candidates == 0) return;
  uint32_t dropped = 0;
#pragma unroll 1
  for (uint32_t left = candidates; left != 0; left &= left - 1) {
    if (shared.after[next++]) dropped |= left & (0U - left);
  }
#pragma unroll
  for (int row = 0; row < kTileRows; ++row) marks.reached[row] ^= bytes_of(dropped, row);
}

template <int kWarps>
__device__ __forceinline__ void select_alone(Tile& tile, const ShareOf<kWarps>& share,
                                             const int (&pages)[kTileRows], uint32_t wanted,
                                             const Memory& memory, int* list) {
  SelectShared& shared = memory.shared;
  count_scores(tile, share, 0, shared);
  __syncthreads();
  find_bin<true>(share, wanted, 0, shared);
  Marks marks;
  if (shared.found.in <= kMaxCandidates) {
    marks = classify(tile, shared.found.bin);
  } else {
    const Range range = refine<true>(tile, share, wanted, memory);
    marks = classify(tile, range, share, 0);
  }
  const uint32_t left = wanted - shared.found.above;
  if (shared.found.in != left) drop_after(left, tile, share, marks, shared);
  const Reached kept(tile, marks, share, 0, false, memory);
  __syncthreads();
  kept.stage(count_warps<kWarps>(memory.tiles[0]), 0, pages, memory);
  __syncthreads();
#pragma unroll 4
  for (int i = threadIdx.x; i < static_cast<int>(wanted); i += kWarps * 32) {
    list[i] = memory.staged[i];
  }
}

}  // namespace select
}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
