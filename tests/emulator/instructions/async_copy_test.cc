#include <gtest/gtest.h>

#include "lane_program.h"

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

FaultKind fault_of(std::string_view copy) {
  TestDevice test(module_of(".param .u64 in", fmt::format(R"(
    .shared .align 16 .b8 tile[64];
    .shared .align 8 .b64 barrier;
    ld.param.u64 %rd1, [in];
    mov.u32 %r1, barrier;
    mov.u32 %r2, tile;
    mbarrier.init.shared::cta.b64 [%r1], 1;
    {}
    ret;)",
                                                          copy)));
  const auto fault = test.run(test.launch({test.upload(std::vector<uint32_t>(16))}, {}, {1, 1, 1}));
  EXPECT_TRUE(fault);
  return fault ? fault->kind : FaultKind::kTrap;
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

TEST(BulkCopy, ChecksBoundsAlignmentAndSize) {
  constexpr std::string_view kCopy =
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%r2], [%rd1+{}], {}, "
      "[%r1];";
  EXPECT_EQ(fault_of(fmt::format(fmt::runtime(kCopy), 16, 64)), FaultKind::kOutOfBounds);
  EXPECT_EQ(fault_of(fmt::format(fmt::runtime(kCopy), 4, 16)), FaultKind::kMisaligned);
  EXPECT_EQ(fault_of(fmt::format(fmt::runtime(kCopy), 0, 24)), FaultKind::kIllegalInstruction);
}

TEST(BulkCopy, PrefetchesOnlyWhatExists) {
  EXPECT_EQ(fault_of("cp.async.bulk.prefetch.L2.global [%rd1], 80;"), FaultKind::kOutOfBounds);
}

TEST(BulkCopy, ReachesEveryCtaOfItsMask) {
  TestDevice test(module_of(".param .u64 in, .param .u64 out", R"(
    .shared .align 16 .b8 tile[16];
    .shared .align 8 .b64 barrier;
    ld.param.u64 %rd1, [in];
    ld.param.u64 %rd2, [out];
    mov.u32 %r1, barrier;
    mov.u32 %r2, tile;
    mov.u32 %r3, %cluster_ctarank;
    mbarrier.init.shared::cta.b64 [%r1], 1;
    mbarrier.arrive.expect_tx.shared::cta.b64 %rd3, [%r1], 16;
    barrier.cluster.arrive;
    barrier.cluster.wait;
    setp.ne.u32 %p1, %r3, 0;
    @%p1 bra wait;
    mov.b16 %h1, 3;
    cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster [%r2], [%rd1], 16, [%r1], %h1;
  wait:
    mbarrier.try_wait.parity.shared::cta.b64 %p2, [%r1], 0;
    @!%p2 bra wait;
    ld.shared.u32 %r20, [%r2+4];
    mul.wide.u32 %rd4, %r3, 4;
    add.s64 %rd2, %rd2, %rd4;
    st.global.u32 [%rd2], %r20;
    barrier.cluster.arrive;
    barrier.cluster.wait;
    ret;)"));
  const uint64_t out = test.upload(std::vector<uint32_t>(2));
  KernelLaunch launch =
      test.launch({test.upload(std::vector<uint32_t>{1, 2, 3, 4}), out}, {2, 1, 1}, {1, 1, 1});
  launch.cluster = Dim3{2, 1, 1};
  const auto fault = test.run(std::move(launch));
  EXPECT_FALSE(fault) << fault->report();
  EXPECT_EQ(test.download<uint32_t>(out, 2), (std::vector<uint32_t>{2, 2}));
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

Settings scheduled(Schedule schedule) {
  Settings settings;
  settings.schedule = schedule;
  return settings;
}

const std::string kTileAndBarrier = R"(
    .shared .align 16 .b8 tile[64];
    .shared .align 8 .b64 barrier;
    ld.param.u64 %rd1, [in];
    ld.param.u64 %rd2, [out];
    mov.u32 %r1, barrier;
    mov.u32 %r2, tile;
)";

// One thread copies from %rd1, which holds 1000, 1001 and so on, to `tile` at %r2; `barrier` at %r1
// expects one arrival. Gives what `body` leaves in %r20.
uint32_t copy_and_read(const std::string& body, Schedule schedule) {
  TestDevice test(module_of(".param .u64 in, .param .u64 out", kTileAndBarrier + R"(
    mbarrier.init.shared::cta.b64 [%r1], 1;
)" + body + "st.global.u32 [%rd2], %r20; ret;"),
                  scheduled(schedule));
  std::vector<uint32_t> values(16);
  for (uint32_t i = 0; i < values.size(); ++i) values[i] = 1000 + i;
  const uint64_t in = test.upload(values);
  const uint64_t out = test.upload(std::vector<uint32_t>(1));
  const auto fault = test.run(test.launch({in, out}, {}, {1, 1, 1}));
  EXPECT_FALSE(fault) << fault->report();
  return test.download<uint32_t>(out, 1).front();
}

uint32_t late(const std::string& body) { return copy_and_read(body, Schedule::kAdversarial); }

constexpr uint32_t kNoNumber = 0xffffffff;
const std::string kReadTile = "ld.shared.u32 %r20, [%r2];\n";
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

const std::string kBulkCopy =
    "mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r1], 16;\n"
    "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%r2], [%rd1], 16, [%r1];\n";
const std::string kBulkWait =
    "again: mbarrier.try_wait.parity.shared::cta.b64 %p1, [%r1], 0;\n@!%p1 bra again;\n";

TEST(LateCopies, InBulkAreNotThereBeforeTheirMbarrierIsWaitedFor) {
  EXPECT_EQ(late(kBulkCopy + kReadTile), kNoNumber);
  EXPECT_EQ(late(kBulkCopy + kBulkWait + kReadTile), 1000U);
}

TEST(LateCopies, WakeThoseWhoWaitAlready) {
  TestDevice test(module_of(".param .u64 in, .param .u64 out", kTileAndBarrier + R"(
    mov.u32 %r3, %tid.x;
    setp.ne.u32 %p2, %r3, 0;
    @%p2 bra initialized;
    mbarrier.init.shared::cta.b64 [%r1], 1;
initialized:
    bar.sync 0;
    setp.ne.u32 %p2, %r3, 32;
    @%p2 bra again;
)" + kBulkCopy + kBulkWait + kReadTile +
                                                                   R"(
    mul.wide.u32 %rd3, %r3, 4;
    add.s64 %rd2, %rd2, %rd3;
    st.global.u32 [%rd2], %r20;
    ret;)"),
                  scheduled(Schedule::kAdversarial));
  const uint64_t in = test.upload(std::vector<uint32_t>(16, 1000));
  const uint64_t out = test.upload(std::vector<uint32_t>(64));
  const auto fault = test.run(test.launch({in, out}, {}, {64, 1, 1}));
  ASSERT_FALSE(fault) << fault->report();
  EXPECT_EQ(test.download<uint32_t>(out, 64), std::vector<uint32_t>(64, 1000));
}

}  // namespace
}  // namespace slipstream::emulator
