// Comparisons of lanes, as setp and set make them.
#pragma once

#include <immintrin.h>

#include <array>
#include <cstdint>
#include <string_view>
#include <type_traits>
#include <utility>

#include "emulator/arithmetic/floating.h"
#include "emulator/arithmetic/half.h"
#include "emulator/instructions/lanes.h"

namespace slipstream::emulator {

enum class Compare : uint8_t {
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,  // ordered: false for NaN
  kEqualOrNan,
  kNotEqualOrNan,
  kLessOrNan,
  kLessEqualOrNan,
  kGreaterOrNan,
  kGreaterEqualOrNan,
  kBothNumbers,
  kSomeNan,
};

template <Compare kCompare, class T>
bool holds(T a, T b) {
  if constexpr (kCompare == Compare::kEqual) {
    return a == b;
  } else if constexpr (kCompare == Compare::kNotEqual) {
    return a < b || a > b;
  } else if constexpr (kCompare == Compare::kLess) {
    return a < b;
  } else if constexpr (kCompare == Compare::kLessEqual) {
    return a <= b;
  } else if constexpr (kCompare == Compare::kGreater) {
    return a > b;
  } else if constexpr (kCompare == Compare::kGreaterEqual) {
    return a >= b;
  } else if constexpr (kCompare == Compare::kEqualOrNan) {
    return !(a < b || a > b);
  } else if constexpr (kCompare == Compare::kNotEqualOrNan) {
    return !(a == b);
  } else if constexpr (kCompare == Compare::kLessOrNan) {
    return !(a >= b);
  } else if constexpr (kCompare == Compare::kLessEqualOrNan) {
    return !(a > b);
  } else if constexpr (kCompare == Compare::kGreaterOrNan) {
    return !(a <= b);
  } else if constexpr (kCompare == Compare::kGreaterEqualOrNan) {
    return !(a < b);
  } else if constexpr (kCompare == Compare::kBothNumbers) {
    return a == a && b == b;
  } else {
    return a != a || b != b;
  }
}

// What a lane's bits mean to a comparison.
template <bool kFlush, class T>
auto value_of(T lane) {
  if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) {
    const bool subnormal = (lane.bits & 0x7c00U) == 0;
    return to_float(kFlush && subnormal ? T{0} : lane);
  } else if constexpr (std::is_floating_point_v<T>) {
    return flush<kFlush>(lane);
  } else {
    return lane;
  }
}

// The mask of lanes for which the comparison holds. There are hundreds of these, which setp and set
// call in three ways: to inline them would be most of the time that this file takes to compile.
template <Compare kCompare, bool kFlush, class T>
[[gnu::noinline]] uint32_t compare_lanes(const void* a, const void* b) {
  const T* const left = static_cast<const T*>(a);
  const T* const right = static_cast<const T*>(b);
  alignas(32) std::array<uint8_t, kWarpSize> results;
  for (uint32_t lane = 0; lane < kWarpSize; ++lane) {
    const bool result =
        holds<kCompare>(value_of<kFlush>(left[lane]), value_of<kFlush>(right[lane]));
    results[lane] = result ? 0xff : 0;
  }
  const auto* const bytes = reinterpret_cast<const __m256i*>(results.data());
  return static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_load_si256(bytes)));
}

// Pairs of halves.
template <class T, Compare kCompare, bool kFlush>
struct PairComparison {
  static uint32_t low(const uint32_t* a, const uint32_t* b) { return compare(a, b, 0); }
  static uint32_t high(const uint32_t* a, const uint32_t* b) { return compare(a, b, 16); }

  [[gnu::noinline]] static uint32_t compare(const uint32_t* a, const uint32_t* b, uint32_t shift) {
    uint32_t mask = 0;
    for (uint32_t lane = 0; lane < kWarpSize; ++lane) {
      const T left{static_cast<uint16_t>(a[lane] >> shift)};
      const T right{static_cast<uint16_t>(b[lane] >> shift)};
      const bool result = holds<kCompare>(value_of<kFlush>(left), value_of<kFlush>(right));
      mask |= static_cast<uint32_t>(result) << lane;
    }
    return mask;
  }
};

enum class Connective : uint8_t { kNone, kAnd, kOr, kXor };

inline uint32_t combine(Connective how, uint32_t result, uint32_t with) {
  switch (how) {
    case Connective::kAnd:
      return result & with;
    case Connective::kOr:
      return result | with;
    case Connective::kXor:
      return result ^ with;
    default:
      return result;
  }
}

inline Connective combine_of(const Builder& builder) {
  return builder.has(".and")   ? Connective::kAnd
         : builder.has(".or")  ? Connective::kOr
         : builder.has(".xor") ? Connective::kXor
                               : Connective::kNone;
}

struct Spelling {
  std::string_view name;
  Compare floating;  // Compare for floating-point types
  Compare integer;   // for integers
};
inline constexpr std::array<Spelling, 18> kSpellings = {{
    {".eq", Compare::kEqual, Compare::kEqual},
    {".ne", Compare::kNotEqual, Compare::kNotEqual},
    {".lt", Compare::kLess, Compare::kLess},
    {".le", Compare::kLessEqual, Compare::kLessEqual},
    {".gt", Compare::kGreater, Compare::kGreater},
    {".ge", Compare::kGreaterEqual, Compare::kGreaterEqual},
    {".lo", Compare::kLess, Compare::kLess},
    {".ls", Compare::kLessEqual, Compare::kLessEqual},
    {".hi", Compare::kGreater, Compare::kGreater},
    {".hs", Compare::kGreaterEqual, Compare::kGreaterEqual},
    {".equ", Compare::kEqualOrNan, Compare::kEqual},
    {".neu", Compare::kNotEqualOrNan, Compare::kNotEqual},
    {".ltu", Compare::kLessOrNan, Compare::kLess},
    {".leu", Compare::kLessEqualOrNan, Compare::kLessEqual},
    {".gtu", Compare::kGreaterOrNan, Compare::kGreater},
    {".geu", Compare::kGreaterEqualOrNan, Compare::kGreaterEqual},
    {".num", Compare::kBothNumbers, Compare::kEqual},
    {".nan", Compare::kSomeNan, Compare::kEqual},
}};

template <class T>
inline constexpr bool kIsFloating =
    std::is_floating_point_v<T> || std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>;

// Calls visitor.template operator()<Compare>() for the comparison that the instruction names.
template <class T, class Visitor>
void with_comparison(std::string_view name, Visitor visitor) {
  Compare wanted = Compare::kEqual;
  for (const Spelling& spelling : kSpellings) {
    if (spelling.name == name) wanted = kIsFloating<T> ? spelling.floating : spelling.integer;
  }
  const auto try_one = [&]<Compare kCompare>() {
    if (kCompare == wanted) visitor.template operator()<kCompare>();
  };
  const auto try_all = [&]<size_t... kIndex>(std::index_sequence<kIndex...>) {
    (try_one.template operator()<static_cast<Compare>(kIndex)>(), ...);
  };
  // Integers need the six ordered comparisons only.
  try_all(std::make_index_sequence < kIsFloating<T> ? 14 : 6 > {});
}

}  // namespace slipstream::emulator
