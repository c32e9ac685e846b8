// The matrix product for many rows (a projection): bound by the stream of the weights.
//
// Data flow. A CTA owns 16 rows of the weights and all their columns, so that no sum crosses a CTA;
// 2112 rows are 132 CTAs, one per multiprocessor. One warp copies the weights into a ring in shared
// memory, stage by stage; eight warps multiply, each its own columns of every stage. The tensor core
// wants pairs of columns in an order of its own; since a dot product does not care, a lane takes 8
// neighboring columns (16 bytes) of its row and of its token. Weights are the "M" operand (16 rows),
// tokens the "N" operand (8 each). Every warp ends with sums of all rows over its columns; they are
// added in the order of the warps and rounded once.
//
// What is on its way. A load of activations comes after all weights that were asked for before it,
// and all multiplying waits for it. Of the ring's first round, which is asked for before the wait,
// only a few stages are therefore on their way at once. All activations asked for at once would hold
// up the weights: each warp copies what it will multiply with into shared memory, three stages
// ahead, by whole lines, and no other touches it. A bulk copy takes some 60 cycles, however small:
// rows come 2 KB at a time.
//
// PDL contract. Before the wait: weights (constant), barrier set-up. After it: activations, output.
// The warp that copies the weights touches nothing else and never waits. The trigger comes first,
// so that the next kernel's weights stream while this one waits and multiplies.
#pragma once

#include <cuda_bf16.h>

#include "cuda/cluster.cuh"
#include "cuda/shared_memory.cuh"
#include "cuda/tensor_core.cuh"
#include "ops/skinny_gemm/store_output.cuh"
#include "ops/skinny_gemm/stream_activations.cuh"
#include "ops/skinny_gemm/stream_ring.cuh"
#include "ops/support/variant.cuh"

