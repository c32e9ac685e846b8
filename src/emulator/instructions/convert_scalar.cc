// cvt between integers, f32 and f64.
#include <array>
#include <cmath>
#include <limits>
#include <string_view>
#include <type_traits>

#include "emulator/arithmetic/floating.h"
#include "emulator/arithmetic/rounding_mode.h"
#include "emulator/instructions/families.h"
#include "emulator/instructions/lanes.h"

namespace slipstream::emulator {
namespace {

// --- Integer to integer: wraps, or saturates to the range of the result.

template <class To, class From, bool kSaturate>
Lane<To> convert_integer(Lane<From> lane) {
  const auto value = static_cast<From>(lane);
  if constexpr (kSaturate) {
    using Wide = __int128;
    const Wide low = std::numeric_limits<To>::min();
    const Wide high = std::numeric_limits<To>::max();
    const Wide wide = value;
    return static_cast<To>(wide < low ? low : wide > high ? high : wide);
  }
  return static_cast<To>(value);
}

template <class To, class From>
void build_integer(Builder& builder) {
  read_operands<Lane<To>, Lane<From>>(builder);
  builder.set_handler(builder.has(".sat")
                          ? &elementwise<convert_integer<To, From, true>, Lane<To>, Lane<From>>
                          : &elementwise<convert_integer<To, From, false>, Lane<To>, Lane<From>>);
}

// --- Rounding to an integral value.

enum class Round : uint8_t { kNearest, kZero, kDown, kUp };

Round round_of(const Builder& builder) {
  const auto is = [&](std::string_view a, std::string_view b) {
    return builder.has(a) || builder.has(b);
  };
  return is(".rzi", ".rz")   ? Round::kZero
         : is(".rmi", ".rm") ? Round::kDown
         : is(".rpi", ".rp") ? Round::kUp
                             : Round::kNearest;
}

template <Round kRound, class T>
T round_to_integral(T value) {
  switch (kRound) {
    case Round::kZero:
      return std::trunc(value);
    case Round::kDown:
      return std::floor(value);
    case Round::kUp:
      return std::ceil(value);
    default:
      return std::nearbyint(value);
  }
}

// --- Floating point to integer: saturates always. NaN becomes 0, or the top bit where either type
// has 64 bits.

template <class To, class From, Round kRound, bool kFlush>
Lane<To> float_to_integer(From source) {
  const From value = round_to_integral<kRound>(flush<kFlush>(source));
  if (value != value) {
    if constexpr (sizeof(To) == 8 || sizeof(From) == 8) {
      return static_cast<To>(uint64_t{1} << (8 * sizeof(To) - 1));
    }
    return 0;
  }
  // Powers of two are exact in both types.
  const auto limit = static_cast<From>(std::ldexp(1.0, std::numeric_limits<To>::digits));
  if (value >= limit) return std::numeric_limits<To>::max();
  if (value < (std::is_signed_v<To> ? -limit : From{0})) return std::numeric_limits<To>::min();
  return static_cast<To>(value);
}

// Calls visitor.template operator()<Round>() for the rounding that the instruction names.
template <class Visitor>
void with_rounding(Round round, Visitor visitor) {
  switch (round) {
    case Round::kNearest:
      return visitor.template operator()<Round::kNearest>();
    case Round::kZero:
      return visitor.template operator()<Round::kZero>();
    case Round::kDown:
      return visitor.template operator()<Round::kDown>();
    case Round::kUp:
      return visitor.template operator()<Round::kUp>();
  }
}

template <class To, class From>
void build_float_to_integer(Builder& builder) {
  read_operands<Lane<To>, From>(builder);
  with_rounding(round_of(builder), [&]<Round kRound>() {
    builder.set_handler(
        builder.has(".ftz")
            ? &lane_by_lane<float_to_integer<To, From, kRound, true>, Lane<To>, From>
            : &lane_by_lane<float_to_integer<To, From, kRound, false>, Lane<To>, From>);
  });
}

// --- To floating point, in any rounding mode: the host's, set around the lanes.

template <class To, class From>
To to_floating(Lane<From> lane) {
  return static_cast<To>(static_cast<From>(lane));
}

constexpr unsigned host_mode(Round round) {
  return round == Round::kZero   ? _MM_ROUND_TOWARD_ZERO
         : round == Round::kDown ? _MM_ROUND_DOWN
         : round == Round::kUp   ? _MM_ROUND_UP
                                 : _MM_ROUND_NEAREST;
}

template <class To, class From, bool kFlush, bool kSaturate>
To convert_lane(Lane<From> lane) {
  if constexpr (std::is_floating_point_v<From>) {
    // A NaN keeps what the result can hold of its payload, unless .ftz makes it the canonical one.
    const To value = static_cast<To>(kFlush ? canonical(flush<kFlush>(lane)) : lane);
    return saturate_unit<kSaturate>(flush<kFlush>(value));
  } else {
    return saturate_unit<kSaturate>(to_floating<To, From>(lane));
  }
}
template <class To, class From, bool kFlush, bool kSaturate>
Step convert_directed(const Operation& operation, Warp& warp, uint32_t executing) {
  const RoundingMode mode(static_cast<unsigned>(operation.immediate));
  return elementwise<convert_lane<To, From, kFlush, kSaturate>, To, Lane<From>>(operation, warp,
                                                                                executing);
}
template <class To, class From, bool kFlush, bool kSaturate>
Handler converter(Round round) {
  return round == Round::kNearest
             ? &elementwise<convert_lane<To, From, kFlush, kSaturate>, To, Lane<From>>
             : &convert_directed<To, From, kFlush, kSaturate>;
}

// The host converts signed 64-bit values only. A larger value is halved, keeping in its last bit
// whether anything was lost, so that the one conversion rounds as it should.
template <class To, bool kSaturate>
Step convert_unsigned_64(const Operation& operation, Warp& warp, uint32_t executing) {
  const RoundingMode mode(static_cast<unsigned>(operation.immediate));
  To* const result = operand<To>(operation, warp, 0);
  const auto* const source = operand<uint64_t>(operation, warp, 1);
  for_each_lane(executing, [&](uint32_t lane) {
    uint64_t value = source[lane];
    const bool large = (value >> 63U) != 0;
    value = large ? (value >> 1U) | (value & 1U) : value;
    const To converted = static_cast<To>(static_cast<int64_t>(value));
    result[lane] = saturate_unit<kSaturate>(large ? converted * 2 : converted);
  });
  return Step::kNext;
}

template <class To, class From>
void build_to_floating(Builder& builder) {
  read_operands<To, Lane<From>>(builder);
  builder.set_immediate(host_mode(round_of(builder)));
  const bool saturates = builder.has(".sat");
  if constexpr (std::is_same_v<From, uint64_t>) {
    builder.set_handler(saturates ? &convert_unsigned_64<To, true>
                                  : &convert_unsigned_64<To, false>);
  } else if (builder.has(".ftz")) {
    builder.set_handler(saturates ? converter<To, From, true, true>(round_of(builder))
                                  : converter<To, From, true, false>(round_of(builder)));
  } else {
    builder.set_handler(saturates ? converter<To, From, false, true>(round_of(builder))
                                  : converter<To, From, false, false>(round_of(builder)));
  }
}

// f32 and f64 to the same type: rounding to an integral value, or just .ftz and .sat.
template <class T, Round kRound, bool kIntegral, bool kFlush, bool kSaturate>
T convert_same(T source) {
  const T value = canonical(flush<kFlush>(source));
  return saturate_unit<kSaturate>(kIntegral ? round_to_integral<kRound>(value) : value);
}
template <class T, Round kRound, bool kIntegral>
void choose_same(Builder& builder) {
  const bool flushes = builder.has(".ftz");
  if (builder.has(".sat")) {
    builder.set_handler(flushes
                            ? &elementwise<convert_same<T, kRound, kIntegral, true, true>, T, T>
                            : &elementwise<convert_same<T, kRound, kIntegral, false, true>, T, T>);
  } else {
    builder.set_handler(flushes
                            ? &elementwise<convert_same<T, kRound, kIntegral, true, false>, T, T>
                            : &elementwise<convert_same<T, kRound, kIntegral, false, false>, T, T>);
  }
}
template <class T>
void build_same(Builder& builder) {
  read_operands<T, T>(builder);
  if (builder.slot(0).empty()) {
    choose_same<T, Round::kNearest, false>(builder);
  } else {
    with_rounding(round_of(builder),
                  [&]<Round kRound>() { choose_same<T, kRound, true>(builder); });
  }
}

// --- The rows: every pair of integer types, and integers with f32 and f64.

// Picks the builder of the pair of types that the last two slots name.
template <class To, template <class, class> class Action>
void with_source(Builder& builder, std::string_view from) {
  if (from == ".u8") {
    Action<To, uint8_t>::build(builder);
  } else if (from == ".s8") {
    Action<To, int8_t>::build(builder);
  } else if (from == ".u16") {
    Action<To, uint16_t>::build(builder);
  } else if (from == ".s16") {
    Action<To, int16_t>::build(builder);
  } else if (from == ".u32") {
    Action<To, uint32_t>::build(builder);
  } else if (from == ".s32") {
    Action<To, int32_t>::build(builder);
  } else if (from == ".u64") {
    Action<To, uint64_t>::build(builder);
  } else {
    Action<To, int64_t>::build(builder);
  }
}

template <class To, class From>
struct IntegerAction {
  static void build(Builder& builder) { build_integer<To, From>(builder); }
};
template <class To, class From>
struct FloatingAction {
  static void build(Builder& builder) { build_to_floating<To, From>(builder); }
};
// The other way round: `To` is the floating-point source.
template <class From, class To>
struct RoundingAction {
  static void build(Builder& builder) { build_float_to_integer<To, From>(builder); }
};

void build_integers(Builder& builder) {
  const std::string_view to = builder.slot(1);
  const std::string_view from = builder.slot(2);
  if (to == ".u8") {
    with_source<uint8_t, IntegerAction>(builder, from);
  } else if (to == ".s8") {
    with_source<int8_t, IntegerAction>(builder, from);
  } else if (to == ".u16") {
    with_source<uint16_t, IntegerAction>(builder, from);
  } else if (to == ".s16") {
    with_source<int16_t, IntegerAction>(builder, from);
  } else if (to == ".u32") {
    with_source<uint32_t, IntegerAction>(builder, from);
  } else if (to == ".s32") {
    with_source<int32_t, IntegerAction>(builder, from);
  } else if (to == ".u64") {
    with_source<uint64_t, IntegerAction>(builder, from);
  } else {
    with_source<int64_t, IntegerAction>(builder, from);
  }
}

template <class To>
void build_integer_to_floating(Builder& builder) {
  with_source<To, FloatingAction>(builder, builder.slot(4));
}
template <class From>
void build_floating_to_integer(Builder& builder) {
  with_source<From, RoundingAction>(builder, builder.slot(3));
}

constexpr auto kConvertScalarForms = std::to_array<Form>({
    {"cvt [.sat] (.u8|.s8|.u16|.s16|.u32|.s32|.u64|.s64) (.u8|.s8|.u16|.s16|.u32|.s32|.u64|.s64)",
     &build_integers},
    {"cvt (.rni|.rzi|.rmi|.rpi) [.ftz] [.sat] (.u8|.s8|.u16|.s16|.u32|.s32|.u64|.s64) .f32",
     &build_floating_to_integer<float>},
    {"cvt (.rni|.rzi|.rmi|.rpi) [.ftz] [.sat] (.u8|.s8|.u16|.s16|.u32|.s32|.u64|.s64) .f64",
     &build_floating_to_integer<double>},
    {"cvt (.rn|.rz|.rm|.rp) [.ftz] [.sat] .f32 (.u8|.s8|.u16|.s16|.u32|.s32|.u64|.s64)",
     &build_integer_to_floating<float>},
    {"cvt (.rn|.rz|.rm|.rp) [.ftz] [.sat] .f64 (.u8|.s8|.u16|.s16|.u32|.s32|.u64|.s64)",
     &build_integer_to_floating<double>},
    {"cvt [.rn|.rz|.rm|.rp] [.ftz] [.sat] .f32 .f64", &build_to_floating<float, double>},
    {"cvt [.ftz] [.sat] .f64 .f32", &build_to_floating<double, float>},
    {"cvt [.rni|.rzi|.rmi|.rpi] [.ftz] [.sat] .f32 .f32", &build_same<float>},
    {"cvt [.rni|.rzi|.rmi|.rpi] [.sat] .f64 .f64", &build_same<double>},
});

}  // namespace

Family convert_family() {
  return {"Conversion: integers, f32 and f64", "convert_scalar.cc", kConvertScalarForms, true};
}

}  // namespace slipstream::emulator
