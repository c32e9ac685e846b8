// The matrix product for many rows (a projection): bound by the stream of the weights.
//
// Data flow. A cluster owns a few 16-row tiles of the weights, its one or two CTAs split the
// columns, so that 2112 rows of 7168 are one CTA for each of 132 multiprocessors, which has room for
// all of that CTA's weights. One warp copies them to shared memory in stages, eight warps multiply,
// each its own columns of every stage. The tensor core wants pairs of columns in an order of its
// own; since a dot product does not care, a lane takes 8 neighboring columns (16 bytes) of its row
// and, straight into registers, of its token. Weights are the "M" operand (16 rows), tokens the "N"
// operand (8 each). Every warp ends with sums of all rows over its columns; they are added in a
// fixed order, those of the cluster's other CTA last, and rounded once.
//
// What is on its way. Loads of activations come after all weights that were asked for before them,
// and all multiplying waits for them. So all of a thread's activations are asked for at once,
// directly after the wait, and only the first stages of weights before it. A bulk copy takes some
// 60 cycles, however small, so the first stages have pieces of 4 KB; the last ones are small, since
// nothing is on its way while they are multiplied.
//
// PDL contract. Before the wait: weights (constant), barrier set-up. After it: activations, output.
// The trigger comes first, so that the next kernel's weights stream while this one waits and
// multiplies.
#pragma once

#include <cuda_bf16.h>

#include "cuda/cluster.cuh"
#include "cuda/shared_memory.cuh"
#include "ops/skinny_gemm/multiply_add.cuh"
#include "ops/skinny_gemm/params.h"
#include "ops/skinny_gemm/stream_shape.h"
#include "ops/support/variant.cuh"

