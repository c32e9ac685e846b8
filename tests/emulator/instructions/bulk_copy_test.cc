#include <gtest/gtest.h>

#include "copy_program.h"

namespace slipstream::emulator::bulk_copy_test {
namespace {

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

// --- When copies arrive.

const std::string kBulkCopy =
    "mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r1], 16;\n"
    "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%r2], [%rd1], 16, [%r1];\n";
const std::string kBulkWait =
    "again: mbarrier.try_wait.parity.shared::cta.b64 %p1, [%r1], 0;\n@!%p1 bra again;\n";

TEST(LateCopies, InBulkAreNotThereBeforeTheirMbarrierIsWaitedFor) {
  EXPECT_EQ(late(kBulkCopy + kReadTile + kBulkWait), kNoNumber);
  EXPECT_EQ(late(kBulkCopy + kBulkWait + kReadTile), 1000U);
}

TEST(LateCopies, MustNotOutliveTheirCta) {
  TestDevice test(module_of(".param .u64 in", R"(
    .shared .align 16 .b8 tile[64];
    .shared .align 8 .b64 barrier;
    ld.param.u64 %rd1, [in];
    mov.u32 %r1, barrier;
    mov.u32 %r2, tile;
    mbarrier.init.shared::cta.b64 [%r1], 1;
)" + kBulkCopy + "ret;"),
                  scheduled(Schedule::kAdversarial));
  const auto fault = test.run(test.launch({test.upload(std::vector<uint32_t>(16))}, {}, {1, 1, 1}));
  ASSERT_TRUE(fault);
  EXPECT_EQ(fault->kind, FaultKind::kUseAfterFree);
  EXPECT_NE(fault->message.find("the CTA ends while a copy of 16 bytes"), std::string::npos);
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

// --- Reductions and stores: 16 bytes at %r2, made of the words %r10 and up, join those at %rd2.

struct Stored {
  std::vector<uint32_t> global;
  std::optional<Fault> fault;
};

Stored store_words(std::string_view body, const std::vector<uint32_t>& old,
                   const std::vector<uint32_t>& values, Schedule schedule = Schedule::kSerial) {
  std::string fill;
  for (size_t i = 0; i < values.size(); ++i) {
    fill += fmt::format("    st.shared.u32 [%r2+{}], {};\n", 4 * i, values[i]);
  }
  TestDevice test(module_of(".param .u64 in, .param .u64 out",
                            fmt::format("{}{}{}\n ret;", kTileAndBarrier, fill, body)),
                  scheduled(schedule));
  const uint64_t out = test.upload(old);
  Stored stored;
  stored.fault = test.run(test.launch({out, out}, {}, {1, 1, 1}));
  stored.global = test.download<uint32_t>(out, old.size());
  return stored;
}

using Words = std::vector<uint32_t>;
const std::string kCommitAndWait = "cp.async.bulk.commit_group;\ncp.async.bulk.wait_group 0;\n";

Words reduce(std::string_view form, const Words& old, const Words& values,
             Schedule schedule = Schedule::kSerial) {
  const Stored stored = store_words(
      fmt::format("cp.reduce.async.bulk.global.shared::cta.bulk_group.{} [%rd2], [%r2], "
                  "16;\n{}",
                  form, kCommitAndWait),
      old, values, schedule);
  EXPECT_FALSE(stored.fault) << stored.fault->report();
  return stored.global;
}

TEST(BulkReduction, CombinesElementsOfItsType) {
  const Words old = {1, 0xffffffff, 5, 0x80000000};
  const Words values = {2, 3, 5, 9};
  for (const Schedule schedule : {Schedule::kSerial, Schedule::kAdversarial}) {
    EXPECT_EQ(reduce("add.u32", old, values, schedule), (Words{3, 2, 10, 0x80000009}));
    EXPECT_EQ(reduce("min.u32", old, values, schedule), (Words{1, 3, 5, 9}));
    EXPECT_EQ(reduce("min.s32", old, values, schedule), (Words{1, 0xffffffff, 5, 0x80000000}));
    EXPECT_EQ(reduce("max.s32", old, values, schedule), (Words{2, 3, 5, 9}));
    EXPECT_EQ(reduce("inc.u32", old, values, schedule), (Words{2, 0, 0, 0}));
    EXPECT_EQ(reduce("dec.u32", old, values, schedule), (Words{0, 3, 4, 9}));
    EXPECT_EQ(reduce("xor.b32", old, values, schedule), (Words{3, 0xfffffffc, 0, 0x80000009}));
    EXPECT_EQ(reduce("and.b64", old, values, schedule), (Words{0, 3, 5, 0}));
    EXPECT_EQ(reduce("add.u64", old, values, schedule), (Words{3, 2, 10, 0x80000009}));
    EXPECT_EQ(reduce("max.s64", old, values, schedule), (Words{2, 3, 5, 9}));
  }
}

TEST(BulkReduction, AddsFloats) {
  const Words ones(4, 0x3f800000);
  EXPECT_EQ(reduce("add.f32", ones, ones), Words(4, 0x40000000));
  EXPECT_EQ(reduce("add.f64", {0, 0x3ff00000, 0, 0x3ff00000}, {0, 0x3ff00000, 0, 0x3ff00000}),
            (Words{0, 0x40000000, 0, 0x40000000}));
  EXPECT_EQ(reduce("add.noftz.f16", Words(4, 0x3c003c00), Words(4, 0x40003c00)),
            Words(4, 0x42004000));
  EXPECT_EQ(reduce("add.noftz.bf16", Words(4, 0x3f803f80), Words(4, 0x3f800000)),
            Words(4, 0x40003f80));
  EXPECT_EQ(reduce("min.bf16", Words(4, 0x3f80bf80), Words(4, 0)), Words(4, 0x0000bf80));
}

TEST(BulkReduction, IntoSharedMemoryIsCountedByItsMbarrier) {
  const std::string body = R"(
    mbarrier.init.shared::cta.b64 [%r1], 1;
    mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r1], 16;
    st.shared.u32 [%r2+16], 1000;
    st.shared.u32 [%r2+20], 1000;
    st.shared.u32 [%r2+24], 1000;
    st.shared.u32 [%r2+28], 1000;
    add.u32 %r3, %r2, 16;
    cp.reduce.async.bulk.shared::cluster.shared::cta.mbarrier::complete_tx::bytes.max.u32 [%r3], [%r2], 16, [%r1];
again: mbarrier.try_wait.parity.shared::cta.b64 %p1, [%r1], 0;
    @!%p1 bra again;
    ld.shared.v4.u32 {%r20, %r21, %r22, %r23}, [%r3];
    st.global.v4.u32 [%rd2], {%r20, %r21, %r22, %r23};
)";
  for (const Schedule schedule : {Schedule::kSerial, Schedule::kAdversarial}) {
    const Stored stored = store_words(body, Words(4), {5, 2000, 7, 3000}, schedule);
    EXPECT_FALSE(stored.fault) << stored.fault->report();
    EXPECT_EQ(stored.global, (Words{1000, 2000, 1000, 3000}));
  }
}

const std::string kStore = "cp.async.bulk.global.shared::cta.bulk_group [%rd2], [%r2], 16;\n";
const std::string kCommitStores = "cp.async.bulk.commit_group;\n";
const std::string kOverwrite = "st.shared.u32 [%r2], 7;\n";

uint32_t first_word(const std::string& body, Schedule schedule = Schedule::kAdversarial) {
  const Stored stored = store_words(body, Words(4), Words(4, 5), schedule);
  EXPECT_FALSE(stored.fault) << stored.fault->report();
  return stored.global.front();
}

TEST(LateBulkStores, ReadSharedMemoryWhenTheirGroupIsWaitedFor) {
  const std::string whole = "cp.async.bulk.wait_group 0;\n";
  const std::string read = "cp.async.bulk.wait_group.read 0;\n";
  EXPECT_EQ(first_word(kStore + kCommitStores + kOverwrite + whole, Schedule::kSerial), 5U);
  EXPECT_EQ(first_word(kStore + kCommitStores + kOverwrite + whole), 7U);
  EXPECT_EQ(first_word(kStore + kCommitStores + whole + kOverwrite), 5U);
  EXPECT_EQ(first_word(kStore + kCommitStores + read + kOverwrite), 5U);
  // Not committed: nobody has waited for it.
  EXPECT_EQ(first_word(kStore + read + kOverwrite), 7U);
}

TEST(LateBulkStores, OfTheYoungestGroupsStayPending) {
  const std::string wait = "cp.async.bulk.wait_group.read 1;\n";
  EXPECT_EQ(first_word(kStore + kCommitStores + wait + kOverwrite), 7U);
  EXPECT_EQ(first_word(kStore + kCommitStores + kCommitStores + wait + kOverwrite), 5U);
}

TEST(LateBulkStores, WriteGlobalMemoryWhenTheWholeIsWaitedFor) {
  const std::string look = "ld.global.u32 %r20, [%rd2];\nst.global.u32 [%rd2+4], %r20;\n";
  const auto seen = [&](const std::string& wait) {
    // The word at +4 is written by the copy, too: only what comes after the copy remains.
    const std::string last = "cp.async.bulk.wait_group 0;\nst.global.u32 [%rd2+4], %r20;\n";
    const Stored stored = store_words(kStore + kCommitStores + wait + look + last, Words(4),
                                      Words(4, 5), Schedule::kAdversarial);
    EXPECT_FALSE(stored.fault) << stored.fault->report();
    return stored.global[1];
  };
  EXPECT_EQ(seen("cp.async.bulk.wait_group.read 0;\n"), 0U);
  EXPECT_EQ(seen("cp.async.bulk.wait_group 0;\n"), 5U);
}

TEST(LateBulkStores, TakePlaceAtTheirThreadsExitAtTheLatest) {
  EXPECT_EQ(first_word(kStore), 5U);
  EXPECT_EQ(first_word(kStore + kCommitStores), 5U);
}

}  // namespace
}  // namespace slipstream::emulator::bulk_copy_test
