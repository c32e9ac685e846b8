// What is loaded from global memory.
#pragma once

#include "step/kernels/select/shared.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {
namespace select {

// What a lane loads from: its place in the first row.
struct Source {
  const float* scores;
  const int* pages;
  int position;
};

template <int kBegin, int kEnd>
__device__ __forceinline__ void load_rows(Tile& tile, const Source& source, int keys, int step) {
#pragma unroll
  for (int row = kBegin; row < kEnd; ++row) {
    if (row * step < keys - source.position) {
      load_four(tile.scores[row], source.scores + row * step);
    }
  }
}

// Further tiles, which stay in shared memory.
__device__ __forceinline__ void load_tiles(const Source& source, const Share& share,
                                           const Memory& memory) {
#pragma unroll 1
  for (int row = kTileRows; row < share.tiles * kTileRows; ++row) {
    if (share.chunk(row) >= share.keys) break;
    const int distance = row * share.row_step();
    uint4& four = memory.stored[row / kTileRows].scores[row % kTileRows][threadIdx.x];
    if (source.position + distance < share.keys) {
      cuda::copy_16(&four, source.scores + distance);
    } else {
      four = {};
    }
  }
  cuda::commit_copies();
}

// The pages of the lane's keys in a tile.
template <int kWarps>
__device__ __forceinline__ void load_pages(int (&pages)[kTileRows], const Source& source,
                                           const ShareOf<kWarps>& share, int index) {
  const int first = index * kTileRows * share.row_step();
#pragma unroll
  for (int row = 0; row < kTileRows; ++row) {
    const int distance = first + row * share.row_step();
    pages[row] = source.position + distance < share.keys
                     ? load_early(source.pages + distance / kPageSize)
                     : 0;
  }
}

}  // namespace select
}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
