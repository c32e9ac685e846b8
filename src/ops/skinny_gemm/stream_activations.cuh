// What a warp multiplies with in the product of many rows.
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

// The activations that a warp has copied for itself, for kStagesAhead stages. A lane copies 16 bytes
// of every kTokensAtOnce-th token, neighbors those next to them. In shared memory the chunks of odd
// tokens change places by twos, so that lanes that read a chunk meet different banks.
template <class Shape>
class WarpActivations {
 public:
  __device__ WarpActivations(const SkinnyGemmParams& params, const unsigned char* ahead)
      : tokens_(params.tokens - token()),
        left_(params.columns - warp() * Shape::kWarpColumns - piece() * 8),
        step_(kTokensAtOnce * params.activation_stride),
        source_(params.activations.get() + token() * params.activation_stride +
                warp() * Shape::kWarpColumns + piece() * 8),
        begin_(cuda::shared_address(ahead) + warp() * Shape::kStagesAhead * Shape::kWarpStageBytes),
        asked_(begin_),
        next_(begin_) {}

  // Asks for those of the next stage that were not asked for, as one group of copies; it is empty
  // after the last one. All lanes have read what was there.
  __device__ __forceinline__ void ask() {
    const uint32_t target = asked_ + token() * Shape::kTokenBytes + swapped(token(), piece() * 16);
#pragma unroll
    for (int i = 0; i < Shape::kTokenTiles * 8 / kTokensAtOnce; ++i) {
      if (i * kTokensAtOnce >= tokens_ || left_ <= 0) continue;
      cuda::copy_16(target + i * kTokensAtOnce * Shape::kTokenBytes, source_ + i * step_);
    }
    cuda::commit_copies();
    source_ += Shape::kStageColumns;
    left_ -= Shape::kStageColumns;
    asked_ = after(asked_);
  }

  // Of the i-th chunk of a stage that has arrived; x stays zero beyond the last token.
  __device__ __forceinline__ void load(int i, Activations<Shape>& x) const {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const int first = lane / 4;
    const uint32_t chunk = next_ + first * Shape::kTokenBytes +
                           swapped(first, i * Shape::kChunkColumns * 2) + lane % 4 * 16;
#pragma unroll
    for (int tile = 0; tile < Shape::kTokenTiles; ++tile) {
      if (tile * 8 + first >= tokens_ + token()) continue;
      x[tile] = cuda::load_shared_16(chunk + tile * 8 * Shape::kTokenBytes);
    }
  }
  // The stage is read.
  __device__ void advance() { next_ = after(next_); }

 private:
  static constexpr int kTokenPieces = Shape::kTokenBytes / 16;
  static constexpr int kTokensAtOnce = 32 / kTokenPieces;

  static __device__ int warp() { return static_cast<int>(threadIdx.x) / 32; }
  // Of the copies of this lane, the first.
  static __device__ int token() { return static_cast<int>(threadIdx.x) % 32 / kTokenPieces; }
  static __device__ int piece() { return static_cast<int>(threadIdx.x) % kTokenPieces; }

  static __device__ uint32_t swapped(int token, uint32_t byte) {
    return byte ^ token % 2 * Shape::kChunkColumns * 2;
  }
  __device__ uint32_t after(uint32_t stage) const {
    stage += Shape::kWarpStageBytes;
    return stage == begin_ + Shape::kStagesAhead * Shape::kWarpStageBytes ? begin_ : stage;
  }

  int tokens_;                   // from the lane's first one on
  int left_;                     // columns from the lane's on, of the stage to be asked for
  int64_t step_;                 // from one of the lane's tokens to the next
  const __nv_bfloat16* source_;  // of the stage to be asked for
  uint32_t begin_;
  uint32_t asked_;  // where that stage goes
  uint32_t next_;   // where the stage lies that is read next
};

}  // namespace skinny_stream
}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::ops
