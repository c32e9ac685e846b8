// What the references are built from, against formulas written another way.
#include "ops/support/reference.h"

#include <gtest/gtest.h>

#include <array>
#include <cfloat>
#include <cmath>
#include <complex>
#include <limits>
#include <vector>

#include "support/random.h"

namespace slipstream::ops {
namespace {

// The value of a code by its definition: sign, `exponent_bits` of exponent, the rest fraction.
double fp8_value(int code, int exponent_bits) {
  const int fraction_bits = 7 - exponent_bits;
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const int exponent = (code & 0x7f) >> fraction_bits;
  const double fraction =
      static_cast<double>(code & ((1 << fraction_bits) - 1)) / (1 << fraction_bits);
  const double magnitude =
      exponent == 0 ? std::ldexp(fraction, 1 - bias) : std::ldexp(1.0 + fraction, exponent - bias);
  return (code & 0x80) != 0 ? -magnitude : magnitude;
}

struct Fp8Format {
  DType dtype;
  int exponent_bits;
  int largest_code;  // positive and finite
};
constexpr Fp8Format kE4M3{DType::kFloat8E4M3, 4, 0x7e};
constexpr Fp8Format kE5M2{DType::kFloat8E5M2, 5, 0x7b};

// The nearest finite code by search, ties to the even code.
int nearest_code(float value, const Fp8Format& format) {
  int best = 0;
  for (int code = 0; code <= format.largest_code; ++code) {
    const double distance = std::abs(std::abs(value) - fp8_value(code, format.exponent_bits));
    const double best_distance = std::abs(std::abs(value) - fp8_value(best, format.exponent_bits));
    if (distance < best_distance || (distance == best_distance && code % 2 == 0)) best = code;
  }
  return std::signbit(value) ? best | 0x80 : best;
}

void expect_nearest(const Fp8Format& format) {
  test::Random random(4);
  for (int i = 0; i < 20000; ++i) {
    const float value =
        random.value(2.0 * fp8_value(format.largest_code, format.exponent_bits), 40.0);
    ASSERT_EQ(fp8_from_float(value, format.dtype), nearest_code(value, format)) << value;
  }
  for (int code = 0; code < format.largest_code; ++code) {
    const double tie =
        (fp8_value(code, format.exponent_bits) + fp8_value(code + 1, format.exponent_bits)) / 2;
    for (const float value :
         {static_cast<float>(tie), std::nextafter(static_cast<float>(tie), 0.0F),
          std::nextafter(static_cast<float>(tie), FLT_MAX)}) {
      ASSERT_EQ(fp8_from_float(value, format.dtype), nearest_code(value, format)) << value;
      ASSERT_EQ(fp8_from_float(-value, format.dtype), nearest_code(-value, format)) << -value;
    }
  }
}

TEST(Fp8FromFloat, RoundsE4M3ToTheNearestCode) { expect_nearest(kE4M3); }

TEST(Fp8FromFloat, RoundsE5M2ToTheNearestCode) { expect_nearest(kE5M2); }

TEST(Fp8FromFloat, SaturatesInfinitiesAndKeepsNan) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(fp8_from_float(kInfinity, DType::kFloat8E4M3), 0x7e);
  EXPECT_EQ(fp8_from_float(-kInfinity, DType::kFloat8E4M3), 0xfe);
  EXPECT_EQ(fp8_from_float(-kInfinity, DType::kFloat8E5M2), 0xfb);
  EXPECT_EQ(fp8_from_float(-std::nanf(""), DType::kFloat8E4M3), 0x7f);
  EXPECT_EQ(fp8_from_float(std::nanf(""), DType::kFloat8E5M2), 0x7f);
}

TEST(BitsFromFloat, RoundsBFloat16TiesToEven) {
  EXPECT_EQ(bits_from_float(1.0F + 0x1p-8F, DType::kBFloat16), 0x3f80);
  EXPECT_EQ(bits_from_float(1.0F + 0x3p-8F, DType::kBFloat16), 0x3f82);
}

TEST(BitsFromFloat, TakesEveryFinite16BitFloatBackToItself) {
  for (const DType dtype : {DType::kBFloat16, DType::kFloat16}) {
    for (int bits = 0; bits < 0x10000; ++bits) {
      const float value = float_from_bits(static_cast<uint16_t>(bits), dtype);
      if (std::isnan(value)) continue;
      ASSERT_EQ(bits_from_float(value, dtype), bits);
    }
  }
}

TEST(GroupScaleReference, IsTheSmallestPowerOfTwoThatIsNotBelowAmaxOverMaxCode) {
  test::Random random(5);
  for (int i = 0; i < 20000; ++i) {
    const float amax = std::abs(random.value(1e30, 120.0));
    const float exact = group_scale_reference(std::array{amax}, 1e-10F, 448.0F, false);
    const float rounded = group_scale_reference(std::array{amax}, 1e-10F, 448.0F, true);
    ASSERT_EQ(std::exp2(std::ceil(std::log2(static_cast<double>(exact)))), rounded) << amax;
  }
}

TEST(GroupScaleReference, LeavesAPowerOfTwoAsItIs) {
  EXPECT_EQ(group_scale_reference(std::array{448.0F}, 1e-10F, 448.0F, true), 1.0F);
  EXPECT_EQ(group_scale_reference(std::array{448.5F}, 1e-10F, 448.0F, true), 2.0F);
}

TEST(GroupScaleReference, IgnoresNanAndStaysFiniteWithAnInfinity) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(group_scale_reference(std::array{std::nanf(""), -896.0F}, 1e-10F, 448.0F, false), 2.0F);
  EXPECT_EQ(group_scale_reference(std::array{1.0F, -kInfinity}, 1e-10F, 448.0F, false),
            FLT_MAX / 448.0F);
}

