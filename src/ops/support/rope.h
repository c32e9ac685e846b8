// The cos/sin table as the rope kernels take it.
#pragma once

#include <cstdint>

#include "slipstream/ops.h"
#include "slipstream/pdl.cuh"

namespace slipstream::ops {

inline constexpr int kPairsPerThread = 4;

// The cosines and sines of every position, and how pairs are laid out.
struct RopeTable {
  pdl::Constant<float> cos_sin;  // [max_position, rope]: rope/2 cosines, then rope/2 sines
  int64_t stride = 0;            // from position to position, in elements
  int64_t max_position = 0;
  int rope = 0;  // elements rotated, even
  RopeLayout layout = RopeLayout::kInterleaved;
};

}  // namespace slipstream::ops