namespace slipstream::ops {
inline namespace SLIPSTREAM_VARIANT {
namespace skinny_stream {

template <class Shape>
struct Shared {
  uint64_t full[Shape::kStages];   // the stage's weights have arrived
  uint64_t empty[Shape::kStages];  // all warps have read the stage
  uint64_t sums_arrived;           // from the cluster's other CTA
};

template <class Shape>
__device__ __forceinline__ int cta_rank() {
  if constexpr (Shape::kCtas == 1) return 0;
  return cuda::cluster_rank();
}

// The part of the matrix that one CTA multiplies: all at once, or in blocks of as many columns as
// shared memory holds.
struct Slice {
  int first_row;
  int first_column;
  int columns;

  template <class Shape>
  static __device__ Slice of_this_cta(const SkinnyGemmParams& params) {
    const int chunks = params.columns / Shape::kChunkColumns;
    const int rank = cta_rank<Shape>();
    const int first = chunks * rank / Shape::kCtas;
    const int end = chunks * (rank + 1) / Shape::kCtas;
    return {static_cast<int>(blockIdx.x) / Shape::kCtas * Shape::kRows,
            first * Shape::kChunkColumns, (end - first) * Shape::kChunkColumns};
  }
};

// The copying warp: lane l copies row l of each stage. Rows beyond the matrix repeat the last one:
// their sums are never stored.
template <class Shape>
__device__ __forceinline__ void copy_weights(const SkinnyGemmParams& params, const Slice& slice,
                                             const unsigned char* weights, Shared<Shape>& shared) {
  const int lane = threadIdx.x % 32;
  const int row = min(slice.first_row + lane, params.rows - 1);
  const __nv_bfloat16* source =
      params.weights.get() + row * params.weight_stride + slice.first_column;
  const uint32_t target = cuda::shared_address(weights) + lane * Shape::kRowBytes;
  const uint64_t policy = cuda::evict_first_policy();
  for (int block = 0, first = 0; first < slice.columns; ++block, first += Shape::kBlockColumns) {
#pragma unroll
    for (int stage = 0; stage < Shape::kStages; ++stage) {
      constexpr int kAll = Shape::kBlockColumns;
      const int begin = Shape::stage_begin(stage);
      const int left = min(slice.columns - first, kAll) - begin;
      if (left <= 0) break;
      if (block == 0 && stage == Shape::kStagesAsked) pdl::wait();
      if (block > 0) cuda::wait_barrier(&shared.empty[stage], (block - 1) % 2);
      const uint32_t bytes = min(left, Shape::stage_begin(stage + 1) - begin) * 2;
      const uint32_t full = cuda::shared_address(&shared.full[stage]);
      if (lane == 0) cuda::expect_bytes(full, bytes * Shape::kRows);
      __syncwarp();
      if (lane < Shape::kRows) {
        cuda::copy_bulk(target + begin * 2, source + first + begin, bytes, full, policy);
      }
    }
  }
}

// A lane's activations of one block: token l / 4 of each tile, zero beyond the last token and chunk.
template <class Shape>
using Activations = uint4[Shape::kWarpChunks][Shape::kTokenTiles];

template <class Shape>
__device__ __forceinline__ void load_activations(const SkinnyGemmParams& params,
                                                 const __nv_bfloat16* block, int chunks,
                                                 Activations<Shape>& x) {
  const int warp = threadIdx.x / 32;
  const int lane = threadIdx.x % 32;
  const __nv_bfloat16* source =
      block + lane / 4 * params.activation_stride + warp * Shape::kChunkColumns + lane % 4 * 8;
#pragma unroll
  for (int i = 0; i < Shape::kWarpChunks; ++i) {
#pragma unroll
    for (int tile = 0; tile < Shape::kTokenTiles; ++tile) {
      const bool exists = tile * 8 + lane / 4 < params.tokens && i * Shape::kWarps + warp < chunks;
      x[i][tile] = exists
                       ? *reinterpret_cast<const uint4*>(
                             source + tile * 8 * params.activation_stride + i * Shape::kStepColumns)
                       : make_uint4(0, 0, 0, 0);
    }
  }
}

// A warp's sums; where there is one row tile, in two sets for the two halves of a chunk, so that
// fewer multiplications wait for each other.
template <class Shape>
inline constexpr int kSumSets = Shape::kRowTiles == 1 ? 2 : 1;
template <class Shape>
using Sums = float[kSumSets<Shape>][Shape::kRowTiles][Shape::kTokenTiles][4];

// One chunk; `address` is where the lane's 16 bytes of its first row lie.
template <class Shape>
__device__ __forceinline__ void multiply_chunk(uint32_t address,
                                               const uint4 (&x)[Shape::kTokenTiles],
                                               Sums<Shape>& sums) {
#pragma unroll
  for (int tile = 0; tile < Shape::kRowTiles; ++tile) {
    const uint4 low = cuda::load_shared_16(address + tile * 16 * Shape::kRowBytes);
    const uint4 high = cuda::load_shared_16(address + (tile * 16 + 8) * Shape::kRowBytes);
#pragma unroll
    for (int t = 0; t < Shape::kTokenTiles; ++t) {
      multiply_add(sums[0][tile][t], low.x, high.x, low.y, high.y, x[t].x, x[t].y);
      multiply_add(sums[kSumSets<Shape> - 1][tile][t], low.z, high.z, low.w, high.w, x[t].z,
                   x[t].w);
    }
  }
}

// A multiplying warp: its chunks of every stage.
template <class Shape>
__device__ __forceinline__ void multiply(const SkinnyGemmParams& params, const Slice& slice,
                                         const unsigned char* weights, Shared<Shape>& shared,
                                         Sums<Shape>& sums) {
  const int warp = threadIdx.x / 32;
  const int lane = threadIdx.x % 32;
  const uint32_t address = cuda::shared_address(weights) + lane / 4 * Shape::kRowBytes +
                           warp * Shape::kChunkColumns * 2 + lane % 4 * 16;
  for (int block = 0, first = 0; first < slice.columns; ++block, first += Shape::kBlockColumns) {
    const int chunks = min(slice.columns - first, Shape::kBlockColumns) / Shape::kChunkColumns;
    Activations<Shape> x;
    load_activations<Shape>(params, params.activations.get() + slice.first_column + first, chunks,
                            x);
#pragma unroll
    for (int stage = 0; stage < Shape::kStages; ++stage) {
      if (Shape::stage_begin(stage) >= chunks * Shape::kChunkColumns) break;
      cuda::wait_barrier(&shared.full[stage], block % 2);
#pragma unroll
      for (int i = Shape::stage_begin(stage) / Shape::kStepColumns;
           i < Shape::stage_begin(stage + 1) / Shape::kStepColumns; ++i) {
        if (i * Shape::kWarps + warp >= chunks) break;
        multiply_chunk<Shape>(address + i * Shape::kStepColumns * 2, x[i], sums);
      }
      __syncwarp();
      if (lane == 0) cuda::arrive(&shared.empty[stage]);
    }
  }
}

// Where a warp leaves its sums of four tokens of a row: in the second half of the weights' memory,
// which all have read by then. The extra floats put the next quad on different banks.
template <class Shape>
__device__ __forceinline__ float* partial(unsigned char* weights, int warp, int quad, int row) {
  constexpr int kQuadFloats = Shape::kRows * 4 + 16;
  return reinterpret_cast<float*>(weights + Shape::kRows / 2 * Shape::kRowBytes) +
         (warp * Shape::kQuads + quad) * kQuadFloats + row * 4;
}
// Where the other CTA leaves its sums of four tokens of the `row`-th row that this CTA finishes: in
// the gap between two rows of the first half, where nothing else is.
template <class Shape>
__device__ __forceinline__ float4* sent_sum(unsigned char* weights, int quad, int row) {
  static_assert(Shape::kCtas == 1 || Shape::kQuads * sizeof(float4) <= Shape::kRowGapBytes);
  return reinterpret_cast<float4*>(weights + (row + 1) * Shape::kRowBytes - Shape::kRowGapBytes) +
         quad;
}

template <class Shape>
__device__ __forceinline__ void leave_sums(const Sums<Shape>& sums, unsigned char* weights) {
  const int lane = threadIdx.x % 32;
  const int token = lane % 4 * 2;
#pragma unroll
  for (int tile = 0; tile < Shape::kRowTiles; ++tile) {
#pragma unroll
    for (int t = 0; t < Shape::kTokenTiles; ++t) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        float pair[2];
#pragma unroll
        for (int i = 0; i < 2; ++i) {
          pair[i] = sums[0][tile][t][half * 2 + i];
          if constexpr (kSumSets<Shape> == 2) pair[i] += sums[1][tile][t][half * 2 + i];
        }
        float* target = partial<Shape>(weights, threadIdx.x / 32, (t * 8 + token) / 4,
                                       tile * 16 + half * 8 + lane / 4);
        *reinterpret_cast<float2*>(target + token % 4) = {pair[0], pair[1]};
      }
    }
  }
}

__device__ __forceinline__ float4 add(const float4& a, const float4& b) {
  return {a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w};
}

// One thread for four tokens of a row: adds the warps' sums, always in the same order, and those of
// the other CTA, and stores the results. Where the row is the other CTA's it is sent there.
template <class Shape>
__device__ __forceinline__ void finish(const SkinnyGemmParams& params, const Slice& slice,
                                       unsigned char* weights, Shared<Shape>& shared) {
  const int row = static_cast<int>(threadIdx.x) % Shape::kRows;
  const int quad = static_cast<int>(threadIdx.x) / Shape::kRows;
  if (quad * 4 >= params.tokens) return;
  float4 sum{};
#pragma unroll
  for (int warp = 0; warp < Shape::kWarps; ++warp) {
    sum = add(sum, *reinterpret_cast<float4*>(partial<Shape>(weights, warp, quad, row)));
  }
  if constexpr (Shape::kCtas > 1) {
    const int owner = row / 16;
    if (owner != cta_rank<Shape>()) {
      cuda::store_async_16(cuda::remote_address(sent_sum<Shape>(weights, quad, row % 16), owner),
                           sum, cuda::remote_address(&shared.sums_arrived, owner));
      return;
    }
    cuda::wait_barrier(&shared.sums_arrived, 0);
    sum = add(sum, *sent_sum<Shape>(weights, quad, row % 16));
  }
  if (slice.first_row + row >= params.rows) return;
  const float values[4] = {sum.x, sum.y, sum.z, sum.w};
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const int token = quad * 4 + i;
    if (token < params.tokens) store_output(params, token, slice.first_row + row, values[i]);
  }
}

