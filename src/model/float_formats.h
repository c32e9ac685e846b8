// Conversions between float and the small formats of weights, activations and caches, on the host.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

namespace slipstream::model {

inline constexpr float kLargestE4M3 = 448.0F;
inline constexpr uint8_t kE4M3NaN = 0x7F;

[[nodiscard]] inline float bf16_to_float(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

// Rounds to nearest even; NaN stays NaN.
[[nodiscard]] inline uint16_t float_to_bf16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  if (std::isnan(value)) return static_cast<uint16_t>((bits >> 16) | 0x40);
  return static_cast<uint16_t>((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
}

[[nodiscard]] inline float round_to_bf16(float value) {
  return bf16_to_float(float_to_bf16(value));
}

[[nodiscard]] float f16_to_float(uint16_t bits);

// e4m3fn: 4 exponent bits with bias 7, no infinities, 0x7F and 0xFF are NaN.
[[nodiscard]] inline float e4m3_to_float(uint8_t code) {
  const uint32_t magnitude = code & 0x7FU;
  const uint32_t sign = (code & 0x80U) << 24;
  // The fields of a float, whose exponent has a bias of 127: 120 more. It may be a subnormal, which is exact, too.
  const float value = std::bit_cast<float>(sign | magnitude << 20) * 0x1p120F;
  return magnitude == kE4M3NaN ? NAN : value;
}
// Rounds to nearest even; beyond +-448 and infinities saturate, NaN stays NaN.
[[nodiscard]] uint8_t float_to_e4m3(float value);

// The smallest power of two that is not below a positive normal `scale` (ue8m0).
[[nodiscard]] inline float round_up_to_power_of_two(float scale) {
  const auto bits = std::bit_cast<uint32_t>(scale);
  return std::bit_cast<float>((bits + 0x7FFFFF) & 0x7F800000);
}

}  // namespace slipstream::model
