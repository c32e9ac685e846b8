// Views of tensors as rows, as the kernels of this folder take them.
#pragma once

#include <cstdint>

#include "slipstream/pdl.cuh"

namespace slipstream::ops {

// Rows of a [rows, columns] matrix whose columns lie side by side.
template <class T>
struct Rows {
  pdl::Produced<T> data;
  int64_t stride = 0;  // from row to row, in elements of T

  [[nodiscard]] SLIPSTREAM_HOST_DEVICE T* row(int64_t index) const {
    return data.get() + index * stride;
  }
};

// Rows of a [tokens, heads, columns] tensor whose columns lie side by side. 16-bit floats are
// passed as uint16_t and fp8 codes as uint8_t: the dtype travels beside them.
template <class T>
struct HeadRows {
  pdl::Produced<T> data;
  int64_t token_stride = 0;  // in elements of T
  int64_t head_stride = 0;

  [[nodiscard]] SLIPSTREAM_HOST_DEVICE T* row(int64_t token, int64_t head) const {
    return data.get() + token * token_stride + head * head_stride;
  }
};

}  // namespace slipstream::ops
