// Conversions from and to f16, bf16, tf32 and fp8.
#include <array>
#include <bit>
#include <limits>
#include <type_traits>

#include "emulator/arithmetic/floating.h"
#include "emulator/arithmetic/half.h"
#include "emulator/arithmetic/narrow_float.h"
#include "emulator/instructions/families.h"
#include "emulator/instructions/lanes.h"

namespace slipstream::emulator {
namespace {

// --- The modifiers of a conversion, carried in the operation's immediate.

struct Modifiers {
  Rounding rounding = Rounding::kNearest;
  bool relu = false;
  bool to_finite = false;
  bool flush = false;
  bool to_unit = false;
  uint8_t unused[3] = {};
};
static_assert(sizeof(Modifiers) == sizeof(int64_t));

Rounding rounding_of(const Builder& builder) {
  if (builder.has(".rz") || builder.has(".rzi")) {
    return Rounding::kZero;
  }
  if (builder.has(".rm") || builder.has(".rmi")) {
    return Rounding::kDown;
  }
  if (builder.has(".rp") || builder.has(".rpi")) {
    return Rounding::kUp;
  }
  return builder.has(".rna") ? Rounding::kNearestAway : Rounding::kNearest;
}

int64_t modifiers_of(const Builder& builder) {
  Modifiers modifiers;
  modifiers.rounding = rounding_of(builder);
  modifiers.relu = builder.has(".relu");
  modifiers.to_finite = builder.has(".satfinite");
  modifiers.flush = builder.has(".ftz");
  modifiers.to_unit = builder.has(".sat");
  return std::bit_cast<int64_t>(modifiers);
}

// Handler: operand 0 = kFunction(modifiers, operand 1, ...), lane by lane.
template <auto kFunction, class Result, class... Sources>
Step convert(const Operation& operation, Warp& warp, uint32_t executing) {
  const auto modifiers = std::bit_cast<Modifiers>(operation.immediate);
  [&]<size_t... kIndex>(std::index_sequence<kIndex...>) {
    auto* const result = lanes<Result>(warp, operation.operands[0]);
    for_each_lane(executing, [&](uint32_t lane) {
      result[lane] =
          kFunction(modifiers, lanes<const Sources>(warp, operation.operands[1 + kIndex])[lane]...);
    });
  }
  (std::index_sequence_for<Sources...>{});
  return Step::kNext;
}

template <auto kFunction, class Result, class... Sources>
void build_convert(Builder& builder) {
  read_operands<Result, Sources...>(builder);
  builder.set_immediate(modifiers_of(builder));
  builder.set_handler(&convert<kFunction, Result, Sources...>);
}

// --- Into short formats.

template <class T>
constexpr const FloatFormat& kFormatOf = kF16Format;
template <>
constexpr const FloatFormat& kFormatOf<BFloat16> = kBf16Format;

double prepare(const Modifiers& modifiers, double value) {
  if (modifiers.relu && value < 0) value = 0.0;
  if (modifiers.relu && value == 0) {
    value = 0.0;  // a negative zero, too
  }
  return modifiers.to_unit ? saturate_unit<true>(value) : value;
}
// .ftz changes nothing here: a GPU does not flush the source of a conversion to a shorter format.
double prepare(const Modifiers& modifiers, float value) {
  return prepare(modifiers, static_cast<double>(value));
}

template <class Value>
uint32_t narrow(const Modifiers& modifiers, Value value, const FloatFormat& format) {
  return encode(prepare(modifiers, value), format, modifiers.rounding, modifiers.to_finite);
}

template <class Result>
constexpr auto kNarrow = [](const Modifiers& modifiers, auto value) {
  return Result{static_cast<uint16_t>(narrow(modifiers, value, kFormatOf<Result>))};
};

// An f64 NaN keeps its sign and the upper bits of its payload, and becomes quiet.
template <class Result>
constexpr auto kNarrowDouble = [](const Modifiers& modifiers, double value) {
  if (value == value || modifiers.to_unit) return kNarrow<Result>(modifiers, value);
  constexpr uint32_t kDropped = 52 - kFormatOf<Result>.mantissa_bits;
  constexpr uint32_t kQuietBit = 1U << (kFormatOf<Result>.mantissa_bits - 1);
  const auto bits = std::bit_cast<uint64_t>(value);
  const auto payload =
      static_cast<uint32_t>(bits >> kDropped) & ((1U << kFormatOf<Result>.mantissa_bits) - 1);
  const uint32_t sign = (bits >> 63U) != 0 ? kFormatOf<Result>.sign_bit() : 0;
  return Result{static_cast<uint16_t>(sign | kFormatOf<Result>.infinity | kQuietBit | payload)};
};

template <class Element>
constexpr auto kNarrowPair = [](const Modifiers& modifiers, float high, float low) {
  return narrow(modifiers, low, kFormatOf<Element>) | narrow(modifiers, high, kFormatOf<Element>)
                                                          << 16U;
};

// tf32 lives in the upper bits of an f32. .rna rounds a NaN as if it were a number.
constexpr auto kNarrowTf32 = [](const Modifiers& modifiers, float value) {
  constexpr uint32_t kUnusedBits = 13;
  if (value != value && modifiers.rounding == Rounding::kNearestAway) {
    return (std::bit_cast<uint32_t>(value) + (1U << (kUnusedBits - 1))) >> kUnusedBits
                                                                               << kUnusedBits;
  }
  return narrow(modifiers, value, kTf32Format) << kUnusedBits;
};

template <const FloatFormat& kFormat>
constexpr auto kNarrowFp8 = [](const Modifiers& modifiers, float high, float low) {
  return static_cast<uint16_t>(narrow(modifiers, low, kFormat) | narrow(modifiers, high, kFormat)
                                                                     << 8U);
};
template <const FloatFormat& kFormat>
constexpr auto kNarrowFp8FromHalf = [](const Modifiers& modifiers, uint32_t pair) {
  return kNarrowFp8<kFormat>(modifiers, to_float(high_of<Half>(pair)),
                             to_float(low_of<Half>(pair)));
};

// What nearly every kernel uses needs none of the modifiers, and becomes vector instructions.
template <class Element>
constexpr auto kRoundPair =
    [](float high, float low) { return pack(from_float<Element>(low), from_float<Element>(high)); };

template <class Result, class Source>
void build_narrow(Builder& builder) {
  const bool is_plain = builder.has(".rn") && !builder.has(".relu") && !builder.has(".satfinite") &&
                        !builder.has(".ftz") && !builder.has(".sat");
  if constexpr (std::is_same_v<Source, float>) {
    if (is_plain) {
      build<&from_float<Result>, Result, float>(builder);
      return;
    }
  }
  if constexpr (std::is_same_v<Source, double>) {
    build_convert<kNarrowDouble<Result>, Result, double>(builder);
  } else {
    build_convert<kNarrow<Result>, Result, Source>(builder);
  }
}

template <class Element>
void build_narrow_pair(Builder& builder) {
  const bool is_plain = builder.has(".rn") && !builder.has(".relu") && !builder.has(".satfinite");
  if (is_plain) {
    build<kRoundPair<Element>, uint32_t, float, float>(builder);
  } else {
    build_convert<kNarrowPair<Element>, uint32_t, float, float>(builder);
  }
}

// --- Out of short formats.

// A NaN becomes the canonical one on the way from f16 to f32, and keeps its payload on every other
// way.
float widened(Half value) { return canonical(to_float(value)); }
float widened(BFloat16 value) { return to_float(value); }

template <class Source>
constexpr auto kWiden = [](Source value) { return widened(value); };

template <class Result, class Source>
constexpr auto kWidenModified = [](const Modifiers& modifiers, Source value) {
  Result wide = std::is_same_v<Result, double> ? to_float(value) : widened(value);
  wide = modifiers.flush ? flush<true>(wide) : wide;
  return modifiers.to_unit ? saturate_unit<true>(wide) : wide;
};

template <class Source>
void build_widen(Builder& builder) {
  if (builder.has(".ftz") || builder.has(".sat")) {
    build_convert<kWidenModified<float, Source>, float, Source>(builder);
  } else {
    build<kWiden<Source>, float, Source>(builder);
  }
}

constexpr uint16_t relu_half(const Modifiers& modifiers, uint16_t half) {
  const bool is_nan = (half & 0x7fffU) > 0x7c00U;
  return modifiers.relu && (half & 0x8000U) != 0 && !is_nan ? 0 : half;
}

template <const Fp8Table& (*kTable)()>
constexpr auto kWidenFp8 = [](const Modifiers& modifiers, uint16_t pair) {
  const Fp8Table& table = kTable();
  return static_cast<uint32_t>(relu_half(modifiers, table.half[pair & 0xffU])) |
         static_cast<uint32_t>(relu_half(modifiers, table.half[pair >> 8U])) << 16U;
};

// --- Between short formats, and to integers in them.

template <class Result, class Source>
constexpr auto kNarrowShort = [](const Modifiers& modifiers, Source value) {
  return kNarrow<Result>(modifiers, to_float(value));
};

double round_to_integer(Rounding rounding, double value) {
  switch (rounding) {
    case Rounding::kZero:
      return std::trunc(value);
    case Rounding::kDown:
      return std::floor(value);
    case Rounding::kUp:
      return std::ceil(value);
    default:
      return std::nearbyint(value);
  }
}

// .rni and the like: an integer in the same format.
template <class T>
constexpr auto kRoundInside = [](const Modifiers& modifiers, T value) {
  const double rounded = round_to_integer(modifiers.rounding, to_float(value));
  const Modifiers exact{.to_unit = modifiers.to_unit};
  return kNarrow<T>(exact, rounded);
};

// Integers of 8 bits are in 16-bit registers.
template <class Integer>
using Holder =
    std::conditional_t<sizeof(Integer) == 1,
                       std::conditional_t<std::is_signed_v<Integer>, int16_t, uint16_t>, Integer>;

// Beyond 2^53 the last bit stands for all that a double cannot hold, so that rounding it is
// rounding once.
template <class Integer>
double exact_or_odd(Integer value) {
  const auto nearest = static_cast<double>(value);
  const auto difference = static_cast<long double>(value) - static_cast<long double>(nearest);
  if (difference == 0 || (std::bit_cast<uint64_t>(nearest) & 1U) != 0) return nearest;
  return std::nextafter(nearest, difference > 0 ? HUGE_VAL : -HUGE_VAL);
}

template <class Result, class Integer>
constexpr auto kFromInteger = [](const Modifiers& modifiers, Holder<Integer> held) {
  return kNarrow<Result>(modifiers, exact_or_odd(static_cast<Integer>(held)));
};

// Out of range goes to the nearest end, NaN to 0 or, for 64 bits, the top bit.
template <class Integer, class Source>
constexpr auto kToInteger = [](const Modifiers& modifiers, Source value) {
  using Limits = std::numeric_limits<Integer>;
  const double rounded = round_to_integer(modifiers.rounding, to_float(value));
  Integer result = sizeof(Integer) == 8 ? static_cast<Integer>(1ULL << 63U) : 0;
  if (rounded >= static_cast<double>(Limits::max())) {
    result = Limits::max();
  } else if (rounded <= static_cast<double>(Limits::min())) {
    result = Limits::min();
  } else if (rounded == rounded) {
    result = static_cast<Integer>(rounded);
  }
  return static_cast<Holder<Integer>>(result);
};

template <class Float, class Integer>
constexpr auto kBuildFromInteger =
    &build_convert<kFromInteger<Float, Integer>, Float, Holder<Integer>>;
template <class Float, class Integer>
constexpr auto kBuildToInteger = &build_convert<kToInteger<Integer, Float>, Holder<Integer>, Float>;

constexpr auto kConvertHalfForms = std::to_array<Form>({
    {"cvt [.ftz] [.sat] .f32 .f16", &build_widen<Half>},
    {"cvt [.ftz] [.sat] .f32 .bf16", &build_widen<BFloat16>},
    {"cvt [.sat] .f64 .f16", &build_convert<kWidenModified<double, Half>, double, Half>},
    {"cvt [.sat] .f64 .bf16", &build_convert<kWidenModified<double, BFloat16>, double, BFloat16>},
    {"cvt (.rn|.rz|.rm|.rp) [.ftz] [.sat] .f16 .f32", &build_narrow<Half, float>},
    {"cvt (.rn|.rz) [.relu] [.satfinite] .f16 .f32", &build_narrow<Half, float>},
    {"cvt (.rn|.rz|.rm|.rp) [.sat] .f16 .f64", &build_narrow<Half, double>},
    {"cvt (.rn|.rz|.rm|.rp) [.ftz] [.sat] .bf16 .f32", &build_narrow<BFloat16, float>},
    {"cvt (.rn|.rz) [.relu] [.satfinite] .bf16 .f32", &build_narrow<BFloat16, float>},
    {"cvt (.rn|.rz|.rm|.rp) [.sat] .bf16 .f64", &build_narrow<BFloat16, double>},
    {"cvt (.rn|.rz) [.relu] [.satfinite] .f16x2 .f32", &build_narrow_pair<Half>},
    {"cvt (.rn|.rz) [.relu] [.satfinite] .bf16x2 .f32", &build_narrow_pair<BFloat16>},
    {"cvt .rna [.satfinite] .tf32 .f32", &build_convert<kNarrowTf32, uint32_t, float>},
    {"cvt (.rn|.rz) [.satfinite] [.relu] .tf32 .f32", &build_convert<kNarrowTf32, uint32_t, float>},
    {"cvt .rn .satfinite [.relu] .e4m3x2 .f32",
     &build_convert<kNarrowFp8<kE4m3Format>, uint16_t, float, float>},
    {"cvt .rn .satfinite [.relu] .e5m2x2 .f32",
     &build_convert<kNarrowFp8<kE5m2Format>, uint16_t, float, float>},
    {"cvt .rn .satfinite [.relu] .e4m3x2 .f16x2",
     &build_convert<kNarrowFp8FromHalf<kE4m3Format>, uint16_t, uint32_t>},
    {"cvt .rn .satfinite [.relu] .e5m2x2 .f16x2",
     &build_convert<kNarrowFp8FromHalf<kE5m2Format>, uint16_t, uint32_t>},
    {"cvt .rn [.relu] .f16x2 .e4m3x2",
     &build_convert<kWidenFp8<&e4m3_to_half>, uint32_t, uint16_t>},
    {"cvt .rn [.relu] .f16x2 .e5m2x2",
     &build_convert<kWidenFp8<&e5m2_to_half>, uint32_t, uint16_t>},
    {"cvt (.rn|.rz|.rm|.rp) .bf16 .f16",
     &build_convert<kNarrowShort<BFloat16, Half>, BFloat16, Half>},
    {"cvt (.rn|.rz|.rm|.rp) .f16 .bf16",
     &build_convert<kNarrowShort<Half, BFloat16>, Half, BFloat16>},
    {"cvt (.rni|.rzi|.rmi|.rpi) [.ftz] [.sat] .f16 .f16",
     &build_convert<kRoundInside<Half>, Half, Half>},
    {"cvt (.rni|.rzi|.rmi|.rpi) .bf16 .bf16",
     &build_convert<kRoundInside<BFloat16>, BFloat16, BFloat16>},
    {"cvt (.rn|.rz|.rm|.rp) .f16 .u8", kBuildFromInteger<Half, uint8_t>},
    {"cvt (.rn|.rz|.rm|.rp) .f16 .u16", kBuildFromInteger<Half, uint16_t>},
    {"cvt (.rn|.rz|.rm|.rp) .f16 .u32", kBuildFromInteger<Half, uint32_t>},
    {"cvt (.rn|.rz|.rm|.rp) .f16 .u64", kBuildFromInteger<Half, uint64_t>},
    {"cvt (.rn|.rz|.rm|.rp) .f16 .s8", kBuildFromInteger<Half, int8_t>},
    {"cvt (.rn|.rz|.rm|.rp) .f16 .s16", kBuildFromInteger<Half, int16_t>},
    {"cvt (.rn|.rz|.rm|.rp) .f16 .s32", kBuildFromInteger<Half, int32_t>},
    {"cvt (.rn|.rz|.rm|.rp) .f16 .s64", kBuildFromInteger<Half, int64_t>},
    {"cvt (.rn|.rz|.rm|.rp) .bf16 .u16", kBuildFromInteger<BFloat16, uint16_t>},
    {"cvt (.rn|.rz|.rm|.rp) .bf16 .u32", kBuildFromInteger<BFloat16, uint32_t>},
    {"cvt (.rn|.rz|.rm|.rp) .bf16 .u64", kBuildFromInteger<BFloat16, uint64_t>},
    {"cvt (.rn|.rz|.rm|.rp) .bf16 .s16", kBuildFromInteger<BFloat16, int16_t>},
    {"cvt (.rn|.rz|.rm|.rp) .bf16 .s32", kBuildFromInteger<BFloat16, int32_t>},
    {"cvt (.rn|.rz|.rm|.rp) .bf16 .s64", kBuildFromInteger<BFloat16, int64_t>},
    {"cvt (.rni|.rzi|.rmi|.rpi) [.ftz] .u8 .f16", kBuildToInteger<Half, uint8_t>},
    {"cvt (.rni|.rzi|.rmi|.rpi) [.ftz] .u16 .f16", kBuildToInteger<Half, uint16_t>},
    {"cvt (.rni|.rzi|.rmi|.rpi) [.ftz] .u32 .f16", kBuildToInteger<Half, uint32_t>},
    {"cvt (.rni|.rzi|.rmi|.rpi) [.ftz] .u64 .f16", kBuildToInteger<Half, uint64_t>},
    {"cvt (.rni|.rzi|.rmi|.rpi) [.ftz] .s8 .f16", kBuildToInteger<Half, int8_t>},
    {"cvt (.rni|.rzi|.rmi|.rpi) [.ftz] .s16 .f16", kBuildToInteger<Half, int16_t>},
    {"cvt (.rni|.rzi|.rmi|.rpi) [.ftz] .s32 .f16", kBuildToInteger<Half, int32_t>},
    {"cvt (.rni|.rzi|.rmi|.rpi) [.ftz] .s64 .f16", kBuildToInteger<Half, int64_t>},
    {"cvt (.rni|.rzi|.rmi|.rpi) .u16 .bf16", kBuildToInteger<BFloat16, uint16_t>},
    {"cvt (.rni|.rzi|.rmi|.rpi) .u32 .bf16", kBuildToInteger<BFloat16, uint32_t>},
    {"cvt (.rni|.rzi|.rmi|.rpi) .u64 .bf16", kBuildToInteger<BFloat16, uint64_t>},
    {"cvt (.rni|.rzi|.rmi|.rpi) .s16 .bf16", kBuildToInteger<BFloat16, int16_t>},
    {"cvt (.rni|.rzi|.rmi|.rpi) .s32 .bf16", kBuildToInteger<BFloat16, int32_t>},
    {"cvt (.rni|.rzi|.rmi|.rpi) .s64 .bf16", kBuildToInteger<BFloat16, int64_t>},
});

}  // namespace

Family convert_half_family() {
  return {"Conversion: f16, bf16, tf32, fp8", "convert_half.cc", kConvertHalfForms, true};
}

}  // namespace slipstream::emulator
