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
  __device__ OwnActivations(const SkinnyGemmParams& params, const unsigned char* ahead)
      : left_(params.columns - lane_column()),
        begin_(cuda::shared_address(ahead) +
               threadIdx.x / 32 * Shape::kStagesAhead * Shape::kWarpStageBytes +
               threadIdx.x % 32 * 16),
        asked_(begin_),
        next_(begin_) {
#pragma unroll
    for (int tile = 0; tile < Shape::kTokenTiles; ++tile) {
      exists_[tile] = static_cast<int>(threadIdx.x) % 32 / 4 + tile * 8 < params.tokens;
      sources_[tile] = lane_activations(params) + tile * 8 * params.activation_stride;
    }
  }

  // Asks for those of the next stage that were not asked for, as one group of copies; it is empty
  // after the last one.
  __device__ __forceinline__ void ask() {
#pragma unroll
    for (int tile = 0; tile < Shape::kTokenTiles; ++tile) {
#pragma unroll
      for (int i = 0; i < Shape::kWarpChunks; ++i) {
        if (!exists_[tile] || i * Shape::kStepColumns >= left_) continue;
        cuda::copy_16(asked_ + place(i, tile), sources_[tile] + i * Shape::kStepColumns);
      }
      sources_[tile] += Shape::kStageColumns;
    }
    cuda::commit_copies();
    left_ -= Shape::kStageColumns;
    asked_ = after(asked_);
  }

  // Of the i-th chunk of a stage that has arrived; x stays zero beyond the last token.
  __device__ __forceinline__ void load(int i, Activations<Shape>& x) const {
#pragma unroll
    for (int tile = 0; tile < Shape::kTokenTiles; ++tile) {
      if (exists_[tile]) x[tile] = cuda::load_shared_16(next_ + place(i, tile));
    }
  }
  // The stage is read.
  __device__ void advance() { next_ = after(next_); }

 private:
  static constexpr int place(int i, int tile) {
    return (i * Shape::kTokenTiles + tile) * Shape::kTileBytes;
  }
  __device__ uint32_t after(uint32_t stage) const {
    stage += Shape::kWarpStageBytes;
    return stage == begin_ + Shape::kStagesAhead * Shape::kWarpStageBytes ? begin_ : stage;
  }

  bool exists_[Shape::kTokenTiles];                   // the lane's tokens
  const __nv_bfloat16* sources_[Shape::kTokenTiles];  // of the stage to be asked for
  int left_;                                          // columns from there on
  uint32_t begin_;
  uint32_t asked_;  // where that stage goes
  uint32_t next_;   // where the stage lies that is read next
};

}  // namespace skinny_stream
}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::ops
