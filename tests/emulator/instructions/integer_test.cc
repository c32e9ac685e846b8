#include <gtest/gtest.h>

#include "lane_program.h"

namespace slipstream::emulator {
namespace {

TEST(Integer, AddsWithWraparound) {
  EXPECT_EQ(run32("add.u32 %r20, %r10, %r11;", {0xffffffffU, 2}), 1U);
}
TEST(Integer, SaturatesSignedAddition) {
  EXPECT_EQ(run32("add.sat.s32 %r20, %r10, %r11;", {0x7fffffffU, 1}), 0x7fffffffU);
  EXPECT_EQ(run32("sub.sat.s32 %r20, %r10, %r11;", {0x80000000U, 1}), 0x80000000U);
}
TEST(Integer, MultipliesToTheWideType) {
  EXPECT_EQ(run_one("mul.wide.s32 %rd0, %r10, %r11;", {0xffffffffU, 5}), static_cast<uint64_t>(-5));
  EXPECT_EQ(run_one("mul.wide.u32 %rd0, %r10, %r11;", {0xffffffffU, 5}), 0x4fffffffbULL);
}
TEST(Integer, GivesTheHighHalfOfAProduct) {
  EXPECT_EQ(run32("mul.hi.u32 %r20, %r10, %r11;", {0x80000000U, 6}), 3U);
  EXPECT_EQ(run32("mul.hi.s32 %r20, %r10, %r11;", {0x80000000U, 6}), static_cast<uint32_t>(-3));
  EXPECT_EQ(run_one("mul.hi.u64 %rd0, %rd10, %rd11;", {1ULL << 63, 4}), 2U);
}
TEST(Integer, AddsUpDifferencesOfBytes) {
  EXPECT_EQ(
      run32("vabsdiff4.u32.u32.u32.add %r20, %r10, %r11, %r12;", {0xff000510U, 0x00ff0211U, 100}),
      100U + 255 + 255 + 3 + 1);
  EXPECT_EQ(run32("vabsdiff4.u32.u32.u32.add %r20, %r10, %r11, %r12;", {1, 0, 0xffffffffU}), 0U);
}
TEST(Integer, MultipliesAndAddsLow) {
  EXPECT_EQ(run32("mad.lo.s32 %r20, %r10, %r11, %r12;", {7, 6, static_cast<uint64_t>(-2)}), 40U);
  EXPECT_EQ(run32("mad24.lo.s32 %r20, %r10, %r11, %r12;", {1, 1, 0x7fffffffU}), 0x80000000U);
}
TEST(Integer, DividesTheLeastValueByMinusOne) {
  EXPECT_EQ(run32("div.s32 %r20, %r10, %r11;", {0x80000000U, 0xffffffffU}), 0x80000000U);
  EXPECT_EQ(run32("rem.s32 %r20, %r10, %r11;", {0x80000000U, 0xffffffffU}), 0U);
}
TEST(Integer, DividesByZeroWithoutAFault) {
  EXPECT_EQ(run32("div.u32 %r20, %r10, %r11;", {5, 0}), 0xffffffffU);
}
TEST(Integer, DividesTowardsZero) {
  EXPECT_EQ(run32("div.s32 %r20, %r10, %r11;", {static_cast<uint32_t>(-7), 2}),
            static_cast<uint32_t>(-3));
  EXPECT_EQ(run32("rem.s32 %r20, %r10, %r11;", {static_cast<uint32_t>(-7), 2}),
            static_cast<uint32_t>(-1));
}
TEST(Integer, CountsBits) {
  EXPECT_EQ(run32("popc.b32 %r20, %r10;", {0xf0f0U}), 8U);
  EXPECT_EQ(run32("clz.b32 %r20, %r10;", {1}), 31U);
  EXPECT_EQ(run32("clz.b64 %r20, %rd10;", {0}), 64U);
}
TEST(Integer, FindsTheHighestBit) {
  EXPECT_EQ(run32("bfind.u32 %r20, %r10;", {0x00010000U}), 16U);
  EXPECT_EQ(run32("bfind.u32 %r20, %r10;", {0}), 0xffffffffU);
  EXPECT_EQ(run32("bfind.s32 %r20, %r10;", {0xfffffff0U}), 3U);
  EXPECT_EQ(run32("bfind.shiftamt.u32 %r20, %r10;", {0x00010000U}), 15U);
}
TEST(Integer, ReversesBits) { EXPECT_EQ(run32("brev.b32 %r20, %r10;", {1}), 0x80000000U); }
TEST(Integer, ExtractsSignedFields) {
  EXPECT_EQ(run32("bfe.s32 %r20, %r10, %r11, %r12;", {0x00f0U, 4, 4}), 0xffffffffU);
  EXPECT_EQ(run32("bfe.u32 %r20, %r10, %r11, %r12;", {0x00f0U, 4, 4}), 0xfU);
  EXPECT_EQ(run32("bfe.s32 %r20, %r10, %r11, %r12;", {0x80000000U, 28, 8}), 0xfffffff8U);
  EXPECT_EQ(run32("bfe.u32 %r20, %r10, %r11, %r12;", {0xffffffffU, 3, 0}), 0U);
}
TEST(Integer, InsertsFields) {
  EXPECT_EQ(run32("bfi.b32 %r20, %r10, %r11, %r12, %r13;", {0x5, 0xffffffffU, 8, 4}), 0xfffff5ffU);
}
TEST(Integer, MakesBitMasks) {
  EXPECT_EQ(run32("bmsk.clamp.b32 %r20, %r10, %r11;", {4, 8}), 0xff0U);
  EXPECT_EQ(run32("bmsk.clamp.b32 %r20, %r10, %r11;", {40, 8}), 0U);
}
TEST(Integer, CarriesIntoTheNextAddition) {
  EXPECT_EQ(run32("add.cc.u32 %r1, %r10, %r11; addc.u32 %r20, 0, 0;", {0xffffffffU, 1}), 1U);
  EXPECT_EQ(run32("sub.cc.u32 %r1, %r10, %r11; subc.u32 %r20, 5, 0;", {0, 1}), 4U);
}
TEST(Integer, TakesMinimumAndMaximumBySign) {
  EXPECT_EQ(run32("min.s32 %r20, %r10, %r11;", {0xffffffffU, 3}), 0xffffffffU);
  EXPECT_EQ(run32("min.u32 %r20, %r10, %r11;", {0xffffffffU, 3}), 3U);
  EXPECT_EQ(run32("max.s16x2 %r20, %r10, %r11;", {0x0001ffffU, 0xfffe0002U}), 0x00010002U);
}
TEST(Integer, AddsDotProductsOfBytes) {
  EXPECT_EQ(run32("dp4a.s32.s32 %r20, %r10, %r11, %r12;", {0xff020304U, 0x01010101U, 10}), 18U);
}
TEST(Integer, LeavesLanesThatAGuardStops) {
  const auto lanes = run_lanes(R"(
    mov.u64 %rd0, 7;
    setp.lt.u32 %p1, %r0, 16;
    @%p1 mov.u64 %rd0, 9;
  )");
  EXPECT_EQ(lanes[15], 9U);
  EXPECT_EQ(lanes[16], 7U);
}

}  // namespace
}  // namespace slipstream::emulator
