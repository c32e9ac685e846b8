#include <gtest/gtest.h>

#include "lane_program.h"

namespace slipstream::emulator {
namespace {

TEST(Logic, ShiftsOutEverythingBeyondTheWidth) {
  EXPECT_EQ(run32("shl.b32 %r20, %r10, %r11;", {1, 32}), 0U);
  EXPECT_EQ(run32("shr.u32 %r20, %r10, %r11;", {0x80000000U, 100}), 0U);
  EXPECT_EQ(run32("shr.s32 %r20, %r10, %r11;", {0x80000000U, 100}), 0xffffffffU);
}
TEST(Logic, FunnelShiftsAPair) {
  EXPECT_EQ(run32("shf.l.wrap.b32 %r20, %r10, %r11, %r12;", {0x80000000U, 1, 33}), 3U);
  EXPECT_EQ(run32("shf.r.clamp.b32 %r20, %r10, %r11, %r12;", {0x10, 5, 32}), 5U);
}
TEST(Logic, LooksUpThreeInputFunctions) {
  EXPECT_EQ(run32("lop3.b32 %r20, %r10, %r11, %r12, 0x96;", {0xff00U, 0xf0f0U, 0xccccU}),
            0xff00U ^ 0xf0f0U ^ 0xccccU);
}
TEST(Logic, PermutesBytes) {
  EXPECT_EQ(run32("prmt.b32 %r20, %r10, %r11, 0x5410;", {0x33221100U, 0x77665544U}), 0x55441100U);
  EXPECT_EQ(run32("prmt.b32 %r20, %r10, %r11, 0x000b;", {0x80000000U, 0}), 0x000000ffU);
}
TEST(Logic, PermutesByMode) {
  EXPECT_EQ(run32("prmt.b32.f4e %r20, %r10, %r11, %r12;", {0x33221100U, 0x77665544U, 1}),
            0x44332211U);
  EXPECT_EQ(run32("prmt.b32.rc16 %r20, %r10, %r11, %r12;", {0x33221100U, 0, 1}), 0x33223322U);
}
TEST(Logic, CombinesPredicates) {
  EXPECT_EQ(run32("setp.lt.u32 %p1, %r10, 5; setp.gt.u32 %p2, %r10, 2; and.pred %p3, %p1, %p2;"
                  " not.pred %p4, %p3; xor.pred %p5, %p3, %p4; selp.u32 %r20, 1, 0, %p5;",
                  {3}),
            1U);
}
TEST(Move, MakesAPredicateOfAnyNonZeroConstant) {
  EXPECT_EQ(run32("mov.pred %p1, -1; selp.u32 %r20, 1, 0, %p1;", {}), 1U);
  EXPECT_EQ(run32("mov.pred %p1, 0; selp.u32 %r20, 1, 0, %p1;", {}), 0U);
}
TEST(Move, PacksAndUnpacksRegisters) {
  EXPECT_EQ(run_one("mov.b64 %rd0, {%r10, %r11};", {1, 2}), 0x200000001ULL);
  EXPECT_EQ(run32("mov.b64 {%r1, %r20}, %rd10;", {0x500000004ULL}), 5U);
  EXPECT_EQ(run32("mov.b64 {_, %r20}, %rd10;", {0x500000004ULL}), 5U);
  EXPECT_EQ(run32("mov.b32 %r20, {%h10, %h11};", {0x1111, 0x2222}), 0x22221111U);
}
TEST(Compare, IsFalseForNanUnlessUnordered) {
  const uint64_t nan = 0x7fc00000U;
  EXPECT_EQ(run32("setp.ne.f32 %p1, %f10, %f11; selp.u32 %r20, 1, 0, %p1;", {nan, bits(1.0F)}), 0U);
  EXPECT_EQ(run32("setp.neu.f32 %p1, %f10, %f11; selp.u32 %r20, 1, 0, %p1;", {nan, bits(1.0F)}),
            1U);
  EXPECT_EQ(run32("setp.ltu.f32 %p1, %f10, %f11; selp.u32 %r20, 1, 0, %p1;", {nan, nan}), 1U);
  EXPECT_EQ(run32("setp.num.f32 %p1, %f10, %f11; selp.u32 %r20, 1, 0, %p1;", {nan, 0}), 0U);
  EXPECT_EQ(run32("setp.nan.f32 %p1, %f10, %f11; selp.u32 %r20, 1, 0, %p1;", {nan, 0}), 1U);
}
TEST(Compare, TellsSignedFromUnsigned) {
  EXPECT_EQ(run32("setp.lt.s32 %p1, %r10, %r11; selp.u32 %r20, 1, 0, %p1;", {0xffffffffU, 0}), 1U);
  EXPECT_EQ(run32("setp.lt.u32 %p1, %r10, %r11; selp.u32 %r20, 1, 0, %p1;", {0xffffffffU, 0}), 0U);
  EXPECT_EQ(run32("setp.hi.u32 %p1, %r10, %r11; selp.u32 %r20, 1, 0, %p1;", {0xffffffffU, 0}), 1U);
}
TEST(Compare, WritesTheComplementAndCombines) {
  const std::string program =
      "setp.eq.u32 %p3, %r10, 1; setp.lt.and.u32 %p1|%p2, %r10, 5, !%p3;"
      "selp.u32 %r1, 1, 0, %p1; selp.u32 %r2, 2, 0, %p2; or.b32 %r20, %r1, %r2;";
  EXPECT_EQ(run32(program, {1}), 0U);
  EXPECT_EQ(run32(program, {2}), 1U);
  EXPECT_EQ(run32(program, {9}), 2U);
}
TEST(Compare, FlushesSubnormalsWithFtz) {
  EXPECT_EQ(run32("setp.gt.ftz.f32 %p1, %f10, 0f00000000; selp.u32 %r20, 1, 0, %p1;", {1}), 0U);
  EXPECT_EQ(run32("setp.gt.f32 %p1, %f10, 0f00000000; selp.u32 %r20, 1, 0, %p1;", {1}), 1U);
}
TEST(Compare, SetsMasksAndNumbers) {
  EXPECT_EQ(run32("set.lt.u32.s32 %r20, %r10, %r11;", {0xffffffffU, 0}), 0xffffffffU);
  EXPECT_EQ(run32("set.lt.f32.s32 %f1, %r10, %r11; mov.b32 %r20, %f1;", {0xffffffffU, 0}),
            0x3f800000U);
  EXPECT_EQ(run32("set.gt.u32.f16x2 %r20, %r10, %r11;", {0x40003c00U, 0x3c003c00U}), 0xffff0000U);
}

}  // namespace
}  // namespace slipstream::emulator
