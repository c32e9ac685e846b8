#include "cuda/quantize.cuh"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "support/random.h"

namespace slipstream::cuda {
namespace {

// Equal bits, so that the signs of zeros count.
bool same(float a, float b) { return std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b); }

Divisor divisor(float value) { return {value, 1.0F / value}; }

// Every significand that a 16-bit float with `bits` fraction bits can have, over every scale that
// an amax with as many can give: quotients depend on exponents only through underflow, which is
// tested apart.
void expect_all_quotients_exact(int bits, float max_code) {
  const int count = 1 << bits;
  for (int i = 0; i < count; ++i) {
    const float amax = 1.0F + static_cast<float>(i) / static_cast<float>(count);
    const float scale = divide(amax, divisor(max_code));
    ASSERT_TRUE(same(scale, amax / max_code)) << amax;
    const Divisor by_scale = divisor(scale);
    for (int j = 0; j < count; ++j) {
      const float x = 1.0F + static_cast<float>(j) / static_cast<float>(count);
      ASSERT_TRUE(same(divide(x, by_scale), x / scale)) << x << " / " << scale;
    }
  }
}

TEST(Divide, IsExactForEveryBFloat16SignificandOverEveryFp8Scale) {
  expect_all_quotients_exact(7, 448.0F);
}

TEST(Divide, IsExactForEveryFloat16SignificandOverEveryFp8Scale) {
  expect_all_quotients_exact(10, 448.0F);
}

TEST(Divide, IsExactForEveryFloat16SignificandOverEveryInt8Scale) {
  expect_all_quotients_exact(10, 127.0F);
}

TEST(Divide, IsExactForRandomFloat32) {
  test::Random random(2);
  for (int i = 0; i < 1000000; ++i) {
    const float scale = std::abs(random.value(1.0, 30.0));
    const float x = random.value(448.0 * scale, 40.0);
    ASSERT_TRUE(same(divide(x, divisor(scale)), x / scale)) << x << " / " << scale;
  }
}

TEST(Divide, IsExactNearTheLargestAndTheSmallestScale) {
  test::Random random(3);
  for (int i = 0; i < 100000; ++i) {
    const float large = FLT_MAX / 448.0F * static_cast<float>(1.0 - 0.5 * random.unit());
    const float x = random.value(FLT_MAX, 20.0);
    ASSERT_TRUE(same(divide(x, divisor(large)), x / large)) << x << " / " << large;
    const float small = 1e-10F / 448.0F;
    const float y = random.value(1e-10, 20.0);
    ASSERT_TRUE(same(divide(y, divisor(small)), y / small)) << y << " / " << small;
  }
}

// Of all significands over all scales that a group of bf16 values can have: of an amax that is one of them, of the
// least that counts and of the largest, which stands for infinity.
TEST(DivideBFloat16, IsExactForEverySignificandOverEveryFp8Scale) {
  constexpr int kCount = 128;
  const auto significand = [](int i) { return 1.0F + static_cast<float>(i) / kCount; };
  for (int i = 0; i < kCount + 2; ++i) {
    const float amax = i < kCount ? significand(i) : i == kCount ? 1e-4F : FLT_MAX;
    const Divisor scale = divisor(amax / 448.0F);
    const float one = std::ldexp(1.0F, std::ilogb(amax));
    for (int j = 0; j < kCount; ++j) {
      for (const float x : {significand(j) * one, -significand(j) * one / 64}) {
        ASSERT_TRUE(same(divide_bf16(x, scale), x / scale.value)) << x << " / " << scale.value;
      }
    }
  }
}

TEST(DivideBFloat16, PassesZerosAndInfinitiesThrough) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  EXPECT_TRUE(same(divide_bf16(-0.0F, divisor(3.0F)), -0.0F));
  EXPECT_EQ(divide_bf16(kInfinity, divisor(3.0F)), kInfinity);
  EXPECT_TRUE(std::isnan(divide_bf16(std::nanf(""), divisor(3.0F))));
}

TEST(Divide, KeepsTheSignOfZero) {
  EXPECT_TRUE(same(divide(0.0F, divisor(3.0F)), 0.0F));
  EXPECT_TRUE(same(divide(-0.0F, divisor(3.0F)), -0.0F));
}

TEST(Divide, KeepsTheSignOfAQuotientThatUnderflows) {
  EXPECT_TRUE(std::signbit(divide(-1e-45F, divisor(1e30F))));
  EXPECT_FALSE(std::signbit(divide(1e-45F, divisor(1e30F))));
  EXPECT_LT(std::abs(divide(-1e-45F, divisor(1e30F))), 1e-37F);
}

TEST(Divide, PassesInfinitiesAndNanThrough) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(divide(kInfinity, divisor(3.0F)), kInfinity);
  EXPECT_EQ(divide(-kInfinity, divisor(3.0F)), -kInfinity);
  EXPECT_TRUE(std::isnan(divide(std::nanf(""), divisor(3.0F))));
}

}  // namespace
}  // namespace slipstream::cuda
