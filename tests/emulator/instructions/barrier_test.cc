#include <gtest/gtest.h>

#include "lane_program.h"

namespace slipstream::emulator {
namespace {

// Each thread stores to out[tid] what the body leaves in %r20; %r1 is tid.x.
std::vector<uint32_t> run_cta(std::string_view body, uint32_t threads) {
  TestDevice test(module_of(".param .u64 out", fmt::format(R"(
    .shared .align 4 .b8 cells[4096];
    ld.param.u64 %rd1, [out];
    mov.u32 %r1, %tid.x;
    mul.wide.u32 %rd2, %r1, 4;
    add.s64 %rd1, %rd1, %rd2;
    mov.u32 %r2, cells;
    shl.b32 %r3, %r1, 2;
    add.u32 %r2, %r2, %r3;
    {}
    st.global.u32 [%rd1], %r20;
    ret;)",
                                                           body)));
  const uint64_t out = test.upload(std::vector<uint32_t>(threads));
  const auto fault = test.run(test.launch({out}, {}, {threads, 1, 1}));
  EXPECT_FALSE(fault) << fault->report();
  return test.download<uint32_t>(out, threads);
}

TEST(Barrier, OrdersSharedMemoryBetweenWarps) {
  const auto result = run_cta(R"(
    st.shared.u32 [%r2], %r1;
    bar.sync 0;
    xor.b32 %r4, %r3, 1020;
    mov.u32 %r5, cells;
    add.u32 %r5, %r5, %r4;
    ld.shared.u32 %r20, [%r5];
  )",
                              256);
  EXPECT_EQ(result[0], 255U);
  EXPECT_EQ(result[255], 0U);
}
TEST(Barrier, CountsThreadsOfAPartialWarp) {
  EXPECT_EQ(run_cta("bar.sync 0; mov.u32 %r20, 1;", 100)[99], 1U);
}
TEST(Barrier, LetsProducersArriveWithoutWaiting) {
  const auto result = run_cta(R"(
    setp.lt.u32 %p1, %r1, 32;
    @%p1 bra consumer;
    st.shared.u32 [%r2], 7;
    bar.arrive 1, 64;
    mov.u32 %r20, 0;
    bra end;
  consumer:
    bar.sync 1, 64;
    ld.shared.u32 %r20, [%r2+128];
  end:
  )",
                              64);
  EXPECT_EQ(result[0], 7U);
}
TEST(Barrier, ReducesPredicates) {
  const auto result = run_cta(R"(
    setp.lt.u32 %p1, %r1, 40;
    bar.red.popc.u32 %r4, 0, %p1;
    bar.red.and.pred %p2, 0, %p1;
    bar.red.or.pred %p3, 0, %p1;
    selp.u32 %r5, 1000, 0, %p2;
    selp.u32 %r6, 2000, 0, %p3;
    add.u32 %r20, %r4, %r5;
    add.u32 %r20, %r20, %r6;
  )",
                              96);
  EXPECT_EQ(result[95], 2040U);
}
TEST(Barrier, CountsOnlyThreadsThatHaveNotExited) {
  const auto result = run_cta(R"(
    setp.ge.u32 %p1, %r1, 32;
    @%p1 exit;
    bar.sync 0;
    mov.u32 %r20, 3;
  )",
                              64);
  EXPECT_EQ(result[0], 3U);
}
TEST(Barrier, SynchronizesAWarpFromDifferentPlaces) {
  const auto result = run_cta(R"(
    setp.lt.u32 %p1, %r1, 16;
    @%p1 bra low;
    st.shared.u32 [%r2], 5;
    bar.warp.sync 0xffffffff;
    mov.u32 %r20, 0;
    bra end;
  low:
    bar.warp.sync 0xffffffff;
    ld.shared.u32 %r20, [%r2+64];
  end:
  )",
                              32);
  EXPECT_EQ(result[0], 5U);
}
TEST(Barrier, WaitsPerThreadWhereItIsNotAligned) {
  const auto result = run_cta(R"(
    setp.lt.u32 %p1, %r1, 16;
    @%p1 bra low;
    barrier.sync 3;
    mov.u32 %r20, 1;
    bra end;
  low:
    barrier.sync 3;
    mov.u32 %r20, 2;
  end:
  )",
                              64);
  EXPECT_EQ(result[0], 2U);
  EXPECT_EQ(result[63], 1U);
}

