// f16 and bf16 arithmetic, alone and in pairs.
#include <array>
#include <bit>
#include <cmath>

#include "emulator/arithmetic/floating.h"
#include "emulator/arithmetic/half.h"
#include "emulator/instructions/families.h"
#include "emulator/instructions/lanes.h"

namespace slipstream::emulator {
namespace {

// a * b + c rounded to odd in f64. The product is exact there. Where the sum is not, its last bit
// is set to record that, and rounding it to a half then gives the same as rounding the exact value.
double multiply_add_to_odd(double a, double b, double c) {
  const double product = a * b;
  const double sum = product + c;
  if (!std::isfinite(sum)) return sum;
  const double back = sum - product;
  const double error = (product - (sum - back)) + (c - back);
  if (error == 0 || (std::bit_cast<uint64_t>(sum) & 1U) != 0) return sum;
  const bool away = (error > 0) == (sum > 0);
  return std::bit_cast<double>(std::bit_cast<uint64_t>(sum) + (away ? 1ULL : ~0ULL));
}

constexpr auto kAdd = [](double a, double b) { return a + b; };
constexpr auto kAddOdd = [](double a, double b) { return multiply_add_to_odd(a, 1.0, b); };
constexpr auto kSubtract = [](double a, double b) { return multiply_add_to_odd(b, -1.0, a); };
constexpr auto kMultiply = [](double a, double b) { return a * b; };

struct Modifiers {
  bool flush = false;
  bool saturate = false;
  bool relu = false;
};

template <class T>
T finish(double value, Modifiers modifiers) {
  T result = from_double<T>(value);
  // What is too small for a normal number when rounded to eleven bits; only f16 has .ftz.
  constexpr double kFlushedBelow = 0x1p-14 - 0x1p-26;
  if (modifiers.flush && std::fabs(value) < kFlushedBelow) result.bits &= 0x8000U;
  const float rounded = to_float(result);
  if (modifiers.saturate) return from_float<T>(saturate_unit<true>(rounded));
  if (modifiers.relu && rounded <= 0) return T{0};
  return result;
}

template <class T>
double enter(T value, bool flushes) {
  // Only f16 has .ftz.
  const bool subnormal = (value.bits & 0x7c00U) == 0;
  return to_float(flushes && subnormal ? T{static_cast<uint16_t>(value.bits & 0x8000U)} : value);
}

Modifiers modifiers_of(int64_t immediate) {
  return {(immediate & 1) != 0, (immediate & 2) != 0, (immediate & 4) != 0};
}
int64_t encode_modifiers(const Builder& builder) {
  return (builder.has(".ftz") ? 1 : 0) | (builder.has(".sat") ? 2 : 0) |
         (builder.has(".relu") ? 4 : 0);
}

template <auto kFunction, class T, class... Sources>
T one(Modifiers modifiers, Sources... sources) {
  return finish<T>(kFunction(enter(sources, modifiers.flush)...), modifiers);
}

template <auto kFunction, class T, class Storage, size_t... kIndex>
Step arithmetic(const Operation& operation, Warp& warp, uint32_t executing,
                std::index_sequence<kIndex...> /*sources*/) {
  const Modifiers modifiers = modifiers_of(operation.immediate);
  auto* const result = operand<Storage>(operation, warp, 0);
  for_each_lane(executing, [&](uint32_t lane) {
    if constexpr (sizeof(Storage) == 2) {
      result[lane] = one<kFunction, T>(modifiers, operand<T>(operation, warp, 1 + kIndex)[lane]...);
    } else {
      const auto source = [&](size_t index) {
        return operand<uint32_t>(operation, warp, index)[lane];
      };
      result[lane] = pack(one<kFunction, T>(modifiers, low_of<T>(source(1 + kIndex))...),
                          one<kFunction, T>(modifiers, high_of<T>(source(1 + kIndex))...));
    }
  });
  return Step::kNext;
}

template <auto kFunction, class T, class Storage, size_t kSources>
Step arithmetic_handler(const Operation& operation, Warp& warp, uint32_t executing) {
  return arithmetic<kFunction, T, Storage>(operation, warp, executing,
                                           std::make_index_sequence<kSources>{});
}

template <auto kFunction, class T, class Storage, size_t kSources>
void build_arithmetic(Builder& builder) {
  builder.expect_operands(1 + kSources, 1 + kSources);
  builder.write(0, kPtxType<Storage>);
  for (size_t i = 1; i <= kSources; ++i) builder.read(i, kPtxType<Storage>);
  builder.set_immediate(encode_modifiers(builder));
  builder.set_handler(&arithmetic_handler<kFunction, T, Storage, kSources>);
}

template <auto kFunction>
constexpr auto kHalf2 = &build_arithmetic<kFunction, Half, Half, 2>;
template <auto kFunction>
constexpr auto kHalf2x2 = &build_arithmetic<kFunction, Half, uint32_t, 2>;
template <auto kFunction>
constexpr auto kBfloat2 = &build_arithmetic<kFunction, BFloat16, BFloat16, 2>;
template <auto kFunction>
constexpr auto kBfloat2x2 = &build_arithmetic<kFunction, BFloat16, uint32_t, 2>;

// --- Signs, minimum and maximum work on the bits.

template <auto kFunction, class T, class Storage, class... Sources>
constexpr auto kEach = [](Sources... sources) {
  if constexpr (sizeof(Storage) == 2) {
    return kFunction(sources...);
  } else {
    return pack(kFunction(low_of<T>(sources)...), kFunction(high_of<T>(sources)...));
  }
};

template <class T>
bool is_nan(T a) {
  const float value = to_float(a);
  return value != value;
}
template <class T, bool kFlush>
T flush_half(T a) {
  const bool subnormal = (a.bits & 0x7c00U) == 0;
  return kFlush && subnormal ? T{static_cast<uint16_t>(a.bits & 0x8000U)} : a;
}

template <class T, bool kFlush>
T absolute(T a) {
  return is_nan(a) ? T{kHalfNan}
                   : T{static_cast<uint16_t>(flush_half<T, kFlush>(a).bits & 0x7fffU)};
}
template <class T, bool kFlush>
T negated(T a) {
  return is_nan(a) ? T{kHalfNan}
                   : T{static_cast<uint16_t>(flush_half<T, kFlush>(a).bits ^ 0x8000U)};
}

template <class T, bool kIsMinimum, bool kFlush, bool kNan, bool kXorSign>
T extremum(T a, T b) {
  a = flush_half<T, kFlush>(a);
  b = flush_half<T, kFlush>(b);
  const auto sign = static_cast<uint16_t>((a.bits ^ b.bits) & 0x8000U);
  if constexpr (kXorSign) {
    a.bits &= 0x7fffU;
    b.bits &= 0x7fffU;
  }
  if ((kNan && (is_nan(a) || is_nan(b))) || (is_nan(a) && is_nan(b))) return {kHalfNan};
  const float value = kIsMinimum ? minimum_number(to_float(a), to_float(b))
                                 : maximum_number(to_float(a), to_float(b));
  const T result = from_float<T>(value);
  return kXorSign ? T{static_cast<uint16_t>(result.bits | sign)} : result;
}

template <class T, class Storage, bool kNegates>
void build_sign(Builder& builder) {
  read_operands<Storage, Storage>(builder);
  const auto choose = [&]<bool kFlush>() {
    constexpr auto kFunction = kNegates ? negated<T, kFlush> : absolute<T, kFlush>;
    builder.set_handler(&elementwise<kEach<kFunction, T, Storage, Storage>, Storage, Storage>);
  };
  builder.has(".ftz") ? choose.template operator()<true>() : choose.template operator()<false>();
}

template <class T, class Storage, bool kIsMinimum>
void build_extremum(Builder& builder) {
  read_operands<Storage, Storage, Storage>(builder);
  const auto choose = [&]<bool kFlush, bool kNan>() {
    if (builder.has(".xorsign")) {
      builder.set_handler(
          &elementwise<
              kEach<extremum<T, kIsMinimum, kFlush, kNan, true>, T, Storage, Storage, Storage>,
              Storage, Storage, Storage>);
    } else {
      builder.set_handler(
          &elementwise<
              kEach<extremum<T, kIsMinimum, kFlush, kNan, false>, T, Storage, Storage, Storage>,
              Storage, Storage, Storage>);
    }
  };
  if (builder.has(".ftz")) {
    builder.has(".NaN") ? choose.template operator()<true, true>()
                        : choose.template operator()<true, false>();
  } else {
    builder.has(".NaN") ? choose.template operator()<false, true>()
                        : choose.template operator()<false, false>();
  }
}

constexpr auto kFma = multiply_add_to_odd;

constexpr auto kHalfArithmeticForms = std::to_array<Form>({
    {"add [.rn] [.ftz] [.sat] .f16", kHalf2<kAdd>},
    {"add [.rn] [.ftz] [.sat] .f16x2", kHalf2x2<kAdd>},
    {"add [.rn] .bf16", kBfloat2<kAddOdd>},
    {"add [.rn] .bf16x2", kBfloat2x2<kAddOdd>},
    {"sub [.rn] [.ftz] [.sat] .f16", kHalf2<kSubtract>},
    {"sub [.rn] [.ftz] [.sat] .f16x2", kHalf2x2<kSubtract>},
    {"sub [.rn] .bf16", kBfloat2<kSubtract>},
    {"sub [.rn] .bf16x2", kBfloat2x2<kSubtract>},
    {"mul [.rn] [.ftz] [.sat] .f16", kHalf2<kMultiply>},
    {"mul [.rn] [.ftz] [.sat] .f16x2", kHalf2x2<kMultiply>},
    {"mul [.rn] .bf16", kBfloat2<kMultiply>},
    {"mul [.rn] .bf16x2", kBfloat2x2<kMultiply>},
    {"fma .rn [.ftz] [.sat] .f16", &build_arithmetic<kFma, Half, Half, 3>},
    {"fma .rn [.ftz] [.sat] .f16x2", &build_arithmetic<kFma, Half, uint32_t, 3>},
    {"fma .rn [.ftz] .relu .f16", &build_arithmetic<kFma, Half, Half, 3>},
    {"fma .rn [.ftz] .relu .f16x2", &build_arithmetic<kFma, Half, uint32_t, 3>},
    {"fma .rn [.relu] .bf16", &build_arithmetic<kFma, BFloat16, BFloat16, 3>},
    {"fma .rn [.relu] .bf16x2", &build_arithmetic<kFma, BFloat16, uint32_t, 3>},
    {"abs [.ftz] .f16", &build_sign<Half, Half, false>},
    {"abs [.ftz] .f16x2", &build_sign<Half, uint32_t, false>},
    {"abs .bf16", &build_sign<BFloat16, BFloat16, false>},
    {"abs .bf16x2", &build_sign<BFloat16, uint32_t, false>},
    {"neg [.ftz] .f16", &build_sign<Half, Half, true>},
    {"neg [.ftz] .f16x2", &build_sign<Half, uint32_t, true>},
    {"neg .bf16", &build_sign<BFloat16, BFloat16, true>},
    {"neg .bf16x2", &build_sign<BFloat16, uint32_t, true>},
    {"min [.ftz] [.NaN] .f16", &build_extremum<Half, Half, true>},
    {"min [.ftz] [.NaN] .xorsign .abs .f16", &build_extremum<Half, Half, true>},
    {"min [.ftz] [.NaN] .f16x2", &build_extremum<Half, uint32_t, true>},
    {"min [.ftz] [.NaN] .xorsign .abs .f16x2", &build_extremum<Half, uint32_t, true>},
    {"min [.NaN] .bf16", &build_extremum<BFloat16, BFloat16, true>},
    {"min [.NaN] .xorsign .abs .bf16", &build_extremum<BFloat16, BFloat16, true>},
    {"min [.NaN] .bf16x2", &build_extremum<BFloat16, uint32_t, true>},
    {"min [.NaN] .xorsign .abs .bf16x2", &build_extremum<BFloat16, uint32_t, true>},
    {"max [.ftz] [.NaN] .f16", &build_extremum<Half, Half, false>},
    {"max [.ftz] [.NaN] .xorsign .abs .f16", &build_extremum<Half, Half, false>},
    {"max [.ftz] [.NaN] .f16x2", &build_extremum<Half, uint32_t, false>},
    {"max [.ftz] [.NaN] .xorsign .abs .f16x2", &build_extremum<Half, uint32_t, false>},
    {"max [.NaN] .bf16", &build_extremum<BFloat16, BFloat16, false>},
    {"max [.NaN] .xorsign .abs .bf16", &build_extremum<BFloat16, BFloat16, false>},
    {"max [.NaN] .bf16x2", &build_extremum<BFloat16, uint32_t, false>},
    {"max [.NaN] .xorsign .abs .bf16x2", &build_extremum<BFloat16, uint32_t, false>},
});

}  // namespace

Family half_family() {
  return {"Floating point: f16 and bf16", "half_arithmetic.cc", kHalfArithmeticForms, true};
}

}  // namespace slipstream::emulator
