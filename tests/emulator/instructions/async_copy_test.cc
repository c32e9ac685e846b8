#include <gtest/gtest.h>

#include "copy_program.h"

namespace slipstream::emulator {
namespace {

// 32 lanes copy 16 bytes each with `copy` (to %r2, from %rd1), and give the last word of theirs.
std::vector<uint32_t> copy_lanes(std::string_view copy) {
  TestDevice test(module_of(".param .u64 in, .param .u64 out", fmt::format(R"(
    .shared .align 16 .b8 tile[512];
    ld.param.u64 %rd1, [in];
    ld.param.u64 %rd2, [out];
    mov.u32 %r1, %tid.x;
    mul.wide.u32 %rd3, %r1, 16;
    add.s64 %rd1, %rd1, %rd3;
    mul.wide.u32 %rd3, %r1, 4;
    add.s64 %rd2, %rd2, %rd3;
    shl.b32 %r3, %r1, 4;
    mov.u32 %r2, tile;
    add.u32 %r2, %r2, %r3;
    setp.gt.u32 %p1, %r1, 15;
    {}
    cp.async.commit_group;
    cp.async.wait_group 0;
    ld.shared.u32 %r20, [%r2+12];
    st.global.u32 [%rd2], %r20;
    ret;)",
                                                                           copy)));
  std::vector<uint32_t> values(128);
  for (uint32_t i = 0; i < values.size(); ++i) {
    values[i] = 1000 + i;
  }
  const uint64_t out = test.upload(std::vector<uint32_t>(32));
  const auto fault = test.run(test.launch({test.upload(values), out}));
  EXPECT_FALSE(fault) << fault->report();
  return test.download<uint32_t>(out, 32);
}

TEST(AsyncCopy, CopiesSixteenBytesPerLane) {
  const auto result = copy_lanes("cp.async.cg.shared.global.L2::128B [%r2], [%rd1], 16;");
  EXPECT_EQ(result[0], 1003U);
  EXPECT_EQ(result[31], 1127U);
}

TEST(AsyncCopy, FillsWhatItDoesNotReadWithZeros) {
  EXPECT_EQ(copy_lanes("cp.async.ca.shared.global [%r2], [%rd1], 16, 12;")[5], 0U);
  EXPECT_EQ(copy_lanes("cp.async.ca.shared.global [%r2], [%rd1], 16, 16;")[5], 1023U);
}

TEST(AsyncCopy, ReadsNothingWhereThePredicateHolds) {
  const auto result = copy_lanes("cp.async.cg.shared.global [%r2], [%rd1], 16, %p1;");
  EXPECT_EQ(result[15], 1063U);
  EXPECT_EQ(result[16], 0U);
}

TEST(AsyncCopy, ChecksBothAddresses) {
  EXPECT_EQ(fault_of("cp.async.cg.shared.global [%r2], [%rd1+64], 16;"), FaultKind::kOutOfBounds);
  EXPECT_EQ(fault_of("cp.async.cg.shared.global [%r2+8], [%rd1], 16;"), FaultKind::kMisaligned);
}

TEST(StoreAsync, ReachesAPeerAndIsCountedThere) {
  TestDevice test(module_of(".param .u64 out", R"(
    .shared .align 16 .b8 tile[16];
    .shared .align 8 .b64 barrier;
    ld.param.u64 %rd2, [out];
    mov.u32 %r1, barrier;
    mov.u32 %r2, tile;
    mov.u32 %r3, %cluster_ctarank;
    mbarrier.init.shared::cta.b64 [%r1], 1;
    mbarrier.arrive.expect_tx.shared::cta.b64 %rd3, [%r1], 16;
    barrier.cluster.arrive;
    barrier.cluster.wait;
    xor.b32 %r4, %r3, 1;
    mapa.shared::cluster.u32 %r5, %r2, %r4;
    mapa.shared::cluster.u32 %r6, %r1, %r4;
    add.u32 %r7, %r3, 10;
    add.u32 %r8, %r3, 20;
    st.async.shared::cluster.mbarrier::complete_tx::bytes.v2.u32 [%r5], {%r7, %r8}, [%r6];
    st.async.shared::cluster.mbarrier::complete_tx::bytes.b32 [%r5+8], %r7, [%r6];
    st.async.shared::cluster.mbarrier::complete_tx::bytes.b32 [%r5+12], %r8, [%r6];
  wait:
    mbarrier.try_wait.parity.shared::cta.b64 %p2, [%r1], 0;
    @!%p2 bra wait;
    ld.shared.u32 %r20, [%r2+4];
    ld.shared.u32 %r21, [%r2+8];
    mul.wide.u32 %rd4, %r3, 8;
    add.s64 %rd2, %rd2, %rd4;
    st.global.v2.u32 [%rd2], {%r20, %r21};
    barrier.cluster.arrive;
    barrier.cluster.wait;
    ret;)"));
  const uint64_t out = test.upload(std::vector<uint32_t>(4));
  KernelLaunch launch = test.launch({out}, {2, 1, 1}, {1, 1, 1});
  launch.cluster = Dim3{2, 1, 1};
  const auto fault = test.run(std::move(launch));
  EXPECT_FALSE(fault) << fault->report();
  EXPECT_EQ(test.download<uint32_t>(out, 4), (std::vector<uint32_t>{21, 11, 20, 10}));
}

// --- When copies arrive.

const std::string kCopy = "cp.async.ca.shared.global [%r2], [%rd1], 16; cp.async.commit_group;\n";
const std::string kCopyElsewhere =
    "cp.async.ca.shared.global [%r2+16], [%rd1], 16; cp.async.commit_group;\n";

TEST(LateCopies, ArriveAtOnceInOtherSchedules) {
  EXPECT_EQ(copy_and_read(kCopy + kReadTile, Schedule::kSerial), 1000U);
}

TEST(LateCopies, AreNotThereBeforeTheirGroupIsWaitedFor) {
  EXPECT_EQ(late(kCopy + kReadTile), kNoNumber);
  EXPECT_EQ(late(kCopy + "cp.async.wait_group 0;\n" + kReadTile), 1000U);
  EXPECT_EQ(late(kCopy + "cp.async.wait_all;\n" + kReadTile), 1000U);
}

TEST(LateCopies, OfTheYoungestGroupsStayPending) {
  const std::string wait = "cp.async.wait_group 1;\n";
  EXPECT_EQ(late(kCopy + wait + kReadTile), kNoNumber);
  EXPECT_EQ(late(kCopy + kCopyElsewhere + wait + kReadTile), 1000U);
  EXPECT_EQ(late(kCopyElsewhere + kCopy + wait + kReadTile), kNoNumber);
  // An empty group counts.
  EXPECT_EQ(late(kCopy + "cp.async.commit_group;\n" + wait + kReadTile), 1000U);
}

TEST(LateCopies, ThatWereNotCommittedNeedWaitAll) {
  const std::string copy = "cp.async.ca.shared.global [%r2], [%rd1], 16;\n";
  EXPECT_EQ(late(copy + "cp.async.wait_group 0;\n" + kReadTile), kNoNumber);
  EXPECT_EQ(late(copy + "cp.async.wait_all;\n" + kReadTile), 1000U);
}

}  // namespace
}  // namespace slipstream::emulator
