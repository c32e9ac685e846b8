// What PTX says of floating-point values: subnormals flushed to zero, NaNs, saturation.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <type_traits>

namespace slipstream::emulator {

// The NaN that every f32 instruction makes; the payloads of its inputs are lost.
inline constexpr uint32_t kCanonicalNan = 0x7fffffffU;

inline float canonical(float value) {
  return value != value ? std::bit_cast<float>(kCanonicalNan) : value;
}
inline double canonical(double value) { return value; }

inline bool is_subnormal(float value) {
  const uint32_t magnitude = std::bit_cast<uint32_t>(value) & 0x7fffffffU;
  return magnitude < 0x00800000U;
}

// .ftz: subnormals become zeros of their sign.
template <bool kFlush>
float flush(float value) {
  if constexpr (kFlush) {
    const auto bits = std::bit_cast<uint32_t>(value);
    return std::bit_cast<float>(is_subnormal(value) ? bits & 0x80000000U : bits);
  }
  return value;
}
template <bool kFlush>
double flush(double value) {
  return value;
}

// .sat: into [0, 1], and NaN to 0.
template <bool kSaturate, class T>
T saturate_unit(T value) {
  if constexpr (kSaturate) return value > T{0} ? (value < T{1} ? value : T{1}) : T{0};
  return value;
}

// Magnitude order with -0 below +0; a NaN gives way to a number. In steps that the compiler makes vector instructions of:
// `combine` makes of the bits of equal numbers, which differ for zeros, those of the result.
template <class T, class Combine>
T first_of(bool is_first, T a, T b, Combine combine) {
  using Bits = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;
  const auto equal = std::bit_cast<T>(combine(std::bit_cast<Bits>(a), std::bit_cast<Bits>(b)));
  const T of_numbers = a == b ? equal : (is_first ? a : b);
  const T of_others = a == a ? a : b;
  return canonical(b == b ? of_numbers : of_others);
}
template <class T>
T minimum_number(T a, T b) {
  return first_of(a < b, a, b, std::bit_or<>());
}
template <class T>
T maximum_number(T a, T b) {
  return first_of(a > b, a, b, std::bit_and<>());
}

}  // namespace slipstream::emulator
