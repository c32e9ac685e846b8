// The race check of shared memory: what orders warps, and what goes on without them.
#include <gtest/gtest.h>

#include <algorithm>

#include "emulator/machine/race_program.h"

namespace slipstream::emulator::shared_race_test {
namespace {

class SharedRaces : public RaceTest {
 protected:
  // Each body with something in its place: what orders, or nothing.
  std::vector<RaceFinding> with(std::string_view body, std::string_view order) {
    std::string text(body);
    text.replace(text.find("{}"), 2, order);
    return run_one(text);
  }
};

bool says(const std::vector<RaceFinding>& found, std::string_view text) {
  return std::any_of(found.begin(), found.end(), [&](const RaceFinding& one) {
    return one.missing.find(text) != std::string::npos;
  });
}

bool has_kind(const std::vector<RaceFinding>& found, std::string_view kind) {
  return std::any_of(found.begin(), found.end(),
                     [&](const RaceFinding& one) { return one.kind == kind; });
}

constexpr std::string_view kExchange =
    "  st.shared.u32 [%r20], %r1;\n  {}\n  ld.shared.u32 %r5, [%r21];\n";

// --- Barriers.

TEST_F(SharedRaces, FindsAMissingBarrierBetweenWarps) {
  const auto found = with(kExchange, "");
  const auto read = std::find_if(found.begin(), found.end(), [](const RaceFinding& one) {
    return one.kind == "read-after-write";
  });
  ASSERT_NE(read, found.end());
  EXPECT_EQ(read->severity, "error");
  EXPECT_NE(read->missing.find("warps of one CTA need a barrier"), std::string::npos);
  EXPECT_EQ(read->allocation, "tile (4096 bytes of shared memory)");
  EXPECT_EQ(read->offset, 0U);
  EXPECT_EQ(read->first.thread[0], 0U);
  EXPECT_EQ(read->second.thread[0], 32U);
  EXPECT_EQ(read->first.action, "writes");
  EXPECT_NE(read->first.instruction.find("st.shared"), std::string::npos);
  EXPECT_NE(read->second.instruction.find("ld.shared"), std::string::npos);
  EXPECT_NE(read->first.ptx_line, read->second.ptx_line);
}

TEST_F(SharedRaces, TakesABarrierForOrder) {
  EXPECT_TRUE(with(kExchange, "bar.sync 0;").empty());
  EXPECT_TRUE(with(kExchange, "bar.red.popc.u32 %r9, 0, %p1;").empty());
  EXPECT_FALSE(with(kExchange, "bar.warp.sync 0xffffffff;").empty());
}

TEST_F(SharedRaces, WantsABarrierBetweenAReadAndTheNextWriteToo) {
  constexpr std::string_view kBody =
      "  st.shared.u32 [%r20], %r2;\n  bar.sync 0;\n  ld.shared.u32 %r5, [%r21];\n  {}\n"
      "  add.u32 %r6, %r1, 1;\n  st.shared.u32 [%r20], %r6;\n";
  EXPECT_TRUE(has_kind(with(kBody, ""), "write-after-read"));
  EXPECT_TRUE(with(kBody, "bar.sync 0;").empty());
}

TEST_F(SharedRaces, TakesAnArrivalAtANamedBarrierForOrderInOneDirection) {
  // Warp 0 hands over to warp 1.
  constexpr std::string_view kBody = R"(
  setp.lt.u32 %p2, %r1, 32;
  @!%p2 bra consumer;
  st.shared.u32 [%r20], %r1;
  bar.arrive 1, 64;
  {}
  bra over;
consumer:
  bar.sync 1, 64;
  ld.shared.u32 %r5, [%r21];
over:
  bar.sync 2, 64;
)";
  EXPECT_TRUE(with(kBody, "").empty());
  EXPECT_FALSE(with(kBody, "add.u32 %r6, %r1, 1; st.shared.u32 [%r20], %r6;").empty());
}

TEST_F(SharedRaces, TakesTheExitOfAWarpForOrder) {
  constexpr std::string_view kBody = R"(
  st.shared.u32 [%r20], %r1;
  setp.ge.u32 %p2, %r1, 32;
  @%p2 ret;
  {}
  ld.shared.u32 %r5, [%r21];
)";
  EXPECT_TRUE(with(kBody, "bar.sync 0;").empty());
}

