// f16 and bf16 as f32 values and back. Every product of two and every sum that fits is exact in
// f64, so arithmetic goes through it and rounds once.
#pragma once

#include <immintrin.h>

#include <bit>
#include <cmath>
#include <cstdint>

#include "emulator/program/types.h"

namespace slipstream::emulator {

inline constexpr uint16_t kHalfNan = 0x7fff;

inline float to_float(Half value) { return _cvtsh_ss(value.bits); }
inline float to_float(BFloat16 value) {
  return std::bit_cast<float>(static_cast<uint32_t>(value.bits) << 16U);
}

// Rounds a double to f32, to odd: rounding the result to a shorter type then gives what rounding
// once would.
inline float round_to_odd(double value) {
  const auto nearest = static_cast<float>(value);
  if (static_cast<double>(nearest) == value || value != value || std::isinf(nearest)) {
    return nearest;
  }
  auto bits = std::bit_cast<uint32_t>(nearest);
  if ((bits & 1U) == 0) {
    // The neighbor on the other side of `value` is odd.
    const bool nearest_is_larger = std::fabs(static_cast<double>(nearest)) > std::fabs(value);
    bits += nearest_is_larger ? ~0U : 1U;
  }
  return std::bit_cast<float>(bits);
}

inline Half to_half(float value) {
  if (value != value) return {kHalfNan};
  return {static_cast<uint16_t>(_cvtss_sh(value, _MM_FROUND_TO_NEAREST_INT))};
}
inline BFloat16 to_bfloat16(float value) {
  if (value != value) return {kHalfNan};
  const auto bits = std::bit_cast<uint32_t>(value);
  return {static_cast<uint16_t>((bits + 0x7fffU + ((bits >> 16U) & 1U)) >> 16U)};
}

template <class T>
T from_float(float value);
template <>
inline Half from_float<Half>(float value) {
  return to_half(value);
}
template <>
inline BFloat16 from_float<BFloat16>(float value) {
  return to_bfloat16(value);
}
// Rounds once, from a value that is exact or rounded to odd in f64.
template <class T>
T from_double(double value) {
  return from_float<T>(round_to_odd(value));
}

template <class T>
uint32_t pack(T low, T high) {
  return static_cast<uint32_t>(low.bits) | (static_cast<uint32_t>(high.bits) << 16U);
}
template <class T>
T low_of(uint32_t pair) {
  return {static_cast<uint16_t>(pair)};
}
template <class T>
T high_of(uint32_t pair) {
  return {static_cast<uint16_t>(pair >> 16U)};
}

}  // namespace slipstream::emulator
