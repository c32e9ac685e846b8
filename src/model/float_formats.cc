#include "model/float_formats.h"

#include <algorithm>

namespace slipstream::model {

float f16_to_float(uint16_t bits) {
  const int exponent = (bits >> 10) & 31;
  const auto mantissa = static_cast<float>(bits & 0x3FF);
  float magnitude = 0;
  if (exponent == 31) {
    magnitude = mantissa == 0 ? INFINITY : NAN;
  } else {
    magnitude =
        exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
  }
  return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

uint8_t float_to_e4m3(float value) {
  constexpr float kSmallestNormal = 0.015625F;  // 2^-6
  const uint8_t sign = std::signbit(value) ? 0x80 : 0;
  if (std::isnan(value)) return sign | kE4M3NaN;
  const float magnitude = std::min(std::fabs(value), kLargestE4M3);
  if (magnitude < kSmallestNormal) {
    // Multiples of 2^-9; eight of them are the smallest normal, whose code is 8 as well.
    return sign | static_cast<uint8_t>(std::nearbyint(magnitude * 512));
  }
  auto bits = std::bit_cast<uint32_t>(magnitude);
  bits += 0x7FFFF + ((bits >> 20) & 1);              // to nearest even at 3 mantissa bits
  const uint32_t code = (bits >> 20) - (120U << 3);  // exponent bias 127 to 7
  return sign | static_cast<uint8_t>(code);
}

}  // namespace slipstream::model
