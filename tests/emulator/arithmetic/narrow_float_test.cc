#include "emulator/arithmetic/narrow_float.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace slipstream::emulator {
namespace {

// The nearest finite code by search over all of them; ties go to the even code.
uint32_t nearest_by_search(float value, const FloatFormat& format) {
  uint32_t best = 0;
  double best_distance = HUGE_VAL;
  for (uint32_t code = 0; code <= format.largest; ++code) {
    const double distance = std::fabs(std::fabs(double{value}) - decode(code, format));
    const bool is_better = distance < best_distance || (distance == best_distance && code % 2 == 0);
    best = is_better ? code : best;
    best_distance = std::fmin(best_distance, distance);
  }
  return best | (std::signbit(value) ? format.sign_bit() : 0);
}

class Fp8Format : public testing::TestWithParam<const FloatFormat*> {};

TEST_P(Fp8Format, RoundsToTheNearestCode) {
  const FloatFormat& format = *GetParam();
  // Every code, every tie between two, and what lies next to the ties.
  for (uint32_t code = 0; code < format.largest; ++code) {
    const float tie = (decode(code, format) + decode(code + 1, format)) / 2;
    for (const float value : {decode(code, format), tie, std::nextafter(tie, 0.0F),
                              std::nextafter(tie, HUGE_VALF), -tie}) {
      EXPECT_EQ(encode(value, format, Rounding::kNearest, true), nearest_by_search(value, format))
          << value;
    }
  }
}

TEST_P(Fp8Format, StaysFiniteAndKeepsNaN) {
  const FloatFormat& format = *GetParam();
  EXPECT_EQ(encode(1e30, format, Rounding::kNearest, true), format.largest);
  EXPECT_EQ(encode(-HUGE_VAL, format, Rounding::kNearest, true),
            format.largest | format.sign_bit());
  EXPECT_EQ(encode(NAN, format, Rounding::kNearest, true), format.nan);
}

TEST_P(Fp8Format, ReturnsFromItsOwnValue) {
  const FloatFormat& format = *GetParam();
  for (uint32_t code = 0; code <= format.largest; ++code) {
    EXPECT_EQ(encode(decode(code, format), format, Rounding::kNearest, false), code);
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, Fp8Format, testing::Values(&kE4m3Format, &kE5m2Format));

TEST(NarrowFloat, RoundsInEveryDirection) {
  constexpr double kOneAndABit = 1.0 + 0x1p-20;
  EXPECT_EQ(encode(kOneAndABit, kF16Format, Rounding::kZero, false), 0x3c00U);
  EXPECT_EQ(encode(kOneAndABit, kF16Format, Rounding::kDown, false), 0x3c00U);
  EXPECT_EQ(encode(kOneAndABit, kF16Format, Rounding::kUp, false), 0x3c01U);
  EXPECT_EQ(encode(-kOneAndABit, kF16Format, Rounding::kDown, false), 0xbc01U);
  EXPECT_EQ(encode(-kOneAndABit, kF16Format, Rounding::kUp, false), 0xbc00U);
}

TEST(NarrowFloat, TakesTiesAwayFromZeroForTf32) {
  EXPECT_EQ(encode(1.0 + 0x1p-11, kTf32Format, Rounding::kNearest, false), 127U << 10U);
  EXPECT_EQ(encode(1.0 + 0x1p-11, kTf32Format, Rounding::kNearestAway, false), (127U << 10U) + 1);
}

TEST(NarrowFloat, OverflowsAsTheRoundingSays) {
  EXPECT_EQ(encode(65520.0, kF16Format, Rounding::kNearest, false), 0x7c00U);
  EXPECT_EQ(encode(65519.0, kF16Format, Rounding::kNearest, false), 0x7bffU);
  EXPECT_EQ(encode(1e9, kF16Format, Rounding::kZero, false), 0x7bffU);
  EXPECT_EQ(encode(-1e9, kF16Format, Rounding::kUp, false), 0xfbffU);
}

TEST(NarrowFloat, ReachesSubnormals) {
  EXPECT_EQ(encode(0x1p-24, kF16Format, Rounding::kNearest, false), 1U);
  EXPECT_EQ(encode(0x1p-25, kF16Format, Rounding::kNearest, false), 0U);
  EXPECT_EQ(encode(0x1.8p-25, kF16Format, Rounding::kNearest, false), 1U);
  EXPECT_EQ(encode(5e-324, kF16Format, Rounding::kUp, false), 1U);
}

}  // namespace
}  // namespace slipstream::emulator
