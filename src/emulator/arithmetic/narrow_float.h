// Floating-point formats shorter than f32: what their codes mean, and rounding into them in every
// way PTX knows.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

namespace slipstream::emulator {

enum class Rounding : uint8_t { kNearest, kZero, kDown, kUp, kNearestAway };

// Codes are sign, exponent, mantissa. Magnitudes above `largest` are infinity or NaN.
struct FloatFormat {
  uint32_t exponent_bits;
  uint32_t mantissa_bits;
  uint32_t largest;   // code of the largest finite magnitude
  uint32_t infinity;  // equal to `nan` where the format has no infinity
  uint32_t nan;       // the one NaN that instructions make

  [[nodiscard]] constexpr int lowest_exponent() const { return 2 - (1 << (exponent_bits - 1)); }
  [[nodiscard]] constexpr uint32_t sign_bit() const {
    return 1U << (exponent_bits + mantissa_bits);
  }
};

inline constexpr FloatFormat kF16Format{5, 10, 0x7bff, 0x7c00, 0x7fff};
inline constexpr FloatFormat kBf16Format{8, 7, 0x7f7f, 0x7f80, 0x7fff};
inline constexpr FloatFormat kTf32Format{8, 10, 0x3fbff, 0x3fc00, 0x3ffff};
inline constexpr FloatFormat kE4m3Format{4, 3, 0x7e, 0x7f, 0x7f};
inline constexpr FloatFormat kE5m2Format{5, 2, 0x7b, 0x7c, 0x7f};

// Whether a magnitude `remainder / 2^shift` above a code goes to the next code.
inline bool rounds_away(Rounding rounding, bool negative, bool odd, uint64_t remainder,
                        uint64_t half) {
  switch (rounding) {
    case Rounding::kNearest:
      return remainder > half || (remainder == half && odd);
    case Rounding::kNearestAway:
      return remainder >= half;
    case Rounding::kZero:
      return false;
    case Rounding::kDown:
      return negative && remainder != 0;
    case Rounding::kUp:
      return !negative && remainder != 0;
  }
  return false;
}

// What a magnitude beyond the largest becomes.
inline uint32_t overflow_code(const FloatFormat& format, Rounding rounding, bool negative,
                              bool to_finite) {
  const bool towards_zero = rounding == Rounding::kZero ||
                            (rounding == Rounding::kDown && !negative) ||
                            (rounding == Rounding::kUp && negative);
  return to_finite || towards_zero ? format.largest : format.infinity;
}

// The code nearest to `value` in the given sense; with `to_finite`, infinities become the largest
// finite value.
inline uint32_t encode(double value, const FloatFormat& format, Rounding rounding, bool to_finite) {
  constexpr uint32_t kMantissaBits = 52;
  constexpr int kBias = 1023;
  constexpr uint32_t kWidestShift = 54;  // from there on only "more than nothing" is left
  const auto bits = std::bit_cast<uint64_t>(value);
  const bool negative = (bits >> 63U) != 0;
  const uint64_t magnitude = bits & (UINT64_MAX >> 1U);
  const uint32_t sign = negative ? format.sign_bit() : 0;
  if (value != value) return format.nan;
  if (std::isinf(value)) return sign | (to_finite ? format.largest : format.infinity);
  const int exponent = static_cast<int>(magnitude >> kMantissaBits) - kBias;
  const bool is_normal = exponent > -kBias;
  const uint64_t significand =
      (magnitude & ((1ULL << kMantissaBits) - 1)) | (is_normal ? 1ULL << kMantissaBits : 0);
  const int scale = exponent > format.lowest_exponent() ? exponent : format.lowest_exponent();
  const uint32_t dropped =
      kMantissaBits - format.mantissa_bits + static_cast<uint32_t>(scale - exponent);
  const uint32_t shift = dropped < kWidestShift ? dropped : kWidestShift;
  const uint64_t quotient = significand >> shift;
  const uint64_t remainder = significand & ((1ULL << shift) - 1);
  auto code = static_cast<uint32_t>(quotient) +
              (static_cast<uint32_t>(scale - format.lowest_exponent()) << format.mantissa_bits);
  code +=
      rounds_away(rounding, negative, (quotient & 1U) != 0, remainder, 1ULL << (shift - 1)) ? 1 : 0;
  return sign |
         (code > format.largest ? overflow_code(format, rounding, negative, to_finite) : code);
}

// The value of a code; exact.
inline float decode(uint32_t code, const FloatFormat& format) {
  const uint32_t magnitude = code & (format.sign_bit() - 1);
  const float sign = (code & format.sign_bit()) != 0 ? -1.0F : 1.0F;
  if (magnitude > format.largest) {
    const bool is_infinite = magnitude == format.infinity && format.infinity != format.nan;
    return is_infinite ? sign * HUGE_VALF : NAN;
  }
  const uint32_t fraction = magnitude & ((1U << format.mantissa_bits) - 1);
  const uint32_t field = magnitude >> format.mantissa_bits;
  const uint32_t significand = field == 0 ? fraction : fraction | (1U << format.mantissa_bits);
  const int exponent = format.lowest_exponent() + (field == 0 ? 0 : static_cast<int>(field) - 1) -
                       static_cast<int>(format.mantissa_bits);
  return sign * std::ldexp(static_cast<float>(significand), exponent);
}

// The f16 code with the value of each fp8 code.
struct Fp8Table {
  uint16_t half[256];
};
const Fp8Table& e4m3_to_half();
const Fp8Table& e5m2_to_half();

}  // namespace slipstream::emulator