TEST_F(SharedRaces, SaysNothingOfLanesOfOneWarp) {
  EXPECT_TRUE(run_one("  xor.b32 %r6, %r1, 1;\n  mad.lo.u32 %r7, %r6, 4, %r19;\n"
                      "  st.shared.u32 [%r20], %r1;\n  ld.shared.u32 %r5, [%r7];\n")
                  .empty());
}

TEST_F(SharedRaces, TellsBytesOfAWordApart) {
  // Warp w writes byte w of each word.
  constexpr std::string_view kBody = R"(
  and.b32 %r6, %r1, 31;
  shr.u32 %r7, %r1, 5;
  mad.lo.u32 %r8, %r6, 4, %r19;
  add.u32 %r9, %r8, %r7;
  st.shared.u8 [%r9], %r1;
  {}
)";
  EXPECT_TRUE(with(kBody, "").empty());
  const auto found = with(kBody, "ld.shared.u8 %r5, [%r8];");
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].offset, 0U);
  EXPECT_TRUE(with(kBody, "bar.sync 0; ld.shared.u32 %r5, [%r8];").empty());
}

TEST_F(SharedRaces, TellsThatAStoreWritesWhatIsThere) {
  const auto found = run_one("  mov.u32 %r9, 7;\n  st.shared.u32 [%r19], %r9;\n");
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].special, "same-value");
  EXPECT_EQ(found[0].severity, "warning");
}

TEST_F(SharedRaces, ForgetsTheCtaThatHadTheMemoryBefore) {
  EXPECT_TRUE(run_one("  st.shared.u32 [%r20], %r1;\n", 3).empty());
  EXPECT_TRUE(run({kernel("k", "  st.shared.u32 [%r20], %r1;\n"),
                   kernel("l", "  ld.shared.u32 %r5, [%r21];\n")},
                  {{"k"}, {"l"}})
                  .empty());
}

// --- Atomics and flags.

TEST_F(SharedRaces, TakesAtomicsForNoRaceAmongThemselves) {
  EXPECT_TRUE(run_one("  atom.shared.add.u32 %r5, [%r19], 1;\n").empty());
  const auto found =
      run_one("  atom.shared.add.u32 %r5, [%r19], 1;\n  ld.shared.u32 %r6, [%r19];\n");
  ASSERT_FALSE(found.empty());
  EXPECT_EQ(found[0].special, "atomic");
}

TEST_F(SharedRaces, WantsAFenceBeforeAFlag) {
  // Warp 0 writes and sets the flag after the tile; warp 1 waits for it and reads.
  constexpr std::string_view kBody = R"(
  setp.ge.u32 %p2, %r1, 32;
  mov.u32 %r6, 1;
  mov.u32 %r7, 0;
  @%p1 st.shared.u32 [%r19+2048], %r7;
  bar.sync 0;
  @%p2 bra reader;
  st.shared.u32 [%r20], %r1;
  bar.warp.sync 0xffffffff;
  {}
  @%p1 st.volatile.shared.u32 [%r19+2048], %r6;
  ret;
reader:
  ld.volatile.shared.u32 %r8, [%r19+2048];
  setp.eq.u32 %p3, %r8, 0;
  @%p3 bra reader;
  ld.shared.u32 %r5, [%r21];
)";
  EXPECT_TRUE(with(kBody, "membar.cta;").empty());
  EXPECT_TRUE(with(kBody, "fence.acq_rel.gpu;").empty());
  const auto found = with(kBody, "");
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].kind, "read-after-write");
}

// --- Asynchronous copies.

constexpr std::string_view kCopy = R"(
  cp.async.ca.shared.global [%r20], [%rd3], 4;
  cp.async.commit_group;
  {}
  ld.shared.u32 %r5, [%r21];
)";