TEST(Cluster, ReadsTheSharedMemoryOfAnotherCta) {
  TestDevice test(module_of(".param .u64 out", R"(
    .shared .align 4 .b8 cell[4];
    ld.param.u64 %rd1, [out];
    mov.u32 %r1, %cluster_ctarank;
    mov.u32 %r2, %clusterid.x;
    mov.u32 %r3, %ctaid.x;
    add.u32 %r4, %r3, 10;
    st.shared.u32 [cell], %r4;
    barrier.cluster.arrive.release.aligned;
    barrier.cluster.wait.acquire.aligned;
    xor.b32 %r5, %r1, 1;
    mov.u32 %r6, cell;
    mapa.shared::cluster.u32 %r7, %r6, %r5;
    ld.shared::cluster.u32 %r8, [%r7];
    getctarank.shared::cluster.u32 %r9, %r7;
    mul.lo.u32 %r9, %r9, 100;
    add.u32 %r8, %r8, %r9;
    mul.wide.u32 %rd2, %r3, 4;
    add.s64 %rd1, %rd1, %rd2;
    st.global.u32 [%rd1], %r8;
    barrier.cluster.arrive;
    barrier.cluster.wait;
    ret;)"));
  const uint64_t out = test.upload(std::vector<uint32_t>(4));
  auto launch = test.launch({out}, {4, 1, 1});
  launch.cluster = {2, 1, 1};
  const auto fault = test.run(std::move(launch));
  ASSERT_FALSE(fault) << fault->report();
  EXPECT_EQ(test.download<uint32_t>(out, 4), (std::vector<uint32_t>{111, 10, 113, 12}));
}
TEST(Cluster, AddsAtomicallyToAnotherCta) {
  TestDevice test(module_of(".param .u64 out", R"(
    .shared .align 4 .b8 cell[4];
    ld.param.u64 %rd1, [out];
    st.shared.u32 [cell], 0;
    barrier.cluster.arrive;
    barrier.cluster.wait;
    mov.u32 %r6, cell;
    cvt.u64.u32 %rd3, %r6;
    cvta.shared.u64 %rd3, %rd3;
    mapa.u64 %rd4, %rd3, 0;
    atom.add.u32 %r8, [%rd4], 1;
    barrier.cluster.arrive;
    barrier.cluster.wait;
    mov.u32 %r1, %cluster_ctarank;
    setp.ne.u32 %p1, %r1, 0;
    @%p1 exit;
    ld.shared.u32 %r2, [cell];
    st.global.u32 [%rd1], %r2;
    ret;)"));
  const uint64_t out = test.upload(std::vector<uint32_t>(1));
  auto launch = test.launch({out}, {4, 1, 1});
  launch.cluster = {4, 1, 1};
  const auto fault = test.run(std::move(launch));
  ASSERT_FALSE(fault) << fault->report();
  EXPECT_EQ(test.download<uint32_t>(out, 1)[0], 128U);
}
TEST(SpecialRegisters, DescribeThreadAndGrid) {
  TestDevice test(module_of(".param .u64 out", R"(
    ld.param.u64 %rd1, [out];
    mov.u32 %r1, %tid.y;
    mov.u32 %r2, %ctaid.z;
    mov.u32 %r3, %ntid.x;
    mov.u32 %r4, %nctaid.z;
    mov.u32 %r5, %lanemask_lt;
    mov.u32 %r6, %warpid;
    mov.u64 %rd5, %clock64;
    setp.ne.u32 %p1, %r6, 1;
    setp.ne.or.u32 %p1, %r5, 0x7fffffff, %p1;
    @%p1 exit;
    mul.wide.u32 %rd3, %r2, 32;
    add.s64 %rd1, %rd1, %rd3;
    st.global.v4.u32 [%rd1], {%r1, %r2, %r3, %r4};
    st.global.v2.u32 [%rd1+16], {%r5, %r6};
    ret;)"));
  // The last thread of each CTA describes itself in a place of its own.
  const uint64_t out = test.upload(std::vector<uint32_t>(24));
  ASSERT_FALSE(test.run(test.launch({out}, {1, 1, 3}, {16, 4, 1})));
  std::vector<uint32_t> expected;
  for (uint32_t cta = 0; cta < 3; ++cta) {
    expected.insert(expected.end(), {3, cta, 16, 3, 0x7fffffffU, 1, 0, 0});
  }
  EXPECT_EQ(test.download<uint32_t>(out, 24), expected);
}

}  // namespace
}  // namespace slipstream::emulator
