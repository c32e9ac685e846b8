// Do two tensors share a byte?
#pragma once

#include "slipstream/tensor.h"

namespace slipstream::ops {

// Exact for tensors that are slices of one array (axes of equal strides, as [:, :512] and [:, 512:]
// are); for others it compares the ranges from first to last byte, and so may say true of tensors
// that only interleave.
[[nodiscard]] bool may_overlap(const Tensor& a, const Tensor& b);

}  // namespace slipstream::ops
