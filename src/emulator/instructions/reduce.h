// What atomics and reductions make of a value in memory and one that comes.
#pragma once

#include <algorithm>
#include <cstdint>

#include "emulator/arithmetic/floating.h"
#include "emulator/arithmetic/half.h"

namespace slipstream::emulator::reduce {

inline constexpr auto kAdd = [](auto old, auto value) {
  return static_cast<decltype(old)>(old + value);
};
inline constexpr auto kAnd = [](auto old, auto value) { return old & value; };
inline constexpr auto kOr = [](auto old, auto value) { return old | value; };
inline constexpr auto kXor = [](auto old, auto value) { return old ^ value; };
inline constexpr auto kMinimum = [](auto old, auto value) { return std::min(old, value); };
inline constexpr auto kMaximum = [](auto old, auto value) { return std::max(old, value); };
inline constexpr auto kIncrement = [](uint32_t old, uint32_t limit) {
  return old >= limit ? 0 : old + 1;
};
inline constexpr auto kDecrement = [](uint32_t old, uint32_t limit) {
  return old == 0 || old > limit ? limit : old - 1;
};

inline constexpr auto kAddFloat = [](auto old, auto value) { return canonical(old + value); };
inline constexpr auto kAddFloatFlushed = [](float old, float value) {
  return canonical(flush<true>(flush<true>(old) + flush<true>(value)));
};
inline constexpr auto kAddHalf = []<class T>(T old, T value) {
  return from_double<T>(double{to_float(old)} + double{to_float(value)});
};
inline constexpr auto kMinimumHalf = []<class T>(T old, T value) {
  return from_float<T>(minimum_number(to_float(old), to_float(value)));
};
inline constexpr auto kMaximumHalf = []<class T>(T old, T value) {
  return from_float<T>(maximum_number(to_float(old), to_float(value)));
};

}  // namespace slipstream::emulator::reduce
