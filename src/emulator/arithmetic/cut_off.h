// How the matrix units turn an exact sum into f32: never rounded up.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

namespace slipstream::emulator {

// Cut off to f32; infinite only from 2^128 on.
inline float cut_off(double value) {
  constexpr double kSmallestNormal = 0x1p-126;
  constexpr uint64_t kDroppedBits = (1ULL << 29U) - 1;
  const auto shortened = std::bit_cast<double>(std::bit_cast<uint64_t>(value) & ~kDroppedBits);
  const auto result = static_cast<float>(shortened);
  if (std::fabs(value) >= kSmallestNormal || value == 0) return result;
  const bool rounded_up = std::fabs(static_cast<double>(result)) > std::fabs(value);
  return std::bit_cast<float>(std::bit_cast<uint32_t>(result) - (rounded_up ? 1 : 0));
}

}  // namespace slipstream::emulator
