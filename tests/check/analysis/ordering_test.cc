// Which threads are ordered after the wait, and from where on.
#include <algorithm>
#include <ctime>

#include "ptx_kernel.h"

namespace slipstream::check {
namespace {

constexpr const char* kStore = "  st.global.u32 [%rd2], %r1;\n";

TEST(Ordering, AcceptsAWaitAtTheTop) {
  const Report report = check_kernel_text(
      "  griddepcontrol.wait;\n  ld.global.u32 %r3, [%rd1];\n  st.global.u32 [%rd2], %r3;\n");
  EXPECT_EQ(verdicts(report), Verdicts{});
}

TEST(Ordering, ReportsAReadAboveTheWait) {
  const Report report = check_kernel_text("  ld.global.u32 %r3, [%rd1];\n  griddepcontrol.wait;\n" +
                                          std::string(kStore));
  EXPECT_EQ(verdicts(report), Verdicts{"warning R1"});
  EXPECT_EQ(report.findings.front().subject, "parameter 0");
}

TEST(Ordering, ReportsAWriteAboveTheWait) {
  const Report report = check_kernel_text(kStore + std::string("  griddepcontrol.wait;\n"));
  EXPECT_EQ(verdicts(report), Verdicts{"error R6"});
}

TEST(Ordering, ReportsOnePointerOnce) {
  const Report report = check_kernel_text(
      "  ld.global.u32 %r3, [%rd1];\n  ld.global.u32 %r4, [%rd1+4];\n  griddepcontrol.wait;\n");
  ASSERT_EQ(verdicts(report), Verdicts{"warning R1"});
  EXPECT_EQ(report.findings.front().places.size(), 2U);
}

std::string reads_and_branches(int count) {
  std::string body = "  setp.eq.u32 %p1, %r1, 0;\n";
  for (int i = 0; i < count; ++i) {
    body += fmt::format(
        "  ld.global.u32 %r3, [%rd1+{}];\n  @%p1 bra L{};\n  add.u32 %r4, %r4, 1;\nL{}:\n", 4 * i,
        i, i);
  }
  return body + "  griddepcontrol.wait;\n";
}

// Looking for a way to each of the reads anew took sixteen times as long for four times as many.
TEST(Ordering, TakesTimeInProportionToTheBranches) {
  // Of the processor: what other programs do meanwhile must not decide.
  const auto clocks_for = [](int count) {
    const std::string body = reads_and_branches(count);
    const std::clock_t start = std::clock();
    EXPECT_EQ(verdicts(check_kernel_text(body)), Verdicts{"warning R1"});
    return std::clock() - start;
  };
  const std::clock_t few = clocks_for(500);
  EXPECT_LT(std::min(clocks_for(2000), clocks_for(2000)), 9 * few);
}

// One warp waits; `between` stands between that and an access by every thread.
Report one_warp_waits(const std::string& between, const std::string& directives = "") {
  return check_kernel_text(
      "  setp.gt.u32 %p1, %r2, 31;\n  @%p1 bra past;\n  griddepcontrol.wait;\npast:\n" + between +
          kStore,
      "", directives);
}

TEST(Ordering, ABarrierOrdersThreadsThatDidNotWait) {
  EXPECT_EQ(verdicts(one_warp_waits("  bar.sync 0;\n")), Verdicts{});
}

TEST(Ordering, WithoutABarrierOtherWarpsAreUnordered) {
  const Report report = one_warp_waits("", ".maxntid 128, 1, 1");
  ASSERT_EQ(verdicts(report), Verdicts{"error R2"});
  EXPECT_EQ(report.findings.front().threads, "warps 1 to 3");
}

TEST(Ordering, AWarpBarrierDoesNotOrderOtherWarps) {
  EXPECT_EQ(verdicts(one_warp_waits("  bar.warp.sync -1;\n")), Verdicts{"error R2"});
}

TEST(Ordering, ABarrierBeforeTheWaitOrdersNothing) {
  const Report report = check_kernel_text(
      "  bar.sync 0;\n  setp.gt.u32 %p1, %r2, 31;\n  @%p1 bra past;\n  griddepcontrol.wait;\n"
      "past:\n" +
      std::string(kStore) + "  bar.sync 0;\n");
  EXPECT_EQ(verdicts(report), Verdicts{"error R2"});
}

TEST(Ordering, AWarpBarrierOrdersTheWarpOfTheLeader) {
  const std::string wait_in_leader =
      "  and.b32 %r3, %r2, 31;\n  setp.ne.u32 %p1, %r3, 0;\n  @%p1 bra past;\n"
      "  griddepcontrol.wait;\npast:\n";
  EXPECT_EQ(verdicts(check_kernel_text(wait_in_leader + "  bar.warp.sync -1;\n" + kStore)),
            Verdicts{});
  const Report report = check_kernel_text(wait_in_leader + kStore);
  ASSERT_EQ(verdicts(report), Verdicts{"error R2"});
  EXPECT_EQ(report.findings.front().threads, "lanes other than lane 0 of warps 0 to 31");
}

TEST(Ordering, AnElectedLaneIsNotItsWarp) {
  const Report report = check_kernel_text(
      "  elect.sync %r3|%p1, -1;\n  @!%p1 bra past;\n  griddepcontrol.wait;\npast:\n" +
      std::string(kStore));
  EXPECT_EQ(verdicts(report), Verdicts{"error R2"});
}

TEST(Ordering, AnElectedLaneMayWaitAndAccess) {
  const Report report =
      check_kernel_text("  elect.sync %r3|%p1, -1;\n  @!%p1 bra past;\n  griddepcontrol.wait;\n" +
                        std::string(kStore) + "past:\n");
  EXPECT_EQ(verdicts(report), Verdicts{});
}

TEST(Ordering, AWarpNumberThatWasShuffledIsStillKnown) {
  const Report report = check_kernel_text(
      "  shr.u32 %r3, %r2, 5;\n  shfl.sync.idx.b32 %r4, %r3, 0, 31, -1;\n"
      "  setp.ne.u32 %p1, %r4, 2;\n  @%p1 bra past;\n  griddepcontrol.wait;\n" +
      std::string(kStore) + "past:\n");
  EXPECT_EQ(verdicts(report), Verdicts{});
}

TEST(Ordering, ANamedBarrierOrdersWarpsThatMeetFromElsewhere) {
  const std::string roles =
      "  setp.gt.u32 %p1, %r2, 31;\n  @%p1 bra consume;\n  griddepcontrol.wait;\n"
      "  bar.arrive 1, 64;\n  bra.uni done;\nconsume:\n";
  EXPECT_EQ(verdicts(check_kernel_text(roles + "  bar.sync 1, 64;\n" + kStore + "done:\n")),
            Verdicts{});
  EXPECT_EQ(verdicts(check_kernel_text(roles + "  bar.sync 2, 64;\n" + kStore + "done:\n")),
            Verdicts{"error R2"});
}

TEST(Ordering, AnMbarrierThatTheWaiterArrivesAtOrders) {
  const std::string roles =
      "  mov.u32 %r5, barriers;\n  setp.gt.u32 %p1, %r2, 31;\n  @%p1 bra consume;\n"
      "  griddepcontrol.wait;\n  mbarrier.arrive.shared.b64 _, [%r5];\n  bra.uni done;\n"
      "consume:\n  mbarrier.try_wait.parity.shared.b64 %p2, [%r5], ";
  EXPECT_EQ(verdicts(check_kernel_text(roles + "0;\n  @!%p2 bra consume;\n" + kStore + "done:\n")),
            Verdicts{});
  // Parity 1 succeeds at once on a fresh mbarrier.
  EXPECT_EQ(verdicts(check_kernel_text(roles + "1;\n  @!%p2 bra consume;\n" + kStore + "done:\n")),
            Verdicts{"error R2"});
}

// One warp waits and arrives at `arrival`; the others wait for `wait`, and write.
Report ordered_by_an_mbarrier(const std::string& arrival, const std::string& wait) {
  return check_kernel_text(
      "  mov.u32 %r9, barriers;\n  add.u32 %r10, %r9, 8;\n  shl.b32 %r11, %r1, 3;\n"
      "  add.u32 %r11, %r9, %r11;\n"
      "  setp.gt.u32 %p1, %r2, 31;\n  @%p1 bra others;\n"
      "  griddepcontrol.wait;\n  mbarrier.arrive.shared.b64 %rd9, [" +
      arrival +
      "];\n  ret;\n"
      "others:\n"
      "again:\n  mbarrier.try_wait.parity.shared.b64 %p2, [" +
      wait +
      "], 0;\n"
      "  @!%p2 bra again;\n" +
      kStore);
}

TEST(Ordering, AnotherMbarrierThanThatOfTheArrivalOrdersNothing) {
  EXPECT_EQ(verdicts(ordered_by_an_mbarrier("%r9+8", "%r10")), Verdicts{});
  EXPECT_EQ(verdicts(ordered_by_an_mbarrier("%r9", "%r10")), Verdicts{"error R2"});
  EXPECT_EQ(verdicts(ordered_by_an_mbarrier("barriers+8", "%r9")), Verdicts{"error R2"});
}

TEST(Ordering, OneOfSeveralMbarriersMayBeThatOfTheArrival) {
  EXPECT_EQ(verdicts(ordered_by_an_mbarrier("%r11", "%r10")), Verdicts{});
  EXPECT_EQ(verdicts(ordered_by_an_mbarrier("%r9", "%r11")), Verdicts{});
}

// Arrays of two mbarriers each, and an index that may be either.
TEST(Ordering, AnMbarrierOfAnotherArrayIsNotThatOfTheArrival) {
  const auto verdicts_of = [](int array) {
    return verdicts(check_kernel_text(fmt::format(
        "  and.b32 %r3, %r1, 1;\n  shl.b32 %r3, %r3, 3;\n  mov.u32 %r4, barriers;\n"
        "  add.u32 %r5, %r4, %r3;\n  setp.gt.u32 %p1, %r2, 31;\n  @%p1 bra again;\n"
        "  griddepcontrol.wait;\n  mbarrier.arrive.shared.b64 _, [%r5];\n  ret;\n"
        "again:\n  mbarrier.try_wait.parity.shared.b64 %p2, [%r5+{}], 0;\n  @!%p2 bra again;\n{}",
        array, kStore)));
  };
  EXPECT_EQ(verdicts_of(0), Verdicts{});
  EXPECT_EQ(verdicts_of(8), Verdicts{});  // they overlap
  EXPECT_EQ(verdicts_of(16), Verdicts{"error R2"});
}

// Thread 0 waits and writes a flag at `written`; all others read `polled` until it is there, and write.
Verdicts ordered_by_a_flag(const std::string& written, const std::string& polled,
                           const std::string& again = "  @!%p2 bra poll;\n") {
  return verdicts(check_kernel_text(
      "  mov.u32 %r9, tile;\n  setp.ne.u32 %p1, %r2, 0;\n  @%p1 bra poll;\n"
      "  griddepcontrol.wait;\n  st.release.cta.shared.u32 [" +
      written + "], 1;\n  bra.uni done;\npoll:\n  ld.acquire.cta.shared.u32 %r5, [" + polled +
      "];\n  setp.ne.u32 %p2, %r5, 0;\n" + again + kStore + "done:\n"));
}

TEST(Ordering, AFlagInSharedMemoryThatIsPolledOrders) {
  EXPECT_EQ(ordered_by_a_flag("%r9+8", "%r9+8"), Verdicts{});
  EXPECT_EQ(ordered_by_a_flag("%r9+8", "%r9+16"), Verdicts{"error R2"});
}

TEST(Ordering, AFlagThatIsReadOnceOrdersNothing) {
  EXPECT_EQ(ordered_by_a_flag("%r9", "%r9", ""), Verdicts{"error R2"});
  EXPECT_EQ(ordered_by_a_flag("%r9", "%r9", "  @!%p2 bra done;\n"), Verdicts{"error R2"});
}

TEST(Ordering, ALoopOverSharedMemoryIsNoPoll) {
  EXPECT_EQ(ordered_by_a_flag("%r9", "%r9", "  add.u32 %r9, %r9, 4;\n  @!%p2 bra poll;\n"),
            Verdicts{"error R2"});
}

// The first CTA of a cluster waits, and then all do `then`, and write.
TEST(Ordering, TheFirstCtaOfAClusterMayWaitForTheOthers) {
  const auto first_waits = [](const std::string& then) {
    return check_kernel_text(
        "  mov.u32 %r3, %cluster_ctarank;\n  setp.ne.s32 %p1, %r3, 0;\n  @%p1 bra past;\n"
        "  griddepcontrol.wait;\npast:\n" +
        then + kStore);
  };
  EXPECT_EQ(verdicts(first_waits("  barrier.cluster.arrive.release.aligned;\n"
                                 "  barrier.cluster.wait.acquire.aligned;\n")),
            Verdicts{});
  const Report report = first_waits("  bar.sync 0;\n");
  ASSERT_EQ(verdicts(report), Verdicts{"error R2"});
  EXPECT_EQ(report.findings.front().threads, "every thread of the cluster's other CTAs");
}

// The first warp waits and arrives at barrier 5 or 6; the second one comes to `first` or the one after it.
TEST(Ordering, ABarrierThatAnIndexChoosesOrdersIfItMayBeTheSame) {
  const auto verdicts_of = [](int first) {
    return verdicts(check_kernel_text(
        fmt::format("  bar.sync 0;\n  and.b32 %r3, %r1, 1;\n  setp.gt.u32 %p1, %r2, 31;\n"
                    "  @%p1 bra second;\n  griddepcontrol.wait;\n  add.u32 %r4, %r3, 5;\n"
                    "  bar.arrive %r4, 64;\n  ret;\nsecond:\n  add.u32 %r4, %r3, {};\n"
                    "  bar.sync %r4, 64;\n{}",
                    first, kStore),
        "", ".maxntid 64, 1, 1"));
  };
  EXPECT_EQ(verdicts_of(5), Verdicts{});
  EXPECT_EQ(verdicts_of(6), Verdicts{});
  EXPECT_EQ(verdicts_of(7), Verdicts{"error R2"});
}

// A wait under rounds >= `least`, a read under rounds >= 2.
bool reads_early(int least, const std::string& between = "") {
  const Report report = check_kernel_text(fmt::format(
      "  ld.shared.u32 %r5, [tile];\n  setp.ge.s32 %p1, %r5, {};\n  @!%p1 bra past;\n"
      "  griddepcontrol.wait;\npast:\n{}"
      "  setp.ge.s32 %p2, %r5, 2;\n  @!%p2 bra end;\n  ld.global.u32 %r4, [%rd1];\nend:\n",
      least, between));
  return find(report, Rule::kReadBeforeWait) != nullptr;
}

TEST(Ordering, TwoRoundsImplyOne) {
  EXPECT_FALSE(reads_early(1));
  EXPECT_FALSE(reads_early(2));
  EXPECT_TRUE(reads_early(3));
  EXPECT_TRUE(reads_early(1, "  add.u32 %r5, %r5, %r1;\n"));
}

// A wait and a read that hang on one predicate, between which `between` stands.
bool reads_early_under_one_predicate(const std::string& between, const std::string& guard) {
  const Report report = check_kernel_text(
      "  ld.shared.u32 %r5, [tile];\n  setp.ne.u32 %p1, %r5, %r1;\n  @!%p1 bra past;\n"
      "  griddepcontrol.wait;\npast:\n" +
      between + "  @" + guard + " bra end;\n  ld.global.u32 %r4, [%rd1];\nend:\n");
  return find(report, Rule::kReadBeforeWait) != nullptr;
}

TEST(Ordering, OnePredicateDecidesAlikeTwice) {
  EXPECT_FALSE(reads_early_under_one_predicate("", "!%p1"));
  EXPECT_TRUE(reads_early_under_one_predicate("", "%p1"));
  EXPECT_TRUE(reads_early_under_one_predicate("  setp.ne.u32 %p1, %r5, 7;\n", "!%p1"));
}

// Roles that the warp's number chooses from a table.
TEST(Ordering, ATableOfTargetsTellsRolesApart) {
  const auto read_by_role = [](const std::string& index) {
    return check_kernel_text(
        "  shr.u32 %r3, %r2, 5;\n  setp.gt.u32 %p1, %r3, 1;\n  @%p1 bra end;\n"
        "roles: .branchtargets first, second;\n  brx.idx " +
            index +
            ", roles;\n"
            "first:\n  griddepcontrol.wait;\n  st.shared.u32 [tile], %r2;\n  bar.sync 1;\n  bra "
            "end;\n"
            "second:\n  bar.sync 1;\n" +
            kStore + "end:\n",
        "", ".maxntid 64, 1, 1");
  };
  EXPECT_EQ(verdicts(read_by_role("%r3")), Verdicts{});
  EXPECT_NE(verdicts(read_by_role("%r1")), Verdicts{});
}

TEST(Ordering, AWaitInTheFirstRoundOfALoopOrdersAllRounds) {
  const Report report = check_kernel_text(
      "  mov.u32 %r3, 0;\nround:\n  setp.ne.u32 %p1, %r3, 0;\n  @%p1 bra body;\n"
      "  griddepcontrol.wait;\nbody:\n" +
      std::string(kStore) +
      "  add.u32 %r3, %r3, 1;\n  setp.lt.u32 %p2, %r3, %r1;\n  @%p2 bra round;\n");
  EXPECT_EQ(verdicts(report), Verdicts{});
}

TEST(Ordering, AWaitThatDataDecidesMayBeSkipped) {
  const Report report = check_kernel_text(
      "  ld.shared.u32 %r4, [tile];\n  setp.eq.u32 %p1, %r4, 0;\n  @%p1 bra past;\n"
      "  griddepcontrol.wait;\npast:\n" +
      std::string(kStore));
  EXPECT_EQ(verdicts(report), (Verdicts{"error R6", "warning R3"}));
}

TEST(Ordering, APredicatedWaitIsABranch) {
  const Report report = check_kernel_text(
      "  setp.lt.u32 %p1, %r2, 32;\n  @%p1 griddepcontrol.wait;\n" + std::string(kStore));
  EXPECT_EQ(verdicts(report), Verdicts{"error R2"});
}

TEST(Ordering, ABlockOfUnknownShapeMayBeWideOrHaveRows) {
  // Enough for rows of one warp, not for a wide block.
  const std::string wait_by_x =
      "  mov.u32 %r3, %tid.y;\n  setp.ge.u32 %p2, %r3, %r1;\n  @%p2 ret;\n"
      "  setp.gt.u32 %p1, %r2, 31;\n  @%p1 bra past;\n  griddepcontrol.wait;\npast:\n";
  EXPECT_EQ(verdicts(check_kernel_text(wait_by_x + kStore)), Verdicts{"error R2"});
  EXPECT_EQ(verdicts(check_kernel_text(wait_by_x + kStore, "", ".maxntid 32, 4, 1")), Verdicts{});
}

TEST(Ordering, SharedMemoryMayBeTouchedBeforeTheWait) {
  const Report report = check_kernel_text(
      "  mov.u32 %r5, tile;\n  st.shared.u32 [%r5], %r1;\n  cvta.shared.u64 %rd5, %rd6;\n"
      "  mov.u64 %rd7, tile;\n  cvta.shared.u64 %rd8, %rd7;\n  st.u32 [%rd8], %r1;\n"
      "  griddepcontrol.wait;\n" +
      std::string(kStore));
  EXPECT_EQ(verdicts(report), Verdicts{});
}

TEST(Ordering, ACopyToSharedMemoryIsARead) {
  const Report report = check_kernel_text(
      "  mov.u32 %r5, tile;\n  cp.async.ca.shared.global [%r5], [%rd1], 16;\n"
      "  griddepcontrol.wait;\n");
  EXPECT_EQ(verdicts(report), Verdicts{"warning R1"});
}

TEST(Ordering, APrefetchIsNoRead) {
  const Report report = check_kernel_text("  prefetch.global.L2 [%rd1];\n  griddepcontrol.wait;\n");
  EXPECT_EQ(verdicts(report), Verdicts{});
}

TEST(Ordering, AClusterBarrierOrders) {
  EXPECT_EQ(verdicts(one_warp_waits("  barrier.cluster.arrive.release.aligned;\n"
                                    "  barrier.cluster.wait.acquire.aligned;\n")),
            Verdicts{});
}

}  // namespace
}  // namespace slipstream::check
