// The reference's matrices, and the product of two rows.
#pragma once

#include <cstddef>
#include <span>

#include "model/matrix.h"

namespace slipstream::model::reference {

using model::Matrix;

// Inner product; several partial sums, so that a compiler can vectorize it.
[[nodiscard]] inline float dot(std::span<const float> a, std::span<const float> b) {
  constexpr size_t kLanes = 16;
  float sums[kLanes] = {};
  size_t i = 0;
  for (; i + kLanes <= a.size(); i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) sums[lane] += a[i + lane] * b[i + lane];
  }
  float total = 0;
  for (; i < a.size(); ++i) total += a[i] * b[i];
  for (const float sum : sums) total += sum;
  return total;
}

}  // namespace slipstream::model::reference