namespace slipstream::ops {
inline namespace SLIPSTREAM_VARIANT {
namespace skinny_stream {

// One warp, lane l for row l. Rows beyond the matrix repeat the last one: their sums are never
// stored.
template <class Shape>
__device__ __forceinline__ void copy_weights(const SkinnyGemmParams& params,
                                             const unsigned char* ring, Shared<Shape>& shared) {
  const int lane = threadIdx.x % 32;
  const int row = min(static_cast<int>(blockIdx.x) * Shape::kRows + lane, params.rows - 1);
  const __nv_bfloat16* source = params.weights.get() + row * params.weight_stride;
  const uint64_t policy = cuda::evict_first_policy();
#pragma unroll 1
  for (Stages<Shape> stage(params, ring); !stage.at_end(); stage.next()) {
    wait_until_empty(stage, shared);
    if (stage.round() == 0 && stage.index() >= Shape::kStagesAsked) {
      cuda::wait_barrier(&shared.full[stage.index() - Shape::kStagesAsked], 0);
    }
    const uint32_t bytes = stage.columns() * 2;
    const uint32_t arrived = cuda::shared_address(&shared.full[stage.index()]);
    if (lane == 0) cuda::expect_bytes(arrived, bytes * Shape::kRows);
    __syncwarp();
    if (lane < Shape::kRows) {
      cuda::copy_bulk(stage.row(lane), source + stage.first_column(), bytes, arrived, policy);
    }
  }
}

// A warp's sums, in two sets for the two halves of a chunk, so that fewer multiplications wait for
// each other.
template <class Shape>
using Sums = float[2][Shape::kTokenTiles][4];

// A multiplying warp: its chunks of a stage. activations_of(i, x) brings those of its i-th
// chunk.
template <class Shape, class ActivationsOf>
__device__ __forceinline__ void multiply_stage(const Stages<Shape>& stage,
                                               const ActivationsOf& activations_of,
                                               Shared<Shape>& shared, Sums<Shape>& sums) {
  const int warp = threadIdx.x / 32;
  const int lane = threadIdx.x % 32;
  const uint32_t address = stage.row(lane / 4) + warp * Shape::kWarpColumns * 2 + lane % 4 * 16;
  const int columns = stage.columns() - warp * Shape::kWarpColumns;
  cuda::wait_barrier(&shared.full[stage.index()], stage.round() % 2);
#pragma unroll
  for (int i = 0; i < Shape::kWarpChunks; ++i) {
    const uint32_t chunk = address + i * Shape::kChunkColumns * 2;
    uint4 low{};
    uint4 high{};
    Activations<Shape> x{};
    if (i * Shape::kChunkColumns < columns) {
      low = cuda::load_shared_16(chunk);
      high = cuda::load_shared_16(chunk + 8 * Shape::kRowBytes);
      activations_of(i, x);
    }
#pragma unroll
    for (int tile = 0; tile < Shape::kTokenTiles; ++tile) {
      cuda::multiply_bf16(sums[0][tile], make_uint4(low.x, high.x, low.y, high.y), x[tile].x,
                          x[tile].y);
      cuda::multiply_bf16(sums[1][tile], make_uint4(low.z, high.z, low.w, high.w), x[tile].z,
                          x[tile].w);
    }
  }
  __syncwarp();
  if (lane == 0) cuda::arrive(&shared.empty[stage.index()]);
}

// All stages.
template <class Shape>
__device__ __forceinline__ void multiply(const SkinnyGemmParams& params, const unsigned char* ring,
                                         const unsigned char* ahead, Shared<Shape>& shared,
                                         Sums<Shape>& sums) {
  WarpActivations<Shape> activations(params, ahead);
#pragma unroll
  for (int i = 0; i < Shape::kStagesAhead; ++i) activations.ask();
#pragma unroll 1
  for (Stages<Shape> stage(params, ring); !stage.at_end(); stage.next()) {
    cuda::wait_copies<Shape::kStagesAhead - 1>();
    __syncwarp();
    const auto from_shared = [&](int i, Activations<Shape>& x) { activations.load(i, x); };
    multiply_stage(stage, from_shared, shared, sums);
    activations.advance();
    activations.ask();
  }
}

// Leaves the warp's sums for finish(), by token and row.
template <class Shape>
__device__ __forceinline__ void leave_sums(const SkinnyGemmParams& params, const Sums<Shape>& sums,
                                           float* partials) {
  const int lane = threadIdx.x % 32;
  partials += threadIdx.x / 32 * Shape::kPartialFloats;
#pragma unroll
  for (int tile = 0; tile < Shape::kTokenTiles; ++tile) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int token = tile * 8 + lane % 4 * 2 + i % 2;
      const int row = lane / 4 + i / 2 * 8;
      if (token >= params.tokens) continue;
      partials[token * Shape::kPartialStride + row] = sums[0][tile][i] + sums[1][tile][i];
    }
  }
}

// Adds the warps' sums, always in the same order, and stores the result: one output per thread.
template <class Shape>
__device__ __forceinline__ void finish(const SkinnyGemmParams& params, const float* partials) {
  const int token = static_cast<int>(threadIdx.x) / Shape::kRows;
  const int row = static_cast<int>(threadIdx.x) % Shape::kRows;
  const int output_row = static_cast<int>(blockIdx.x) * Shape::kRows + row;
  if (token >= params.tokens || output_row >= params.rows) return;
  float sum = 0;
#pragma unroll
  for (int warp = 0; warp < Shape::kWarps; ++warp) {
    sum += partials[warp * Shape::kPartialFloats + token * Shape::kPartialStride + row];
  }
  store_output(params, token, output_row, sum);
}

template <class Shape>
__device__ __forceinline__ void initialize(Shared<Shape>& shared) {
  for (int stage = 0; stage < Shape::kStages; ++stage) {
    cuda::initialize_barrier(&shared.full[stage], 1);
    cuda::initialize_barrier(&shared.empty[stage], Shape::kWarps);
  }
  cuda::publish_barriers();
}

}  // namespace skinny_stream

template <class Shape>
__global__ void __launch_bounds__(Shape::kThreads, 1)
    skinny_stream_kernel(const __grid_constant__ SkinnyGemmParams params) {
  [[maybe_unused]] const LaunchScope scope{};
  using namespace skinny_stream;
  extern __shared__ __align__(128) unsigned char dynamic[];
  __shared__ Shared<Shape> shared;
  float* partials = reinterpret_cast<float*>(dynamic);
  const unsigned char* ahead = dynamic + Shape::kPartialBytes;
  const unsigned char* ring = ahead + Shape::kAheadBytes;

  pdl::trigger();
  const int warp = threadIdx.x / 32;
  if (threadIdx.x == Shape::kWarps * 32) initialize(shared);
  __syncthreads();
  if (warp == Shape::kWarps) {
    copy_weights(params, ring, shared);
  } else {
    pdl::wait();
    Sums<Shape> sums = {};
    multiply(params, ring, ahead, shared, sums);
    leave_sums<Shape>(params, sums, partials);
  }
  __syncthreads();
  if (warp < Shape::kWarps) finish<Shape>(params, partials);
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::ops
