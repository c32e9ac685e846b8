#include "model/float_formats.h"

#include <gtest/gtest.h>

#include <limits>

namespace slipstream::model {
namespace {

TEST(FloatFormats, ReadEveryE4M3CodeBack) {
  for (int code = 0; code < 256; ++code) {
    const float value = e4m3_to_float(static_cast<uint8_t>(code));
    if (std::isnan(value)) {
      EXPECT_EQ(code & 0x7F, 0x7F);
    } else {
      EXPECT_EQ(float_to_e4m3(value), code) << value;
    }
  }
}

TEST(FloatFormats, KnowE4M3sLandmarks) {
  EXPECT_EQ(e4m3_to_float(0x7E), 448);
  EXPECT_EQ(e4m3_to_float(0x38), 1);
  EXPECT_EQ(e4m3_to_float(0x08), 0.015625F);
  EXPECT_EQ(e4m3_to_float(0x01), 0.001953125F);
  EXPECT_EQ(e4m3_to_float(0xB8), -1);
}

// Between any two neighbors the middle goes to the even code and everything else to the nearer
// one.
TEST(FloatFormats, RoundE4M3ToNearestEven) {
  for (int code = 0; code < 0x7E; ++code) {
    const float below = e4m3_to_float(static_cast<uint8_t>(code));
    const float above = e4m3_to_float(static_cast<uint8_t>(code + 1));
    const float middle = (below + above) / 2;
    EXPECT_EQ(float_to_e4m3(middle), code % 2 == 0 ? code : code + 1);
    EXPECT_EQ(float_to_e4m3(std::nextafter(middle, 0.0F)), code);
    EXPECT_EQ(float_to_e4m3(std::nextafter(middle, 1e9F)), code + 1);
    EXPECT_EQ(float_to_e4m3(-middle), float_to_e4m3(middle) | 0x80);
  }
}

TEST(FloatFormats, SaturateE4M3AndKeepNaN) {
  EXPECT_EQ(float_to_e4m3(1e30F), 0x7E);
  EXPECT_EQ(float_to_e4m3(-std::numeric_limits<float>::infinity()), 0xFE);
  EXPECT_EQ(float_to_e4m3(std::nanf("")) & 0x7F, 0x7F);
  EXPECT_EQ(float_to_e4m3(-0.0F), 0x80);
}

TEST(FloatFormats, RoundBf16ToNearestEven) {
  EXPECT_EQ(float_to_bf16(1.0F), 0x3F80);
  EXPECT_EQ(float_to_bf16(1.00390625F), 0x3F80);  // half a step above an even value
  EXPECT_EQ(float_to_bf16(1.01171875F), 0x3F82);  // half a step above an odd value
  EXPECT_EQ(float_to_bf16(1.00390637F), 0x3F81);
  EXPECT_TRUE(std::isnan(bf16_to_float(float_to_bf16(std::nanf("")))));
  EXPECT_EQ(float_to_bf16(std::numeric_limits<float>::max()), 0x7F80);
}

TEST(FloatFormats, ReadF16) {
  EXPECT_EQ(f16_to_float(0x3C00), 1);
  EXPECT_EQ(f16_to_float(0xC500), -5);
  EXPECT_EQ(f16_to_float(0x0001), std::ldexp(1.0F, -24));
  EXPECT_EQ(f16_to_float(0x7BFF), 65504);
  EXPECT_TRUE(std::isinf(f16_to_float(0x7C00)));
  EXPECT_TRUE(std::isnan(f16_to_float(0x7E00)));
}

TEST(FloatFormats, RoundScalesUpToPowersOfTwo) {
  EXPECT_EQ(round_up_to_power_of_two(0.25F), 0.25F);
  EXPECT_EQ(round_up_to_power_of_two(std::nextafter(0.25F, 1.0F)), 0.5F);
  EXPECT_EQ(round_up_to_power_of_two(0.24F), 0.25F);
  EXPECT_EQ(round_up_to_power_of_two(3.0F), 4.0F);
}

}  // namespace
}  // namespace slipstream::model
