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
// and all multiplying waits for it. So the activations of up to eight tokens are asked for at once,
// directly after the wait, into registers; those of more go through the ring, in the weights' stages,
// copied by a warp of their own. And of the ring's first round, which is asked for before, only a few
// stages are on their way at once. A bulk copy takes some 60 cycles, however small: rows come 2 KB at
// a time.
//
// PDL contract. Before the wait: weights (constant), barrier set-up. After it: activations, output.
// The warp that copies the weights touches nothing else and never waits. The trigger comes first,
// so that the next kernel's weights stream while this one waits and multiplies.
#pragma once

#include <cuda_bf16.h>

#include "cuda/cluster.cuh"
#include "cuda/shared_memory.cuh"
#include "ops/skinny_gemm/multiply_add.cuh"
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
      cuda::wait_barrier(&shared.weights[stage.index() - Shape::kStagesAsked], 0);
    }
    const uint32_t bytes = stage.columns() * 2;
    const uint32_t arrived = cuda::shared_address(&shared.weights[stage.index()]);
    if (lane == 0) cuda::expect_bytes(arrived, bytes * Shape::kRows);
    __syncwarp();
    if (lane < Shape::kRows) {
      cuda::copy_bulk(stage.row(lane), source + stage.first_column(), bytes, arrived, policy);
    }
  }
}

// Another warp, after the wait, lane l for token l.
template <class Shape>
__device__ __forceinline__ void copy_activations(const SkinnyGemmParams& params,
                                                 const unsigned char* ring, Shared<Shape>& shared) {
  const int lane = threadIdx.x % 32;
  const __nv_bfloat16* source = params.activations.get() + lane * params.activation_stride;
#pragma unroll 1
  for (Stages<Shape> stage(params, ring); !stage.at_end(); stage.next()) {
    wait_until_empty(stage, shared);
    const uint32_t bytes = stage.columns() * 2;
    const uint32_t arrived = cuda::shared_address(&shared.activations[stage.index()]);
    cuda::publish_to_copies();  // the launch before has stored the activations
    if (lane == 0) cuda::expect_bytes(arrived, bytes * params.tokens);
    __syncwarp();
    if (lane < params.tokens) {
      cuda::copy_bulk(stage.row(Shape::kRows + lane), source + stage.first_column(), bytes,
                      arrived);
    }
  }
}

// A warp's sums, in two sets for the two halves of a chunk, so that fewer multiplications wait for
// each other.
template <class Shape>
using Sums = float[2][Shape::kTokenTiles][4];

// The activations that a lane multiplies with a chunk: token l / 4 of each tile, columns
// 8 * (l % 4) to + 7; zero beyond the last token.
template <class Shape>
using Activations = uint4[Shape::kTokenTiles];

// A multiplying warp: its chunks of a stage. activations_of(i, exists, address, x) brings those of its
// i-th chunk, if that exists, which begins at the address.
template <class Shape, class ActivationsOf>
__device__ __forceinline__ void multiply_stage(const Stages<Shape>& stage,
                                               const ActivationsOf& activations_of,
                                               Shared<Shape>& shared, Sums<Shape>& sums) {
  const int warp = threadIdx.x / 32;
  const int lane = threadIdx.x % 32;
  const uint32_t address = stage.row(lane / 4) + warp * Shape::kChunkColumns * 2 + lane % 4 * 16;
  const int chunks = stage.columns() / Shape::kChunkColumns - warp;
  cuda::wait_barrier(&shared.weights[stage.index()], stage.round() % 2);
#pragma unroll
  for (int i = 0; i < Shape::kWarpChunks; ++i) {
    const uint32_t chunk = address + i * Shape::kStepColumns * 2;
    const bool exists = i * Shape::kWarps < chunks;
    uint4 low{};
    uint4 high{};
    if (exists) {
      low = cuda::load_shared_16(chunk);
      high = cuda::load_shared_16(chunk + 8 * Shape::kRowBytes);
    }
    Activations<Shape> x;
    activations_of(i, exists, chunk, x);
#pragma unroll
    for (int tile = 0; tile < Shape::kTokenTiles; ++tile) {
      multiply_add(sums[0][tile], low.x, high.x, low.y, high.y, x[tile].x, x[tile].y);
      multiply_add(sums[1][tile], low.z, high.z, low.w, high.w, x[tile].z, x[tile].w);
    }
  }
  __syncwarp();
  if (lane == 0) cuda::arrive(&shared.empty[stage.index()]);
}

