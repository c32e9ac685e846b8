#include <gtest/gtest.h>

#include "lane_program.h"

namespace slipstream::emulator {
namespace {

TEST(Collective, ShufflesInEveryDirection) {
  const auto run = [](const std::string& shuffle) {
    return run_lanes(shuffle + " selp.u32 %r3, 1, 0, %p1; mov.b64 %rd0, {%r2, %r3};");
  };
  const auto down = run("shfl.sync.down.b32 %r2|%p1, %r0, 4, 31, 0xffffffff;");
  EXPECT_EQ(down[0], 0x100000004ULL);
  EXPECT_EQ(down[30], 30U);
  const auto up = run("shfl.sync.up.b32 %r2|%p1, %r0, 1, 0, 0xffffffff;");
  EXPECT_EQ(up[0], 0U);
  EXPECT_EQ(up[5], 0x100000004ULL);
  const auto butterfly = run("shfl.sync.bfly.b32 %r2|%p1, %r0, 16, 31, 0xffffffff;");
  EXPECT_EQ(butterfly[3], 0x100000013ULL);
  // Segments of 8: the last lane of each is the limit.
  const auto index = run("shfl.sync.idx.b32 %r2|%p1, %r0, 2, 0x1807, 0xffffffff;");
  EXPECT_EQ(index[13], 0x10000000aULL);
}
TEST(Collective, SeparatesMemberSetsThatMeetAtOneInstruction) {
  const auto lanes = run_lanes(R"(
    setp.lt.u32 %p1, %r0, 16;
    selp.b32 %r1, 0x0000ffff, 0xffff0000, %p1;
    redux.sync.add.u32 %r2, %r0, %r1;
    cvt.u64.u32 %rd0, %r2;
  )");
  EXPECT_EQ(lanes[0], 120U);
  EXPECT_EQ(lanes[31], 376U);
}
TEST(Collective, WaitsForLanesOnAnotherPath) {
  // The upper half does more before it comes to the same shuffle.
  const auto lanes = run_lanes(R"(
    mov.u32 %r1, %r0;
    setp.lt.u32 %p1, %r0, 16;
    @%p1 bra meet;
    add.u32 %r1, %r1, 100;
  meet:
    shfl.sync.bfly.b32 %r2, %r1, 16, 31, 0xffffffff;
    cvt.u64.u32 %rd0, %r2;
  )");
  EXPECT_EQ(lanes[0], 116U);
  EXPECT_EQ(lanes[16], 0U);
}
TEST(Collective, IgnoresLanesThatHaveExited) {
  TestDevice test(module_of(".param .u64 out", R"(
    ld.param.u64 %rd1, [out];
    mov.u32 %r1, %laneid;
    setp.ge.u32 %p1, %r1, 20;
    @%p1 exit;
    vote.sync.ballot.b32 %r2, 1, 0xffffffff;
    st.global.u32 [%rd1], %r2;
    ret;)"));
  const uint64_t out = test.upload(std::vector<uint32_t>(1));
  ASSERT_FALSE(test.run(test.launch({out})));
  EXPECT_EQ(test.download<uint32_t>(out, 1)[0], 0x000fffffU);
}
TEST(Collective, Votes) {
  const auto lanes = run_lanes(R"(
    setp.lt.u32 %p1, %r0, 3;
    vote.sync.any.pred %p2, %p1, 0xffffffff;
    vote.sync.all.pred %p3, %p1, 0xffffffff;
    vote.sync.ballot.b32 %r1, !%p1, 0xffffffff;
    selp.u32 %r2, 1, 0, %p2;
    selp.u32 %r3, 2, 0, %p3;
    or.b32 %r2, %r2, %r3;
    mov.b64 %rd0, {%r2, %r1};
  )");
  EXPECT_EQ(lanes[9], 0xfffffff800000001ULL);
}
TEST(Collective, MatchesEqualValues) {
  const auto lanes = run_lanes(R"(
    and.b32 %r1, %r0, 1;
    match.any.sync.b32 %r2, %r1, 0xffffffff;
    match.all.sync.b32 %r3|%p1, %r1, 0xffffffff;
    mov.b64 %rd0, {%r2, %r3};
  )");
  EXPECT_EQ(lanes[0], 0x55555555U);
  EXPECT_EQ(lanes[1], 0xaaaaaaaaU);
}
TEST(Collective, ElectsOneLane) {
  const auto lanes = run_lanes(R"(
    elect.sync %r1|%p1, 0xffffffff;
    selp.u32 %r2, 1, 0, %p1;
    cvt.u64.u32 %rd0, %r2;
  )");
  EXPECT_EQ(lanes[0], 1U);
  EXPECT_EQ(lanes[1], 0U);
}

}  // namespace
}  // namespace slipstream::emulator