TEST(GroupScaleReference, TakesEpsForAGroupOfZeros) {
  EXPECT_EQ(group_scale_reference(std::array{0.0F, -0.0F}, 1e-10F, 448.0F, false), 1e-10F / 448.0F);
}

class RotateReference : public testing::TestWithParam<RopeLayout> {};

TEST_P(RotateReference, IsAComplexProduct) {
  constexpr int kRope = 8;
  test::Random random(6);
  std::vector<float> cos_sin;
  for (int i = 0; i < kRope / 2; ++i)
    cos_sin.push_back(static_cast<float>(std::cos(0.3 * (i + 1))));
  for (int i = 0; i < kRope / 2; ++i)
    cos_sin.push_back(static_cast<float>(std::sin(0.3 * (i + 1))));
  const RopeTable table{{cos_sin.data()}, kRope, 1, kRope, GetParam()};
  std::vector<float> head;
  for (int i = 0; i < kRope; ++i) head.push_back(random.value());
  std::vector<float> rotated = head;
  rotate_reference(table, 0, rotated);
  for (int i = 0; i < kRope / 2; ++i) {
    const bool interleaved = GetParam() == RopeLayout::kInterleaved;
    const int a = interleaved ? 2 * i : i;
    const int b = interleaved ? 2 * i + 1 : i + kRope / 2;
    const auto expected = std::complex<double>(head[a], head[b]) * std::polar(1.0, 0.3 * (i + 1));
    EXPECT_NEAR(rotated[a], expected.real(), 1e-6);
    EXPECT_NEAR(rotated[b], expected.imag(), 1e-6);
  }
}

INSTANTIATE_TEST_SUITE_P(BothLayouts, RotateReference,
                         testing::Values(RopeLayout::kInterleaved, RopeLayout::kHalfSplit));

TEST(RotateReferenceOutside, GivesNanForAPositionOutsideTheTable) {
  const std::vector<float> cos_sin{1.0F, 0.0F};
  const RopeTable table{{cos_sin.data()}, 2, 1, 2, RopeLayout::kInterleaved};
  for (const int64_t position : {-1, 1}) {
    std::vector<float> head{1.0F, 2.0F};
    rotate_reference(table, position, head);
    EXPECT_TRUE(std::isnan(head[0]) && std::isnan(head[1])) << position;
  }
}

}  // namespace
}  // namespace slipstream::ops