// All stages, activations from the ring.
template <class Shape>
__device__ __forceinline__ void multiply_from_ring(const SkinnyGemmParams& params,
                                                   const unsigned char* ring, Shared<Shape>& shared,
                                                   Sums<Shape>& sums) {
  const int row = static_cast<int>(threadIdx.x) % 32 / 4;
  for (Stages<Shape> stage(params, ring); !stage.at_end(); stage.next()) {
    cuda::wait_barrier(&shared.activations[stage.index()], stage.round() % 2);
    const auto from_ring = [&](int, bool exists, uint32_t chunk, Activations<Shape>& x) {
#pragma unroll
      for (int tile = 0; tile < Shape::kTokenTiles; ++tile) {
        x[tile] = {};
        if (!exists || tile * 8 + row >= params.tokens) continue;
        x[tile] = cuda::load_shared_16(chunk + (Shape::kRows + tile * 8) * Shape::kRowBytes);
      }
    };
    multiply_stage(stage, from_ring, shared, sums);
  }
}

// What a lane needs of the activations of kMostResidentColumns, by stage and chunk.
template <class Shape>
using Resident = uint4[Shape::kMostResidentColumns / Shape::kStageColumns][Shape::kWarpChunks];

// Asks for all of them, from `column` on; zero beyond the last token and column.
template <class Shape>
__device__ __forceinline__ void load_resident(const SkinnyGemmParams& params, int column,
                                              Resident<Shape>& x) {
  constexpr int kChunks = Shape::kMostResidentColumns / Shape::kStepColumns;
  const int lane = threadIdx.x % 32;
  const int token = lane / 4;
  column += static_cast<int>(threadIdx.x) / 32 * Shape::kChunkColumns + lane % 4 * 8;
  const int left = token < params.tokens ? params.columns - column : 0;
  const __nv_bfloat16* source =
      params.activations.get() + token * params.activation_stride + column;
#pragma unroll
  for (int i = 0; i < kChunks; ++i) {
    x[i / Shape::kWarpChunks][i % Shape::kWarpChunks] =
        i * Shape::kStepColumns < left
            ? *reinterpret_cast<const uint4*>(source + i * Shape::kStepColumns)
            : make_uint4(0, 0, 0, 0);
  }
}

// All stages, activations from registers.
template <class Shape>
__device__ __forceinline__ void multiply_from_registers(const SkinnyGemmParams& params,
                                                        const unsigned char* ring,
                                                        Shared<Shape>& shared, Sums<Shape>& sums) {
  static_assert(Shape::kTokenTiles == 1);
  for (Stages<Shape> stage(params, ring); !stage.at_end();) {
    Resident<Shape> resident;
    load_resident<Shape>(params, stage.first_column(), resident);
#pragma unroll
    for (auto& of_stage : resident) {
      if (stage.at_end()) break;
      const auto from_registers = [&](int chunk, bool, uint32_t, Activations<Shape>& x) {
        x[0] = of_stage[chunk];
      };
      multiply_stage(stage, from_registers, shared, sums);
      stage.next();
    }
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
  for (int stage = 0; stage < Shape::kMostStages; ++stage) {
    cuda::initialize_barrier(&shared.weights[stage], 1);
    cuda::initialize_barrier(&shared.activations[stage], 1);
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
  const unsigned char* ring = dynamic + Shape::kPartialBytes;

  pdl::trigger();
  const int warp = threadIdx.x / 32;
  if (threadIdx.x == Shape::kWarps * 32) initialize(shared);
  __syncthreads();
  if (warp == Shape::kWarps) {
    copy_weights(params, ring, shared);
  } else {
    pdl::wait();
    if (warp < Shape::kWarps) {
      Sums<Shape> sums = {};
      if constexpr (Shape::kActivationsInRegisters) {
        multiply_from_registers(params, ring, shared, sums);
      } else {
        multiply_from_ring(params, ring, shared, sums);
      }
      leave_sums<Shape>(params, sums, partials);
    } else if constexpr (!Shape::kActivationsInRegisters) {
      copy_activations(params, ring, shared);
    }
  }
  __syncthreads();
  if (warp < Shape::kWarps) finish<Shape>(params, partials);
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::ops
