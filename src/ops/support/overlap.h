// Do two tensors share a byte?
#pragma once

#include <cstdint>

#include "slipstream/tensor.h"

namespace slipstream::ops {

// The bytes between the first and the last element of a tensor that is not empty, whatever the
// signs of its strides.
struct ByteRange {
  intptr_t begin;
  intptr_t end;
};
[[nodiscard]] ByteRange byte_range(const Tensor& tensor);

// Exact for tensors that are slices of one array (axes of equal strides, as [:, :512] and [:, 512:]
// are); for others it compares the ranges from first to last byte, and so may say true of tensors
// that only interleave.
[[nodiscard]] bool may_overlap(const Tensor& a, const Tensor& b);

}  // namespace slipstream::ops