TEST_F(SharedRaces, WantsAWaitForCpAsyncAndABarrierAfterIt) {
  EXPECT_TRUE(with(kCopy, "cp.async.wait_group 0; bar.sync 0;").empty());
  EXPECT_TRUE(with(kCopy, "cp.async.wait_all; bar.sync 0;").empty());
  EXPECT_TRUE(says(with(kCopy, "bar.sync 0;"), "cp.async.wait_group"));
  EXPECT_TRUE(says(with(kCopy, "cp.async.wait_group 1; bar.sync 0;"), "cp.async.wait_group"));
  EXPECT_TRUE(says(with(kCopy, "cp.async.wait_group 0;"), "warps of one CTA need a barrier"));
}

TEST_F(SharedRaces, WantsAWaitForCpAsyncFromItsOwnWarpToo) {
  constexpr std::string_view kBody =
      "  cp.async.ca.shared.global [%r20], [%rd3], 4;\n  cp.async.commit_group;\n  {}\n"
      "  ld.shared.u32 %r5, [%r20];\n";
  EXPECT_TRUE(with(kBody, "cp.async.wait_group 0;").empty());
  EXPECT_TRUE(says(with(kBody, ""), "cp.async.wait_group"));
}

TEST_F(SharedRaces, LetsTheYoungestGroupsOfCpAsyncGoOn) {
  constexpr std::string_view kBody = R"(
  cp.async.ca.shared.global [%r20], [%rd3], 4;
  cp.async.commit_group;
  cp.async.ca.shared.global [%r20+256], [%rd3], 4;
  cp.async.commit_group;
  cp.async.wait_group 1;
  {}
)";
  EXPECT_TRUE(with(kBody, "ld.shared.u32 %r5, [%r20];").empty());
  EXPECT_FALSE(with(kBody, "ld.shared.u32 %r5, [%r20+256];").empty());
}

TEST_F(SharedRaces, TakesAnMbarrierThatCpAsyncArrivesAtForOrder) {
  constexpr std::string_view kBody = R"(
  mov.u32 %r10, barrier;
  @%p1 mbarrier.init.shared.b64 [%r10], 64;
  bar.sync 0;
  cp.async.ca.shared.global [%r20], [%rd3], 4;
  {}
again:
  mbarrier.try_wait.parity.shared.b64 %p2, [%r10], 0;
  @!%p2 bra again;
  ld.shared.u32 %r5, [%r21];
)";
  EXPECT_TRUE(with(kBody, "cp.async.mbarrier.arrive.noinc.shared.b64 [%r10];").empty());
  EXPECT_TRUE(says(with(kBody, "mbarrier.arrive.shared.b64 %rd9, [%r10];"), "cp.async"));
}

// Thread 0 fills the tile by a bulk copy that the mbarrier counts.
std::string bulk_copy(std::string_view before, std::string_view after) {
  return fmt::format(R"(
  mov.u32 %r10, barrier;
  @%p1 mbarrier.init.shared.b64 [%r10], 1;
  bar.sync 0;
  {}
  @!%p1 bra issued;
  mbarrier.arrive.expect_tx.shared.b64 %rd9, [%r10], 256;
  cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%r19], [%rd1], 256, [%r10];
issued:
  {}
  ld.shared.u32 %r5, [%r20];
again:
  mbarrier.try_wait.parity.shared.b64 %p3, [%r10], 0;
  @!%p3 bra again;
)",
                     before, after);
}
constexpr std::string_view kWaitForPhase =
    "wait: mbarrier.try_wait.parity.shared.b64 %p2, [%r10], 0; @!%p2 bra wait;";

TEST_F(SharedRaces, WantsAWaitForTheMbarrierThatCountsABulkCopy) {
  EXPECT_TRUE(run_one(bulk_copy("", kWaitForPhase)).empty());
  const auto found = run_one(bulk_copy("", "bar.sync 0;"));
  ASSERT_FALSE(found.empty());
  EXPECT_TRUE(says(found, "mbarrier"));
  EXPECT_EQ(found[0].kind, "read-after-write");
}

