// The approximating instructions. PTX bounds their error and does not define their bits; here they
// are the exact value, rounded.
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <type_traits>

#include "emulator/arithmetic/floating.h"
#include "emulator/arithmetic/half.h"
#include "emulator/instructions/families.h"
#include "emulator/instructions/lanes.h"

namespace slipstream::emulator {
namespace {

constexpr std::string_view kNote = "exact value, rounded; within PTX's bound, not a GPU's bits";

float reciprocal(float a) { return static_cast<float>(1.0 / a); }
float square_root(float a) { return std::sqrt(a); }
float reciprocal_square_root(float a) { return static_cast<float>(1.0 / std::sqrt(double{a})); }
float power_of_two(float a) { return static_cast<float>(std::exp2(double{a})); }
float logarithm(float a) { return static_cast<float>(std::log2(double{a})); }
float sine(float a) { return static_cast<float>(std::sin(double{a})); }
float cosine(float a) { return static_cast<float>(std::cos(double{a})); }
float hyperbolic_tangent(float a) { return static_cast<float>(std::tanh(double{a})); }

// Divisors this large underflow the reciprocal that the instruction multiplies with.
float divide(float a, float b) {
  constexpr float kLarge = 0x1p126F;
  if (std::fabs(b) > kLarge && std::isfinite(b)) {
    return std::isinf(a) ? std::bit_cast<float>(kCanonicalNan) : std::copysign(0.0F, a) * b;
  }
  return a / b;
}
float divide_full(float a, float b) { return a / b; }

template <auto kFunction, bool kFlush>
constexpr auto kLane =
    [](auto... sources) { return flush<kFlush>(canonical(kFunction(flush<kFlush>(sources)...))); };

template <auto kFunction, class... Sources>
void build_approximate(Builder& builder) {
  read_operands<float, Sources...>(builder);
  builder.set_handler(builder.has(".ftz")
                          ? &lane_by_lane<kLane<kFunction, true>, float, Sources...>
                          : &lane_by_lane<kLane<kFunction, false>, float, Sources...>);
}

double upper_half(double value) {
  return std::bit_cast<double>(std::bit_cast<uint64_t>(value) & 0xffffffff00000000ULL);
}

// The .ftz.f64 forms look at the upper 32 bits of the operand and give those of the result.
template <auto kFunction>
constexpr auto kUpperHalf = [](double whole) {
  const double a = upper_half(whole);
  const double flushed = std::fpclassify(a) == FP_SUBNORMAL ? std::copysign(0.0, a) : a;
  const double value = kFunction(flushed);
  const double result = std::fpclassify(value) == FP_SUBNORMAL ? std::copysign(0.0, value) : value;
  return upper_half(result);
};
constexpr auto kReciprocal64 = [](double a) { return 1.0 / a; };
constexpr auto kReciprocalSquareRoot64 = [](double a) {
  return static_cast<double>(1.0L / std::sqrt(static_cast<long double>(a)));
};

template <auto kFunction, class T>
T in_half(T a) {
  return from_float<T>(kFunction(to_float(a)));
}
// ex2: the GPU cuts subnormal f16 results off and flushes subnormal bf16 ones.
template <class T>
T power_of_two_in_half(T a) {
  constexpr bool kIsHalf = std::is_same_v<T, Half>;
  const float result = power_of_two(to_float(a));
  if (kIsHalf && result < 0x1p-14F) return {static_cast<uint16_t>(result * 0x1p24F)};
  return !kIsHalf && result < 0x1p-126F ? T{0} : from_float<T>(result);
}
template <auto kFunction, class T>
uint32_t in_halves(uint32_t pair) {
  return pack(kFunction(low_of<T>(pair)), kFunction(high_of<T>(pair)));
}

constexpr auto kApproximateForms = std::to_array<Form>({
    {"rcp .approx [.ftz] .f32", &build_approximate<reciprocal, float>, kNote},
    {"rcp .approx .ftz .f64", &build_lane_by_lane<kUpperHalf<kReciprocal64>, double, double>,
     kNote},
    {"sqrt .approx [.ftz] .f32", &build_approximate<square_root, float>, kNote},
    {"rsqrt .approx [.ftz] .f32", &build_approximate<reciprocal_square_root, float>, kNote},
    {"rsqrt .approx .f64", &build_lane_by_lane<kReciprocalSquareRoot64, double, double>, kNote},
    {"rsqrt .approx .ftz .f64",
     &build_lane_by_lane<kUpperHalf<kReciprocalSquareRoot64>, double, double>, kNote},
    {"div .approx [.ftz] .f32", &build_approximate<divide, float, float>, kNote},
    {"div .full [.ftz] .f32", &build_approximate<divide_full, float, float>, kNote},
    {"ex2 .approx [.ftz] .f32", &build_approximate<power_of_two, float>, kNote},
    {"lg2 .approx [.ftz] .f32", &build_approximate<logarithm, float>, kNote},
    {"sin .approx [.ftz] .f32", &build_approximate<sine, float>, kNote},
    {"cos .approx [.ftz] .f32", &build_approximate<cosine, float>, kNote},
    {"tanh .approx .f32", &build_approximate<hyperbolic_tangent, float>, kNote},
    {"ex2 .approx .f16", &build_lane_by_lane<power_of_two_in_half<Half>, Half, Half>, kNote},
    {"ex2 .approx .f16x2",
     &build_lane_by_lane<in_halves<power_of_two_in_half<Half>, Half>, uint32_t, uint32_t>, kNote},
    {"ex2 .approx .ftz .bf16",
     &build_lane_by_lane<power_of_two_in_half<BFloat16>, BFloat16, BFloat16>, kNote},
    {"ex2 .approx .ftz .bf16x2",
     &build_lane_by_lane<in_halves<power_of_two_in_half<BFloat16>, BFloat16>, uint32_t, uint32_t>,
     kNote},
    {"tanh .approx .f16", &build_lane_by_lane<in_half<hyperbolic_tangent, Half>, Half, Half>,
     kNote},
    {"tanh .approx .f16x2",
     &build_lane_by_lane<in_halves<in_half<hyperbolic_tangent, Half>, Half>, uint32_t, uint32_t>,
     kNote},
    {"tanh .approx .bf16",
     &build_lane_by_lane<in_half<hyperbolic_tangent, BFloat16>, BFloat16, BFloat16>, kNote},
    {"tanh .approx .bf16x2",
     &build_lane_by_lane<in_halves<in_half<hyperbolic_tangent, BFloat16>, BFloat16>, uint32_t,
                         uint32_t>,
     kNote},
});

}  // namespace

Family approximate_family() {
  return {"Approximations", "approximate.cc", kApproximateForms, true};
}

}  // namespace slipstream::emulator
