// How many pieces hold so much.
#pragma once

#include <cstdint>

#include "slipstream/pdl.cuh"

namespace slipstream::step::kernels {

// How many pieces of `size` hold `count`.
[[nodiscard]] constexpr int ceil_div(int64_t count, int64_t size) {
  return static_cast<int>((count + size - 1) / size);
}

// The same for a size that is known, of which a power of two takes a shift: a signed division by one takes
// three instructions on the device.
template <unsigned kSize>
[[nodiscard]] SLIPSTREAM_HOST_DEVICE constexpr int pieces_of(int count) {
  return static_cast<int>((static_cast<unsigned>(count) + kSize - 1) / kSize);
}

}  // namespace slipstream::step::kernels
