// Arithmetic of plans.
#pragma once

#include <cstdint>

namespace slipstream::step::kernels {

// How many pieces of `size` hold `count`.
[[nodiscard]] constexpr int ceil_div(int64_t count, int64_t size) {
  return static_cast<int>((count + size - 1) / size);
}

}  // namespace slipstream::step::kernels
