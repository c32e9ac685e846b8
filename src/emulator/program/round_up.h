#pragma once

#include <cstdint>

namespace slipstream::emulator {

// The multiple of `multiple` at or next above `value`.
template <class T>
[[nodiscard]] constexpr T round_up(T value, uint64_t multiple) {
  return static_cast<T>((value + multiple - 1) / multiple * multiple);
}

}  // namespace slipstream::emulator
