// f32 and f64 arithmetic with IEEE rounding.
#include <array>
#include <bit>
#include <cmath>

#include "emulator/arithmetic/floating.h"
#include "emulator/arithmetic/rounding_mode.h"
#include "emulator/instructions/directed_rounding.h"
#include "emulator/instructions/families.h"
#include "emulator/instructions/lanes.h"

namespace slipstream::emulator {
namespace {

constexpr float kSmallestNormal = 0x1p-126F;
constexpr float kTinyScale = 0x1p64F;

constexpr auto kAdd = [](auto a, auto b) { return a + b; };
constexpr auto kSubtract = [](auto a, auto b) { return a - b; };
constexpr auto kMultiply = [](auto a, auto b) { return a * b; };
constexpr auto kDivide = [](auto a, auto b) { return a / b; };
constexpr auto kMultiplyAdd = [](auto a, auto b, auto c) { return std::fma(a, b, c); };
constexpr auto kReciprocal = [](auto a) { return decltype(a){1} / a; };
constexpr auto kSquareRoot = [](auto a) { return std::sqrt(a); };

// .ftz flushes what is too small for a normal number when rounded to its precision alone, even if
// rounding it to a subnormal's fewer bits would reach the smallest normal number. These functions
// can come that close.
template <auto kFunction>
constexpr bool kMayReachNormal = false;
template <>
constexpr bool kMayReachNormal<kMultiply> = true;
template <>
constexpr bool kMayReachNormal<kDivide> = true;
template <>
constexpr bool kMayReachNormal<kMultiplyAdd> = true;

// Decides by the result of the same function 2^64 times as large, where nothing is subnormal.
template <auto kFunction>
bool is_tiny(float value, float a, float b) {
  return std::fabs(value) == kSmallestNormal &&
         std::fabs(kFunction(a * kTinyScale, b)) < kSmallestNormal * kTinyScale;
}
template <auto kFunction>
bool is_tiny(float value, float a, float b, float c) {
  return std::fabs(value) == kSmallestNormal &&
         std::fabs(kFunction(a * kTinyScale, b, c * kTinyScale)) < kSmallestNormal * kTinyScale;
}

// Rounded to nearest, subnormals flushed, saturated: one function on lanes for each combination.
template <auto kFunction, bool kFlush, bool kSaturate>
constexpr auto kRounded = [](auto... sources) {
  using T = std::common_type_t<decltype(sources)...>;
  T value = canonical(kFunction(flush<kFlush>(sources)...));
  if constexpr (kFlush && kMayReachNormal<kFunction> && std::is_same_v<T, float>) {
    value =
        is_tiny<kFunction>(value, flush<kFlush>(sources)...) ? std::copysign(0.0F, value) : value;
  }
  return saturate_unit<kSaturate>(flush<kFlush>(value));
};

template <auto kRoundedFunction, class T, class... Sources>
Step directed(const Operation& operation, Warp& warp, uint32_t executing) {
  const RoundingMode mode(static_cast<unsigned>(operation.immediate));
  return elementwise<kRoundedFunction, T, Sources...>(operation, warp, executing);
}

// Of f64: by the loop that `immediate` points to.
template <size_t kSources>
Step directed_by_loop(const Operation& operation, Warp& warp, uint32_t executing) {
  const auto loop = reinterpret_cast<RoundedLanes>(operation.immediate);
  const auto* const a = operand<double>(operation, warp, 1);
  const auto* const b = operand<double>(operation, warp, 2);
  const auto* const c = kSources == 3 ? operand<double>(operation, warp, 3) : nullptr;
  auto* const result = operand<double>(operation, warp, 0);
  if (executing == kAllLanes) {
    loop(result, a, b, c);
  } else {
    alignas(64) std::array<double, kWarpSize> values;
    loop(values.data(), a, b, c);
    assign_lanes(result, values.data(), executing);
  }
  return Step::kNext;
}

// Null if there is none, or the host cannot run it.
template <auto kFunction>
RoundedLanes loop_of(unsigned /*mode*/) {
  return nullptr;
}
template <>
RoundedLanes loop_of<kAdd>(unsigned mode) {
  return rounded_lanes_of<Arithmetic::kAdd>(mode);
}
template <>
RoundedLanes loop_of<kSubtract>(unsigned mode) {
  return rounded_lanes_of<Arithmetic::kSubtract>(mode);
}
template <>
RoundedLanes loop_of<kMultiply>(unsigned mode) {
  return rounded_lanes_of<Arithmetic::kMultiply>(mode);
}
template <>
RoundedLanes loop_of<kDivide>(unsigned mode) {
  return rounded_lanes_of<Arithmetic::kDivide>(mode);
}
template <>
RoundedLanes loop_of<kMultiplyAdd>(unsigned mode) {
  return rounded_lanes_of<Arithmetic::kMultiplyAdd>(mode);
}

template <auto kFunction, bool kFlush, bool kSaturate, class T, class... Sources>
void choose_rounding(Builder& builder) {
  const unsigned mode = host_rounding(builder.slot(0));
  const auto loop = std::is_same_v<T, double> ? loop_of<kFunction>(mode) : nullptr;
  if (mode == _MM_ROUND_NEAREST) {
    builder.set_handler(&elementwise<kRounded<kFunction, kFlush, kSaturate>, T, Sources...>);
  } else if (loop != nullptr) {
    builder.set_immediate(reinterpret_cast<int64_t>(loop));
    builder.set_handler(&directed_by_loop<sizeof...(Sources)>);
  } else {
    builder.set_immediate(mode);
    builder.set_handler(&directed<kRounded<kFunction, kFlush, kSaturate>, T, Sources...>);
  }
}

// Slot 0 of the pattern is the rounding mode.
template <auto kFunction, class T, class... Sources>
void build_rounded(Builder& builder) {
  read_operands<T, Sources...>(builder);
  const bool flushes = builder.has(".ftz");
  if (builder.has(".sat")) {
    flushes ? choose_rounding<kFunction, true, true, T, Sources...>(builder)
            : choose_rounding<kFunction, false, true, T, Sources...>(builder);
  } else {
    flushes ? choose_rounding<kFunction, true, false, T, Sources...>(builder)
            : choose_rounding<kFunction, false, false, T, Sources...>(builder);
  }
}

template <auto kFunction, class T>
constexpr auto kUnary = &build_rounded<kFunction, T, T>;
template <auto kFunction, class T>
constexpr auto kBinary = &build_rounded<kFunction, T, T, T>;
template <auto kFunction, class T>
constexpr auto kTernary = &build_rounded<kFunction, T, T, T, T>;

// PTX before 2.0 names no mode: an H200 fuses and flushes.
void build_old_mad(Builder& builder) {
  read_operands<float, float, float, float>(builder);
  builder.set_handler(
      builder.has(".sat")
          ? &elementwise<kRounded<kMultiplyAdd, true, true>, float, float, float, float>
          : &elementwise<kRounded<kMultiplyAdd, true, false>, float, float, float, float>);
}

// --- Minimum and maximum.

template <bool kIsMinimum, bool kFlush, bool kNan, bool kXorSign, class T>
T extremum(T a, T b) {
  a = flush<kFlush>(a);
  b = flush<kFlush>(b);
  const bool negative = kXorSign && std::signbit(a) != std::signbit(b);
  if constexpr (kXorSign) {
    a = std::fabs(a);
    b = std::fabs(b);
  }
  if (kNan && (a != a || b != b)) return canonical(std::numeric_limits<T>::quiet_NaN());
  const T result = kIsMinimum ? minimum_number(a, b) : maximum_number(a, b);
  return kXorSign && result == result ? std::copysign(result, negative ? T{-1} : T{1}) : result;
}

template <bool kIsMinimum>
void build_extremum(Builder& builder) {
  read_operands<float, float, float>(builder);
  const auto choose = [&]<bool kFlush>() {
    const bool nan = builder.has(".NaN");
    if (builder.has(".xorsign")) {
      builder.set_handler(
          nan ? &elementwise<extremum<kIsMinimum, kFlush, true, true, float>, float, float, float>
              : &elementwise<extremum<kIsMinimum, kFlush, false, true, float>, float, float,
                             float>);
    } else {
      builder.set_handler(
          nan ? &elementwise<extremum<kIsMinimum, kFlush, true, false, float>, float, float, float>
              : &elementwise<extremum<kIsMinimum, kFlush, false, false, float>, float, float,
                             float>);
    }
  };
  builder.has(".ftz") ? choose.template operator()<true>() : choose.template operator()<false>();
}

// --- Signs and classes.

// An f64 NaN keeps its payload and becomes quiet; an f32 NaN is the canonical one.
double quiet(double value) {
  constexpr uint64_t kQuietBit = 1ULL << 51U;
  return value != value ? std::bit_cast<double>(std::bit_cast<uint64_t>(value) | kQuietBit) : value;
}
float quiet(float value) { return canonical(value); }

constexpr auto kAbsolute = [](auto a) { return quiet(std::fabs(a)); };
constexpr auto kNegate = [](auto a) { return quiet(a != a ? a : -a); };
template <class T>
T with_sign_of(T sign, T magnitude) {
  return std::copysign(magnitude, sign);
}

template <auto kFunction, class T>
void build_sign(Builder& builder) {
  read_operands<T, T>(builder);
  builder.set_handler(builder.has(".ftz") ? &elementwise<kRounded<kFunction, true, false>, T, T>
                                          : &elementwise<kRounded<kFunction, false, false>, T, T>);
}

template <class T>
bool is_in_class(T value, std::string_view name) {
  switch (std::fpclassify(value)) {
    case FP_NAN:
      return name == ".notanumber";
    case FP_INFINITE:
      return name == ".infinite" || name == ".number";
    case FP_SUBNORMAL:
      return name == ".finite" || name == ".number" || name == ".subnormal";
    default:  // zero counts as normal
      return name == ".finite" || name == ".number" || name == ".normal";
  }
}

constexpr std::array<std::string_view, 6> kClasses = {".finite", ".infinite",   ".number",
                                                      ".normal", ".notanumber", ".subnormal"};

template <class T>
Step test_property(const Operation& operation, Warp& warp, uint32_t executing) {
  const std::string_view name = kClasses[static_cast<size_t>(operation.immediate)];
  const T* const a = operand<T>(operation, warp, 1);
  uint32_t result = 0;
  for_each_lane(executing, [&](uint32_t lane) {
    result |= static_cast<uint32_t>(is_in_class(a[lane], name)) << lane;
  });
  assign(predicate(operation, warp, 0), result, executing);
  return Step::kNext;
}

template <class T>
void build_test_property(Builder& builder) {
  read_operands<Predicate, T>(builder);
  for (size_t i = 0; i < kClasses.size(); ++i) {
    if (builder.slot(0) == kClasses[i]) builder.set_immediate(static_cast<int64_t>(i));
  }
  builder.set_handler(&test_property<T>);
}

// --- Packed f32 (sm_100): two lanes of arithmetic in 64 bits.

template <auto kFunction>
constexpr auto kPair = [](auto... sources) {
  const auto low = [](uint64_t pair) { return std::bit_cast<float>(static_cast<uint32_t>(pair)); };
  const auto high = [](uint64_t pair) {
    return std::bit_cast<float>(static_cast<uint32_t>(pair >> 32U));
  };
  const uint64_t first = std::bit_cast<uint32_t>(kFunction(low(sources)...));
  const uint64_t second = std::bit_cast<uint32_t>(kFunction(high(sources)...));
  return first | (second << 32U);
};

template <auto kFunction, class... Sources>
void build_pair(Builder& builder) {
  read_operands<uint64_t, Sources...>(builder);
  builder.set_handler(
      builder.has(".ftz")
          ? &elementwise<kPair<kRounded<kFunction, true, false>>, uint64_t, Sources...>
          : &elementwise<kPair<kRounded<kFunction, false, false>>, uint64_t, Sources...>);
}

constexpr auto kFloatForms = std::to_array<Form>({
    {"add [.rn|.rz|.rm|.rp] [.ftz] [.sat] .f32", kBinary<kAdd, float>},
    {"add [.rn|.rz|.rm|.rp] .f64", kBinary<kAdd, double>},
    {"add [.rn] [.ftz] .f32x2", &build_pair<kAdd, uint64_t, uint64_t>},
    {"sub [.rn|.rz|.rm|.rp] [.ftz] [.sat] .f32", kBinary<kSubtract, float>},
    {"sub [.rn|.rz|.rm|.rp] .f64", kBinary<kSubtract, double>},
    {"sub [.rn] [.ftz] .f32x2", &build_pair<kSubtract, uint64_t, uint64_t>},
    {"mul [.rn|.rz|.rm|.rp] [.ftz] [.sat] .f32", kBinary<kMultiply, float>},
    {"mul [.rn|.rz|.rm|.rp] .f64", kBinary<kMultiply, double>},
    {"mul [.rn] [.ftz] .f32x2", &build_pair<kMultiply, uint64_t, uint64_t>},
    {"fma (.rn|.rz|.rm|.rp) [.ftz] [.sat] .f32", kTernary<kMultiplyAdd, float>},
    {"fma (.rn|.rz|.rm|.rp) .f64", kTernary<kMultiplyAdd, double>},
    {"fma (.rn) [.ftz] .f32x2", &build_pair<kMultiplyAdd, uint64_t, uint64_t, uint64_t>},
    {"mad (.rn|.rz|.rm|.rp) [.ftz] [.sat] .f32", kTernary<kMultiplyAdd, float>},
    {"mad [.sat] .f32", &build_old_mad, "of PTX 1.x: fma.rn.ftz.f32"},
    {"mad (.rn|.rz|.rm|.rp) .f64", kTernary<kMultiplyAdd, double>},
    {"div (.rn|.rz|.rm|.rp) [.ftz] .f32", kBinary<kDivide, float>},
    {"div (.rn|.rz|.rm|.rp) .f64", kBinary<kDivide, double>},
    {"rcp (.rn|.rz|.rm|.rp) [.ftz] .f32", kUnary<kReciprocal, float>},
    {"rcp (.rn|.rz|.rm|.rp) .f64", kUnary<kReciprocal, double>},
    {"sqrt (.rn|.rz|.rm|.rp) [.ftz] .f32", kUnary<kSquareRoot, float>},
    {"sqrt (.rn|.rz|.rm|.rp) .f64", kUnary<kSquareRoot, double>},
    {"min [.ftz] [.NaN] .f32", &build_extremum<true>},
    {"min [.ftz] [.NaN] .xorsign .abs .f32", &build_extremum<true>},
    {"min .f64", &build<extremum<true, false, false, false, double>, double, double, double>},
    {"max [.ftz] [.NaN] .f32", &build_extremum<false>},
    {"max [.ftz] [.NaN] .xorsign .abs .f32", &build_extremum<false>},
    {"max .f64", &build<extremum<false, false, false, false, double>, double, double, double>},
    {"abs [.ftz] .f32", &build_sign<kAbsolute, float>},
    {"abs .f64", &build_sign<kAbsolute, double>},
    {"neg [.ftz] .f32", &build_sign<kNegate, float>},
    {"neg .f64", &build_sign<kNegate, double>},
    {"copysign .f32", &build<with_sign_of<float>, float, float, float>},
    {"copysign .f64", &build<with_sign_of<double>, double, double, double>},
    {"testp (.finite|.infinite|.number|.normal|.notanumber|.subnormal) .f32",
     &build_test_property<float>},
    {"testp (.finite|.infinite|.number|.normal|.notanumber|.subnormal) .f64",
     &build_test_property<double>},
});

}  // namespace

Family float_family() { return {"Floating point: f32 and f64", "float.cc", kFloatForms, true}; }

}  // namespace slipstream::emulator
