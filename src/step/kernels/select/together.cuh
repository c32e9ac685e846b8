// Selection of a token whose keys are dealt out to the CTAs of a cluster.
#pragma once

#include "step/kernels/select/list.cuh"
#include "step/kernels/select/source.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {
namespace select {

// Of all tiles. What belongs to the first is in `tile`.
__device__ __forceinline__ void count_tiles(Tile& tile, const Share& share, const Memory& memory) {
#pragma unroll 1
  for (int index = 0; index < share.tiles; ++index) {
    if (index == 1) cuda::wait_copies();
    if (index > 0) load_stored(tile, share, index, memory.stored);
    count_scores(tile, share, index * kTileRows, memory.shared);
    store(tile, share, index, memory.stored);
  }
  __syncthreads();
}

// Where the next tile begins among what is staged.
__device__ __forceinline__ int end_of(int begin, const RowCounts& staged) {
  return begin + (staged.sum() + 31) / 32 * 32;
}

__device__ __forceinline__ void select_together(Tile& tile, const Share& share,
                                                const Source& source, int (&pages)[kTileRows],
                                                uint32_t wanted, const Memory& memory, int* list) {
  SelectShared& shared = memory.shared;
  count_tiles(tile, share, memory);
  cuda::cluster_wait();  // all peers have made their barriers
  find_bin<false>(share, wanted, 0, shared);
  const uint32_t bin = shared.found.bin;
  const bool is_refined = shared.found.in > kMaxCandidates;
  Range range{};
  if (is_refined) range = refine<false>(tile, share, wanted, memory);
  const uint32_t left = wanted - shared.found.above;
  const bool may_drop = shared.found.in != left;
  if (threadIdx.x == 0) {
    const uint32_t candidates = may_drop ? shared.found.in : 0;
    cuda::expect_bytes(&shared.kept_arrived,
                       (share.peers * share.tiles + candidates) * sizeof(uint4));
  }
  RowCounts staged;
  int begin = 0;
#pragma unroll 1
  for (int index = 0; index < share.tiles; ++index) {
    if (index > 0) load_pages(pages, source, share, index);
    load_stored(tile, share, index, memory.stored);
    const Marks marks =
        is_refined ? classify(tile, range, share, index * kTileRows) : classify(tile, bin);
    const Reached reached(tile, marks, share, index, may_drop, memory);
    __syncthreads();
    const WarpCounts warps = count_warps<kSelectWarps>(memory.tiles[index]);
    staged = warps.all;
    if (static_cast<int>(threadIdx.x) < share.peers) send_rows(staged, share, index, memory);
    if (index == share.tiles - 1 && may_drop) send_candidates(share, shared);
    reached.stage(warps, begin, pages, memory);
    begin = end_of(begin, staged);
  }
  cuda::wait_barrier(&shared.kept_arrived, 0);
  if (may_drop) {
    drop_candidates(left, share, memory);
    __syncthreads();
    mark_dropped(memory);
  }
  __syncthreads();
  begin = 0;
#pragma unroll 1
  for (int index = 0; index < share.tiles; ++index) {
    if (share.tiles > 1) staged = count_warps<kSelectWarps>(memory.tiles[index]).all;
    list += write_tile(share, memory, index, begin, staged, list);
    begin = end_of(begin, staged);
  }
}

}  // namespace select
}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
