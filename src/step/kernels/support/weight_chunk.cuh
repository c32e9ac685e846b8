// Chunks of packed bf16 weights that a warp copies to shared memory before the wait: small matrices
// need no ring. (Not to registers: ptxas moves such loads after the wait, to their first use.)
#pragma once

#include <cuda_bf16.h>

#include "cuda/peers.cuh"
#include "cuda/tensor_core.cuh"
#include "step/kernels/linear/params.h"

namespace slipstream::step::kernels {

inline constexpr int kChunkColumns = 16;  // of a lane
using ChunkSums = float[4];               // rows lane / 4 and + 8, tokens 2 (lane % 4) and the next

// 16 rows and half of 128 columns: of each 32 the first or the second 16. A lane has the columns of
// quarter lane % 4, and reads what it has copied itself.
struct WeightChunk {
  uint4 steps[4][32];

  __device__ void fetch(const PackedMatrix& matrix, int tile, int chunk) {
    const std::byte* source = matrix.tiles.get() + tile * matrix.tile_bytes() +
                              int64_t{chunk} * kChunkBytes + threadIdx.x % 32 * 16;
#pragma unroll
    for (int i = 0; i < 4; ++i) cuda::copy_16(&steps[i][threadIdx.x % 32], source + i * 512);
  }

  // sums += chunk x the lane's columns of token lane / 4. The copies have arrived.
  __device__ void multiply(const uint4 (&columns)[2], ChunkSums& sums) const {
    const int lane = threadIdx.x % 32;
    cuda::multiply_bf16(sums, steps[0][lane], columns[0].x, columns[0].y);
    cuda::multiply_bf16(sums, steps[1][lane], columns[0].z, columns[0].w);
    cuda::multiply_bf16(sums, steps[2][lane], columns[1].x, columns[1].y);
    cuda::multiply_bf16(sums, steps[3][lane], columns[1].z, columns[1].w);
  }
};

// The first of the 16 columns of a lane, within the matrix.
__device__ __forceinline__ int chunk_column(int chunk, int quarter) {
  return chunk / 2 * kGroup + quarter * 2 * kChunkColumns + chunk % 2 * kChunkColumns;
}

}  // namespace slipstream::step::kernels
