#include <gtest/gtest.h>

#include <cfenv>
#include <cmath>
#include <limits>

#include "lane_program.h"

namespace slipstream::emulator {
namespace {

uint32_t run_f32(const std::string& instruction, const std::vector<uint64_t>& inputs) {
  return static_cast<uint32_t>(
      run_one(instruction + " mov.b32 %r20, %f20; cvt.u64.u32 %rd0, %r20;", inputs));
}
uint64_t run_f64(const std::string& instruction, const std::vector<uint64_t>& inputs) {
  return run_one(instruction + " mov.b64 %rd0, %fd20;", inputs);
}

constexpr uint64_t kNan = 0x7fffffffU;
constexpr uint64_t kInfinity = 0x7f800000U;

TEST(Float, RoundsAsTheModifierSays) {
  const std::vector<uint64_t> inputs = {bits(1.0F), bits(0x1p-30F)};
  EXPECT_EQ(run_f32("add.rn.f32 %f20, %f10, %f11;", inputs), bits(1.0F));
  EXPECT_EQ(run_f32("add.rp.f32 %f20, %f10, %f11;", inputs), bits(std::nextafter(1.0F, 2.0F)));
  EXPECT_EQ(run_f32("add.rm.f32 %f20, %f10, %f11;", inputs), bits(1.0F));
  EXPECT_EQ(run_f32("sub.rz.f32 %f20, %f10, %f11;", inputs), bits(std::nextafter(1.0F, 0.0F)));
}

// What the host computes in that rounding mode.
double on_host(int mode, const std::string& operation, double first, double second) {
  const volatile double a = first;
  const volatile double b = second;
  std::fesetround(mode);
  const volatile double result = operation == "add"   ? a + b
                                 : operation == "sub" ? a - b
                                 : operation == "mul" ? a * b
                                 : operation == "div" ? a / b
                                                      : std::fma(a, b, a);
  std::fesetround(FE_TONEAREST);
  return result;
}
TEST(Float, RoundsDoublesInEveryDirectionAsTheHostDoes) {
  const std::vector<double> values = {1.0,  -1.0 / 3.0,   0x1p-60,  -0.0,
                                      3e30, -0x1.8p-1060, HUGE_VAL, 0x1.fffffffffffffp1023};
  const std::vector<std::pair<std::string, int>> modes = {
      {".rm", FE_DOWNWARD}, {".rp", FE_UPWARD}, {".rz", FE_TOWARDZERO}};
  for (const std::string operation : {"add", "sub", "mul", "div", "fma"}) {
    for (const auto& [name, mode] : modes) {
      const std::string instruction =
          operation + name + ".f64 %fd20, %fd10, %fd11" + (operation == "fma" ? ", %fd10;" : ";");
      for (const double a : values) {
        for (const double b : values) {
          const auto result = std::bit_cast<double>(run_f64(instruction, {bits(a), bits(b)}));
          const double expected = on_host(mode, operation, a, b);
          EXPECT_TRUE(bits(result) == bits(expected) || (result != result && expected != expected))
              << instruction << " of " << a << " and " << b << ": " << result << ", not "
              << expected;
        }
      }
    }
  }
}
TEST(Float, KeepsTheHostRoundingModeAfterADirectedOperation) {
  run_f32("add.rp.f32 %f20, %f10, %f11;", {bits(1.0F), bits(0x1p-30F)});
  volatile float one = 1.0F;
  volatile float tiny = 0x1p-30F;
  EXPECT_EQ(one + tiny, 1.0F);
}
TEST(Float, RoundsToNearestWhateverTheProgramHasSetForItself) {
  const int before = std::fegetround();
  std::fesetround(FE_UPWARD);
  const uint64_t sum = run_f32("add.rn.f32 %f20, %f10, %f11;", {bits(1.0F), bits(0x1p-30F)});
  const int after = std::fegetround();
  std::fesetround(before);
  EXPECT_EQ(sum, bits(1.0F));
  EXPECT_EQ(after, FE_UPWARD);
}
TEST(Float, FusesMultiplyAndAddWithOneRounding) {
  EXPECT_EQ(run_f32("fma.rn.f32 %f20, %f10, %f11, %f12;",
                    {bits(1.0F + 0x1p-12F), bits(1.0F + 0x1p-12F), bits(-1.0F)}),
            bits(std::fma(1.0F + 0x1p-12F, 1.0F + 0x1p-12F, -1.0F)));
}
TEST(Float, TakesMadWithoutAModeForFusedOneThatFlushes) {
  const float a = 1.0F + 0x1p-12F;
  EXPECT_EQ(run_f32("mad.f32 %f20, %f10, %f11, %f12;", {bits(a), bits(a), bits(-1.0F)}),
            bits(std::fma(a, a, -1.0F)));
  EXPECT_EQ(run_f32("mad.f32 %f20, %f10, %f11, %f12;", {bits(1.0F), 0x80000001U, 0}), 0U);
}
TEST(Float, DoesNotFuseSeparateOperations) {
  const float a = 1.0F + 0x1p-12F;
  const float product = a * a;
  EXPECT_EQ(
      run_f32("mul.f32 %f1, %f10, %f11; add.f32 %f20, %f1, %f12;", {bits(a), bits(a), bits(-1.0F)}),
      bits(product - 1.0F));
}
TEST(Float, FlushesSubnormalsOnlyWithFtz) {
  EXPECT_EQ(run_f32("add.f32 %f20, %f10, %f11;", {0x80000001U, 0}), 0x80000001U);
  EXPECT_EQ(run_f32("add.ftz.f32 %f20, %f10, %f11;", {0x80000001U, 0x80000000U}), 0x80000000U);
  EXPECT_EQ(run_f32("mul.ftz.f32 %f20, %f10, %f11;", {bits(0x1p-100F), bits(-0x1p-40F)}),
            0x80000000U);
}
TEST(Float, SaturatesToTheUnitInterval) {
  EXPECT_EQ(run_f32("add.sat.f32 %f20, %f10, %f11;", {bits(3.0F), bits(1.0F)}), bits(1.0F));
  EXPECT_EQ(run_f32("add.sat.f32 %f20, %f10, %f11;", {bits(-3.0F), bits(1.0F)}), 0U);
  EXPECT_EQ(run_f32("add.sat.f32 %f20, %f10, %f11;", {kNan, bits(1.0F)}), 0U);
}
TEST(Float, MakesTheCanonicalNan) {
  EXPECT_EQ(run_f32("sub.f32 %f20, %f10, %f11;", {kInfinity, kInfinity}), kNan);
  EXPECT_EQ(run_f32("add.f32 %f20, %f10, %f11;", {0x7fc12345U, 0}), kNan);
}
TEST(Float, PrefersNumbersInMinimumAndMaximum) {
  EXPECT_EQ(run_f32("min.f32 %f20, %f10, %f11;", {kNan, bits(2.0F)}), bits(2.0F));
  EXPECT_EQ(run_f32("max.NaN.f32 %f20, %f10, %f11;", {kNan, bits(2.0F)}), kNan);
  EXPECT_EQ(run_f32("min.f32 %f20, %f10, %f11;", {0, 0x80000000U}), 0x80000000U);
  EXPECT_EQ(run_f32("max.xorsign.abs.f32 %f20, %f10, %f11;", {bits(-3.0F), bits(2.0F)}),
            bits(-3.0F));
}
TEST(Float, OrdersZerosAndNansOfDoubles) {
  constexpr uint64_t kFirstNan = 0x7ff8000000000001ULL;
  constexpr uint64_t kSecondNan = 0xfff8000000000002ULL;
  const uint64_t minus_zero = bits(-0.0);
  for (const std::vector<uint64_t>& zeros :
       {std::vector<uint64_t>{0, minus_zero}, {minus_zero, 0}}) {
    EXPECT_EQ(run_f64("min.f64 %fd20, %fd10, %fd11;", zeros), minus_zero);
    EXPECT_EQ(run_f64("max.f64 %fd20, %fd10, %fd11;", zeros), 0U);
  }
  for (const std::string name : {"min", "max"}) {
    const std::string instruction = name + ".f64 %fd20, %fd10, %fd11;";
    EXPECT_EQ(run_f64(instruction, {kFirstNan, bits(2.0)}), bits(2.0));
    EXPECT_EQ(run_f64(instruction, {bits(-2.0), kFirstNan}), bits(-2.0));
    EXPECT_EQ(run_f64(instruction, {kFirstNan, kSecondNan}), kSecondNan);
  }
}
TEST(Float, DividesAndTakesRootsWithIeeeRounding) {
  EXPECT_EQ(run_f32("div.rn.f32 %f20, %f10, %f11;", {bits(1.0F), bits(3.0F)}), bits(1.0F / 3.0F));
  EXPECT_EQ(run_f64("sqrt.rn.f64 %fd20, %fd10;", {bits(2.0)}), bits(std::sqrt(2.0)));
  EXPECT_EQ(
      run_f64("fma.rz.f64 %fd20, %fd10, %fd11, %fd12;", {bits(1.0), bits(1.0), bits(0x1p-80)}),
      bits(1.0));
}
TEST(Float, CopiesTheSignOfTheFirstSource) {
  EXPECT_EQ(run_f32("copysign.f32 %f20, %f10, %f11;", {bits(-1.0F), bits(5.0F)}), bits(-5.0F));
}
TEST(Float, ClassifiesValues) {
  EXPECT_EQ(run32("testp.subnormal.f32 %p1, %f10; selp.u32 %r20, 1, 0, %p1;", {1}), 1U);
  EXPECT_EQ(run32("testp.infinite.f32 %p1, %f10; selp.u32 %r20, 1, 0, %p1;", {kInfinity}), 1U);
}
TEST(Approximate, StaysWithinTheBoundThatPtxStates) {
  const auto value = [](uint32_t result) { return std::bit_cast<float>(result); };
  EXPECT_NEAR(value(run_f32("ex2.approx.f32 %f20, %f10;", {bits(3.5F)})), std::exp2(3.5), 2e-6);
  EXPECT_NEAR(value(run_f32("lg2.approx.f32 %f20, %f10;", {bits(10.0F)})), std::log2(10.0), 1e-6);
  EXPECT_NEAR(value(run_f32("sin.approx.f32 %f20, %f10;", {bits(1.0F)})), std::sin(1.0), 5e-7);
  EXPECT_NEAR(value(run_f32("rsqrt.approx.f32 %f20, %f10;", {bits(2.0F)})), 1 / std::sqrt(2.0),
              2e-7);
  EXPECT_EQ(run_f32("rcp.approx.ftz.f32 %f20, %f10;", {0}), kInfinity);
  EXPECT_EQ(run_f32("div.approx.f32 %f20, %f10, %f11;", {bits(1.0F), bits(0x1.8p126F)}), 0U);
}
TEST(Half, RoundsOnceInFusedMultiplyAdd) {
  // 2048 + 1 is a tie, which the product breaks: 1.0009765625 * 1 rounds up, 1 * 1 to even.
  EXPECT_EQ(
      run32("fma.rn.f16 %h20, %h10, %h11, %h12; cvt.u32.u16 %r20, %h20;", {0x3c01, 0x3c00, 0x6800}),
      0x6801U);
  EXPECT_EQ(
      run32("fma.rn.f16 %h20, %h10, %h11, %h12; cvt.u32.u16 %r20, %h20;", {0x3c00, 0x3c00, 0x6800}),
      0x6800U);
}
TEST(Half, SaturatesAndClampsAtZero) {
  EXPECT_EQ(run32("add.sat.f16 %h20, %h10, %h11; cvt.u32.u16 %r20, %h20;", {0x4000, 0x4000}),
            0x3c00U);
  EXPECT_EQ(run32("fma.rn.relu.bf16 %h20, %h10, %h11, %h12; cvt.u32.u16 %r20, %h20;",
                  {0xbf80, 0x3f80, 0}),
            0U);
}
TEST(Half, WorksOnBothHalvesOfAPair) {
  EXPECT_EQ(run32("add.f16x2 %r20, %r10, %r11;", {0x40003c00U, 0x3c003c00U}), 0x42004000U);
  EXPECT_EQ(run32("mul.bf16x2 %r20, %r10, %r11;", {0x40003f80U, 0x40404000U}), 0x40c04000U);
  EXPECT_EQ(run32("max.NaN.bf16x2 %r20, %r10, %r11;", {0x7fc03f80U, 0x40404000U}), 0x7fff4000U);
  EXPECT_EQ(run32("neg.f16x2 %r20, %r10;", {0x80003c00U}), 0x0000bc00U);
}
TEST(Half, RoundsBfloatSumsOfDistantValuesToEven) {
  // 1 + 2^-8 is a tie, which anything below breaks.
  EXPECT_EQ(run32("fma.rn.bf16 %h20, %h10, %h11, %h12; cvt.u32.u16 %r20, %h20;",
                  {0x3f81, 0x3f80, 0x0080}),
            0x3f81U);
  EXPECT_EQ(run32("add.bf16 %h20, %h10, %h11; cvt.u32.u16 %r20, %h20;", {0x3f80, 0x3b80}), 0x3f80U);
  EXPECT_EQ(run32("fma.rn.bf16 %h20, %h10, %h11, %h12; cvt.u32.u16 %r20, %h20;",
                  {0x3b81, 0x3f80, 0x3f80}),
            0x3f81U);
}
TEST(Convert, SaturatesFloatsToIntegers) {
  EXPECT_EQ(run32("cvt.rzi.s32.f32 %r20, %f10;", {bits(3e9F)}), 0x7fffffffU);
  EXPECT_EQ(run32("cvt.rzi.u32.f32 %r20, %f10;", {bits(-1.0F)}), 0U);
  EXPECT_EQ(run32("cvt.rzi.s32.f32 %r20, %f10;", {kNan}), 0U);
  EXPECT_EQ(run_one("cvt.rzi.s64.f32 %rd0, %f10;", {kNan}), 1ULL << 63);
  EXPECT_EQ(run32("cvt.rzi.u8.f32 %h1, %f10; cvt.u32.u16 %r20, %h1;", {bits(300.0F)}), 255U);
}
TEST(Convert, RoundsToIntegersInAllModes) {
  EXPECT_EQ(run32("cvt.rni.s32.f32 %r20, %f10;", {bits(2.5F)}), 2U);
  EXPECT_EQ(run32("cvt.rpi.s32.f32 %r20, %f10;", {bits(2.25F)}), 3U);
  EXPECT_EQ(run32("cvt.rmi.s32.f32 %r20, %f10;", {bits(-2.25F)}), static_cast<uint32_t>(-3));
  EXPECT_EQ(run_f32("cvt.rni.f32.f32 %f20, %f10;", {bits(3.5F)}), bits(4.0F));
}
TEST(Convert, RoundsIntegersToFloats) {
  EXPECT_EQ(run_f32("cvt.rn.f32.u64 %f20, %rd10;", {0xffffff8000000000ULL}), bits(0x1p64F));
  EXPECT_EQ(run_f32("cvt.rz.f32.u64 %f20, %rd10;", {0xffffffffffffffffULL}),
            bits(std::nextafter(0x1p64F, 0.0F)));
  EXPECT_EQ(run_f32("cvt.rp.f32.s32 %f20, %r10;", {0x01000001U}), bits(16777218.0F));
  EXPECT_EQ(run_f32("cvt.rz.f32.f64 %f20, %fd10;", {bits(1.0 + 0x1.8p-24)}), bits(1.0F));
}
TEST(Convert, ExtendsBytesByTheirSign) {
  EXPECT_EQ(run32("cvt.s32.s8 %r20, %r10;", {0x1280}), 0xffffff80U);
  EXPECT_EQ(run32("cvt.u32.u8 %r20, %r10;", {0x1280}), 0x80U);
  EXPECT_EQ(run32("cvt.sat.s8.s32 %r20, %r10;", {1000}), 127U);
  EXPECT_EQ(run_one("cvt.s64.s32 %rd0, %r10;", {0x80000000U}), 0xffffffff80000000ULL);
}

}  // namespace
}  // namespace slipstream::emulator