TEST_F(SharedRaces, FindsABulkCopyIntoWhatOthersStillRead) {
  constexpr std::string_view kRead =
      "st.shared.u32 [%r20], %r1; bar.sync 0; ld.shared.u32 %r5, [%r21];";
  EXPECT_FALSE(run_one(bulk_copy(kRead, kWaitForPhase)).empty());
  EXPECT_TRUE(run_one(bulk_copy(std::string(kRead) + " bar.sync 0;", kWaitForPhase)).empty());
}

TEST_F(SharedRaces, WantsAWaitBeforeTheSourceOfABulkStoreIsWrittenAgain) {
  constexpr std::string_view kBody = R"(
  st.shared.u32 [%r20], %r1;
  bar.sync 0;
  @!%p1 bra over;
  cp.async.bulk.global.shared::cta.bulk_group [%rd2], [%r19], 256;
  cp.async.bulk.commit_group;
  {}
over:
  bar.sync 0;
  add.u32 %r6, %r1, 1;
  st.shared.u32 [%r20], %r6;
)";
  EXPECT_TRUE(with(kBody, "cp.async.bulk.wait_group.read 0;").empty());
  EXPECT_TRUE(with(kBody, "cp.async.bulk.wait_group 0;").empty());
  EXPECT_TRUE(says(with(kBody, ""), "cp.async.bulk.wait_group"));
}

// --- Products of a warpgroup.

TEST_F(SharedRaces, WantsAWaitBeforeTheOperandsOfAProductAreWrittenAgain) {
  const auto product = [&](std::string_view order) {
    const std::string body = fmt::format(R"(
  .reg .f32 %f<8>;
  mov.f32 %f0, 0f00000000; mov.f32 %f1, %f0; mov.f32 %f2, %f0; mov.f32 %f3, %f0;
  mov.u32 %r7, 0;
  mad.lo.u32 %r6, %r1, 16, %r19;
  st.shared.v4.u32 [%r6], {{%r7, %r7, %r7, %r7}};
  st.shared.v4.u32 [%r6+2048], {{%r7, %r7, %r7, %r7}};
  bar.sync 0;
  shr.u32 %r8, %r19, 4;
  cvt.u64.u32 %rd10, %r8;
  mov.u64 %rd11, 0x0000001000080000;
  or.b64 %rd12, %rd10, %rd11;
  setp.ne.u32 %p4, %r7, 0;
  wgmma.fence.sync.aligned;
  wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {{%f0, %f1, %f2, %f3}}, %rd12, %rd12, %p4, 1, 1, 0, 0;
  wgmma.commit_group.sync.aligned;
  {}
  st.shared.v4.u32 [%r6], {{%r1, %r1, %r1, %r1}};
  wgmma.wait_group.sync.aligned 0;
)",
                                         order);
    return run({kernel("k", body)}, {{.name = "k", .threads = 128}});
  };
  EXPECT_TRUE(product("wgmma.wait_group.sync.aligned 0; bar.sync 0;").empty());
  EXPECT_TRUE(says(product("bar.sync 0;"), "wgmma.wait_group"));
}

// --- Clusters.

TEST_F(SharedRaces, WantsAClusterBarrierBetweenCtas) {
  const auto exchange = [&](std::string_view order) {
    return run_one(fmt::format(R"(
  xor.b32 %r6, %r2, 1;
  mapa.shared::cluster.u32 %r7, %r20, %r6;
  add.u32 %r8, %r1, %r2;
  add.u32 %r8, %r8, 1;
  st.shared::cluster.u32 [%r7], %r8;
  {}
  ld.shared.u32 %r5, [%r20];
)",
                               order),
                   2, 2);
  };
  EXPECT_TRUE(says(exchange("bar.sync 0;"), "CTAs of one cluster need a cluster barrier"));
  EXPECT_TRUE(exchange("barrier.cluster.arrive.aligned; barrier.cluster.wait.aligned;").empty());
}

}  // namespace
}  // namespace slipstream::emulator::shared_race_test
