// W_UK: the queries' nope parts as vectors of the latent space. A warp multiplies 16 rows, whose
// weights wait in shared memory.
#pragma once

#include "step/kernels/scores/params.h"
#include "step/kernels/support/lanes.cuh"
#include "step/kernels/support/variant.cuh"
#include "step/kernels/support/weight_chunk.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {
namespace scores {

inline constexpr int kMaxChunks = 4;  // of 256 columns

__device__ __forceinline__ void store_absorbed(const AbsorbParams& params, int tokens, int row,
                                               int token, float value) {
  if (token >= tokens) return;
  params.absorbed.get()[int64_t{token} * params.w_uk.rows + row] = __float2bfloat16_rn(value);
}

__device__ __forceinline__ int absorb_chunks(const AbsorbParams& params) {
  return params.w_uk.groups() * params.w_uk.chunks_per_group();
}

// Sends for the weights of one tile of 16 rows, into room for the warp's chunks.
__device__ __forceinline__ void fetch_tile(const AbsorbParams& params, int tile,
                                           WeightChunk* weights) {
  if (tile >= params.w_uk.tile_count()) return;
#pragma unroll 1
  for (int chunk = 0; chunk < absorb_chunks(params); ++chunk) {
    weights[chunk].fetch(params.w_uk, tile, chunk);
  }
  cuda::commit_copies();
}

// The tile's product. After the wait.
__device__ __forceinline__ void absorb_tile(const AbsorbParams& params, int tokens, int tile,
                                            const WeightChunk* weights) {
  if (tile >= params.w_uk.tile_count()) return;
  const int lane = threadIdx.x % 32;
  const int chunks = absorb_chunks(params);
  const int head = tile * kTileRows / kLatent;
  for (int first = 0; first < tokens; first += 8) {
    const int token = first + lane / 4;
    uint4 columns[kMaxChunks][2] = {};
#pragma unroll
    for (int chunk = 0; chunk < kMaxChunks; ++chunk) {
      const int column = chunk_column(chunk, lane % 4);
      if (token >= tokens || column >= params.w_uk.columns) continue;
      const int64_t row = int64_t{token} * params.heads + head;
      const auto* source =
          reinterpret_cast<const uint4*>(params.queries.get() + row * params.head_dim + column);
      columns[chunk][0] = source[0];
      columns[chunk][1] = source[1];
    }
    cuda::wait_copies();
    ChunkSums sums = {};
#pragma unroll
    for (int chunk = 0; chunk < kMaxChunks; ++chunk) {
      if (chunk < chunks) weights[chunk].multiply(columns[chunk], sums);
    }
    const int row = tile * kTileRows + lane / 4;
    const int result_token = first + lane % 4 * 2;
    store_absorbed(params, tokens, row, result_token, sums[0]);
    store_absorbed(params, tokens, row, result_token + 1, sums[1]);
    store_absorbed(params, tokens, row + 8, result_token, sums[2]);
    store_absorbed(params, tokens, row + 8, result_token + 1, sums[3]);
  }
}

}  // namespace scores
}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
