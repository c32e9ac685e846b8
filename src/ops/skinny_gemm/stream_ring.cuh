// The ring in shared memory that the product of many rows takes its weights through.
#pragma once

#include "cuda/cluster.cuh"
#include "cuda/shared_memory.cuh"
#include "ops/skinny_gemm/params.h"
#include "ops/skinny_gemm/stream_shape.h"
#include "ops/support/variant.cuh"

namespace slipstream::ops {
inline namespace SLIPSTREAM_VARIANT {
namespace skinny_stream {

template <class Shape>
struct Shared {
  uint64_t full[Shape::kStages];   // the stage's weights have arrived
  uint64_t empty[Shape::kStages];  // all warps have read them
};

// The ring's stages in their order, over and over, and the columns that each of them holds.
template <class Shape>
class Stages {
 public:
  __device__ Stages(const SkinnyGemmParams& params, const unsigned char* ring)
      : columns_(params.columns), begin_(cuda::shared_address(ring)) {}

  __device__ bool at_end() const { return first_column_ >= columns_; }
  __device__ void next() {
    first_column_ += Shape::kStageColumns;
    if (++index_ == Shape::kStages) {
      index_ = 0;
      ++round_;
    }
  }
  __device__ int index() const { return index_; }
  __device__ uint32_t round() const { return round_; }
  __device__ int first_column() const { return first_column_; }
  __device__ int columns() const { return min(Shape::kStageColumns, columns_ - first_column_); }
  __device__ uint32_t row(int row) const {
    return begin_ + index_ * Shape::kStageBytes + row * Shape::kRowBytes;
  }

 private:
  int columns_;
  uint32_t begin_;
  int first_column_ = 0;
  int index_ = 0;
  uint32_t round_ = 0;
};

// Blocks until all have read what the stage held in the round before.
template <class Shape>
__device__ __forceinline__ void wait_until_empty(const Stages<Shape>& stage,
                                                 Shared<Shape>& shared) {
  if (stage.round() > 0) cuda::wait_barrier(&shared.empty[stage.index()], (stage.round() - 1) % 2);
}

}  // namespace skinny_stream
}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::ops
