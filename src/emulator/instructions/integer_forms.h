// What the forms of integer instructions share.
#pragma once

#include <cstdint>
#include <type_traits>

#include "emulator/instructions/lanes.h"

namespace slipstream::emulator {

template <auto kFunction, class T>
inline constexpr auto kUnary = &build<kFunction, T, T>;
template <auto kFunction, class T>
inline constexpr auto kBinary = &build<kFunction, T, T, T>;
template <auto kFunction, class T>
inline constexpr auto kTernary = &build<kFunction, T, T, T, T>;

// The type of twice as many bits.
template <class T>
using Wide = std::conditional_t<
    sizeof(T) == 2, std::conditional_t<std::is_signed_v<T>, int32_t, uint32_t>,
    std::conditional_t<sizeof(T) == 4, std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>,
                       std::conditional_t<std::is_signed_v<T>, __int128, unsigned __int128>>>;

inline constexpr auto kMultiplyHigh = [](auto a, auto b) {
  using T = decltype(a);
  return static_cast<T>((static_cast<Wide<T>>(a) * static_cast<Wide<T>>(b)) >> (8 * sizeof(T)));
};

}  // namespace slipstream::emulator
