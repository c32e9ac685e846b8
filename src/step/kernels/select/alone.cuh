// Selection of a token whose keys are few enough for one CTA's registers: no other CTA is waited
// for, and what is kept is known before it is staged.
#pragma once

#include "step/kernels/select/list.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {
namespace select {

// Ranks the candidates among each other: the `wanted`-th is the border. A lane has every 32nd of
// them, and a warp ranks every 16th.
template <int kOfLane>
__device__ __forceinline__ void find_border(uint32_t wanted, SelectShared& shared) {
  const int count = static_cast<int>(shared.found.in);
  const int lane = threadIdx.x % 32;
  Rank own[kOfLane];
#pragma unroll
  for (int i = 0; i < kOfLane; ++i) {
    own[i] = lane + 32 * i < count ? shared.own[lane + 32 * i].rank : 0;
  }
#pragma unroll 2
  for (int candidate = threadIdx.x / 32; candidate < 32 * kOfLane; candidate += kSelectWarps) {
    const Rank rank = shared.own[min(candidate, count - 1)].rank;
    uint32_t larger = 0;
#pragma unroll
    for (int i = 0; i < kOfLane; ++i) larger += __popc(__ballot_sync(kAllLanes, own[i] > rank));
    if (candidate < count && larger == wanted - 1) shared.border = rank;
  }
}

// Takes the marks from the candidates that come after the `wanted` first of them.
__device__ __forceinline__ void drop_after(uint32_t wanted, const Tile& tile, const Share& share,
                                           Marks& marks, SelectShared& shared) {
  const uint32_t candidates = bits_of(marks.candidates);
  list_candidates(tile, candidates, share, 0, shared);
  __syncthreads();
  if (shared.found.in <= 32) {
    find_border<1>(wanted, shared);
  } else if (shared.found.in <= 128) {
    find_border<4>(wanted, shared);
  } else {
    find_border<kMaxCandidates / 32>(wanted, shared);
  }
  __syncthreads();
  if (candidates == 0) return;
  const Rank border = shared.border;
  uint32_t dropped = 0;
  visit(tile, candidates, share, 0, [&](int i, Rank rank) {
    if (rank < border) dropped |= 1U << i;
  });
#pragma unroll
  for (int row = 0; row < kTileRows; ++row) marks.reached[row] ^= bytes_of(dropped, row);
}

__device__ __forceinline__ void select_alone(Tile& tile, const Share& share,
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
  kept.stage(count_warps(memory.tiles[0]), 0, pages, memory);
  __syncthreads();
#pragma unroll 4
  for (int i = threadIdx.x; i < static_cast<int>(wanted); i += kSelectThreads) {
    list[i] = memory.staged[i];
  }
}

}  // namespace select
}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
