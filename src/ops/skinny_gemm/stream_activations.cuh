// What a lane multiplies with in the product of many rows: in registers, or in shared memory.
#pragma once

#include <cuda_bf16.h>

#include "cuda/peers.cuh"
#include "cuda/shared_memory.cuh"
#include "ops/skinny_gemm/params.h"
#include "ops/skinny_gemm/stream_shape.h"
#include "ops/support/variant.cuh"

namespace slipstream::ops {
inline namespace SLIPSTREAM_VARIANT {
namespace skinny_stream {

// The activations that a lane multiplies with a chunk: token l / 4 of each tile, columns
// 8 * (l % 4) to + 7; zero beyond the last token.
template <class Shape>
using Activations = uint4[Shape::kTokenTiles];

// Of a lane: its first column, and its first tile's activations from there on.
__device__ __forceinline__ int lane_column() {
  return static_cast<int>(threadIdx.x) / 32 * 32 + static_cast<int>(threadIdx.x) % 4 * 8;
}
__device__ __forceinline__ const __nv_bfloat16* lane_activations(const SkinnyGemmParams& params) {
  const int token = static_cast<int>(threadIdx.x) % 32 / 4;
  return params.activations.get() + token * params.activation_stride + lane_column();
}

// What a lane needs of the activations of kMostResidentColumns, by stage and chunk.
template <class Shape>
using Resident = uint4[Shape::kMostResidentColumns / Shape::kStageColumns][Shape::kWarpChunks];

// Asks for all of them, from `column` on; zero beyond the last token and column.
template <class Shape>
__device__ __forceinline__ void load_resident(const SkinnyGemmParams& params, int column,
                                              Resident<Shape>& x) {
  constexpr int kChunks = Shape::kMostResidentColumns / Shape::kStepColumns;
  const bool exists = static_cast<int>(threadIdx.x) % 32 / 4 < params.tokens;
  const int left = exists ? params.columns - column - lane_column() : 0;
  const __nv_bfloat16* source = lane_activations(params) + column;
#pragma unroll
  for (int i = 0; i < kChunks; ++i) {
    x[i / Shape::kWarpChunks][i % Shape::kWarpChunks] =
        i * Shape::kStepColumns < left
            ? *reinterpret_cast<const uint4*>(source + i * Shape::kStepColumns)
            : make_uint4(0, 0, 0, 0);
  }
}

// The activations that a lane has copied for itself, for kStagesAhead stages.
template <class Shape>
class OwnActivations {
 public:
  __device__ OwnActivations(const SkinnyGemmParams& params, unsigned char* ahead)
      : params_(params),
        source_(lane_activations(params)),
        mine_(ahead + threadIdx.x / 32 * Shape::kStagesAhead * Shape::kWarpStageBytes +
              threadIdx.x % 32 * 16) {}

  // Asks for those of the next stage that were not asked for, as one group of copies; it is empty
  // after the last one.
  __device__ __forceinline__ void ask() {
    const int chunks = params_.columns / Shape::kChunkColumns - asked_ * kStageChunks -
                       static_cast<int>(threadIdx.x) / 32;
    const __nv_bfloat16* source = source_ + asked_ * Shape::kStageColumns;
    unsigned char* target = mine_ + asked_ % Shape::kStagesAhead * Shape::kWarpStageBytes;
#pragma unroll
    for (int i = 0; i < Shape::kWarpChunks; ++i) {
#pragma unroll
      for (int tile = 0; tile < Shape::kTokenTiles; ++tile) {
        if (i * Shape::kWarps >= chunks || !exists(tile)) continue;
        cuda::copy_16(target + (i * Shape::kTokenTiles + tile) * Shape::kTileBytes,
                      source + i * Shape::kStepColumns + tile * 8 * params_.activation_stride);
      }
    }
    cuda::commit_copies();
    ++asked_;
  }

  // Of the i-th chunk of a stage that has arrived; x stays zero beyond the last token.
  __device__ __forceinline__ void load(int stage, int i, Activations<Shape>& x) const {
    const uint32_t address =
        cuda::shared_address(mine_ + stage % Shape::kStagesAhead * Shape::kWarpStageBytes);
#pragma unroll
    for (int tile = 0; tile < Shape::kTokenTiles; ++tile) {
      if (!exists(tile)) continue;
      x[tile] = cuda::load_shared_16(address + (i * Shape::kTokenTiles + tile) * Shape::kTileBytes);
    }
  }

 private:
  static constexpr int kStageChunks = Shape::kStageColumns / Shape::kChunkColumns;

  __device__ bool exists(int tile) const {
    return static_cast<int>(threadIdx.x) % 32 / 4 + tile * 8 < params_.tokens;
  }

  const SkinnyGemmParams& params_;
  const __nv_bfloat16* source_;
  unsigned char* mine_;
  int asked_ = 0;  // stages
};

}  // namespace skinny_stream
}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::ops
