// The one parameter struct of apply_q_scale_and_softmax_scale: kernel, reference and tests share
// it.
#pragma once

#include <cstdint>

#include "pdl/fields.h"
#include "slipstream/pdl.cuh"

namespace slipstream::ops {

// A [tokens, heads] float32 tensor at any strides, in elements.
template <class T>
struct TokenHeads {
  pdl::Produced<T> data;
  int64_t token_stride = 0;
  int64_t head_stride = 0;

  [[nodiscard]] SLIPSTREAM_HOST_DEVICE T* at(int64_t token, int64_t head) const {
    return data.get() + token * token_stride + head * head_stride;
  }
};

// output[t, h] = (weights[t, h] * q_scale[t, h]) * softmax_scale
struct QScaleParams {
  TokenHeads<const float> weights;  // [tokens, heads], read after the wait
  TokenHeads<const float> q_scale;  // [tokens, heads], read after the wait
  TokenHeads<float> output;         // [tokens, heads], written after the wait; may be an input
  int64_t tokens = 0;
  int heads = 0;
  float softmax_scale = 1.0F;
};

inline constexpr auto kQScaleFields =
    SLIPSTREAM_FIELDS(QScaleParams, weights.data, q_scale.data, output.data);

}  // namespace slipstream::ops