template <class Shape>
__device__ __forceinline__ void initialize(const SkinnyGemmParams& params, Shared<Shape>& shared) {
  for (int stage = 0; stage < Shape::kStages; ++stage) {
    cuda::initialize_barrier(&shared.full[stage], 1);
    cuda::initialize_barrier(&shared.empty[stage], Shape::kWarps);
  }
  if constexpr (Shape::kCtas > 1) cuda::initialize_barrier(&shared.sums_arrived, 1);
  cuda::publish_barriers();
  if constexpr (Shape::kCtas > 1) {
    const int quads = (params.tokens + 3) / 4;
    cuda::expect_bytes(&shared.sums_arrived, quads * 16 * sizeof(float4));
  }
}

}  // namespace skinny_stream

template <class Shape>
__global__ void __launch_bounds__(Shape::kThreads, 1)
    skinny_stream_kernel(const __grid_constant__ SkinnyGemmParams params) {
  [[maybe_unused]] const LaunchScope scope{};
  using namespace skinny_stream;
  extern __shared__ __align__(128) unsigned char weights[];
  __shared__ Shared<Shape> shared;

  pdl::trigger();
  const Slice slice = Slice::of_this_cta<Shape>(params);
  const bool copies = threadIdx.x / 32 == Shape::kWarps;
  if (copies && threadIdx.x % 32 == 0) initialize<Shape>(params, shared);
  // This CTA's barriers are made: its own warps may use them, its peer once both have arrived.
  if constexpr (Shape::kCtas > 1) cuda::cluster_arrive();
  __syncthreads();
  Sums<Shape> sums = {};
  if (copies) {
    copy_weights<Shape>(params, slice, weights, shared);
  } else {
    pdl::wait();
    multiply<Shape>(params, slice, weights, shared, sums);
  }
  __syncthreads();
  if constexpr (Shape::kCtas > 1) cuda::cluster_wait();
  if (!copies) leave_sums<Shape>(sums, weights);
  __syncthreads();
  if (!copies) finish<Shape>(params, slice, weights, shared);
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::ops
