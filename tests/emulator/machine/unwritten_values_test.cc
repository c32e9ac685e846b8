// Reads of memory that nobody wrote: reported where what was read is used, silent where it is not.
#include "emulator/machine/unwritten_values.h"

#include <gtest/gtest.h>

#include "emulator/instructions/lane_program.h"

namespace slipstream::emulator {
namespace {

// Runs a kernel of one warp: %rd1 leads to 128 bytes that nobody wrote, %rd2 to 4096 that somebody wrote, %r1 is the
// lane, and %rd3 and %rd4 are the lane's words in both.
std::vector<Fault> reports_of(std::string_view body,
                              UninitializedReads reads = UninitializedReads::kReportUses) {
  std::vector<Fault> found;
  Settings settings;
  settings.uninitialized_reads = reads;
  settings.report_observation = [&](const Fault& fault) { found.push_back(fault); };
  TestDevice on(module_of(".param .u64 fresh, .param .u64 written", fmt::format(R"(
    .shared .align 16 .b8 tile[256];
    .shared .align 8 .b64 counter;
    ld.param.u64 %rd1, [fresh];
    ld.param.u64 %rd2, [written];
    mov.u32 %r1, %tid.x;
    mad.wide.u32 %rd3, %r1, 4, %rd1;
    mad.wide.u32 %rd4, %r1, 4, %rd2;
    mov.u32 %r2, tile;
    mad.lo.u32 %r3, %r1, 4, %r2;
    {}
    ret;
)",
                                                                                 body)),
                settings);
  const uint64_t fresh = on.device.allocate(128, MemoryKind::kDevice, "fresh");
  const uint64_t written = on.upload(std::vector<uint32_t>(1024, 7));
  EXPECT_FALSE(on.run(on.launch({fresh, written})).has_value());
  return found;
}

void expect_report(const std::vector<Fault>& found, std::string_view load, std::string_view use) {
  ASSERT_EQ(found.size(), 1U) << "used by " << use;
  EXPECT_EQ(found[0].kind, FaultKind::kUninitializedRead);
  EXPECT_EQ(found[0].instruction, load);
  ASSERT_EQ(found[0].others.size(), 1U);
  EXPECT_NE(found[0].others[0].find(use), std::string::npos) << found[0].others[0];
}

TEST(UnwrittenValues, AreSilentWhereNothingIsMadeOfThem) {
  EXPECT_TRUE(reports_of(R"(
    ld.global.u32 %r10, [%rd3];
    add.u32 %r11, %r10, 1;
    mov.u32 %r10, 5;
    st.global.u32 [%rd4], %r10;)")
                  .empty());
}

TEST(UnwrittenValues, AreReportedAtTheLoadIfAsked) {
  const std::vector<Fault> found =
      reports_of("ld.global.u32 %r10, [%rd3];", UninitializedReads::kReport);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].instruction, "ld.global.u32 %r10, [%rd3];");
  EXPECT_TRUE(found[0].others.empty());
}

TEST(UnwrittenValues, AreReportedWhereTheyReachAResult) {
  expect_report(reports_of(R"(
    ld.global.u32 %r10, [%rd3];
    mul.lo.u32 %r11, %r10, 3;
    cvt.rn.f32.u32 %f1, %r11;
    st.global.f32 [%rd4], %f1;)"),
                "ld.global.u32 %r10, [%rd3];", "st.global.f32 [%rd4], %f1;");
}

TEST(UnwrittenValues, AreReportedWhereTheyDecideABranchThoughNoLaneTakesIt) {
  expect_report(reports_of(R"(
    ld.global.u32 %r10, [%rd3];
    setp.ne.u32 %p1, %r10, 0;
    @%p1 bra end;
    mov.u32 %r11, 1;
  end:)"),
                "ld.global.u32 %r10, [%rd3];", "bra end;");
}

TEST(UnwrittenValues, AreReportedWhereTheyAreAnAddress) {
  expect_report(reports_of(R"(
    ld.global.u32 %r10, [%rd3];
    mad.wide.u32 %rd5, %r10, 4, %rd2;
    ld.global.u32 %r11, [%rd5];)"),
                "ld.global.u32 %r10, [%rd3];", "ld.global.u32 %r11, [%rd5];");
}

TEST(UnwrittenValues, AreReportedWhereOtherLanesTakeThem) {
  expect_report(reports_of(R"(
    ld.global.u32 %r10, [%rd3];
    shfl.sync.bfly.b32 %r11, %r10, 1, 31, -1;)"),
                "ld.global.u32 %r10, [%rd3];", "shfl.sync.bfly.b32");
}

TEST(UnwrittenValues, NameTheLaneThatUsesThem) {
  const std::vector<Fault> found = reports_of(R"(
    ld.global.u32 %r10, [%rd3];
    setp.eq.u32 %p1, %r1, 9;
    @%p1 st.global.u32 [%rd4], %r10;)");
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].thread[0], 9U);
  EXPECT_NE(found[0].message.find("byte 36 of fresh"), std::string::npos) << found[0].message;
}

// What code for the rest of a row looks like.
TEST(UnwrittenValues, AreSilentInLanesWhereASelectionLeavesThemOut) {
  constexpr std::string_view kRow = R"(
    setp.lt.u32 %p1, %r1, 5;
    @%p1 st.global.u32 [%rd3], %r1;
    ld.global.u32 %r10, [%rd3];
    selp.u32 %r11, %r10, 0, {};
    st.global.u32 [%rd4], %r11;)";
  EXPECT_TRUE(reports_of(fmt::format(kRow, "%p1")).empty());
  expect_report(reports_of(fmt::format(kRow, "-1")), "ld.global.u32 %r10, [%rd3];",
                "st.global.u32 [%rd4], %r11;");
}

TEST(UnwrittenValues, AreSilentWhereAnotherConditionDecidesAlone) {
  constexpr std::string_view kBranch = R"(
    setp.lt.u32 %p1, %r1, 5;
    @%p1 st.global.u32 [%rd3], %r1;
    ld.global.u32 %r10, [%rd3];
    setp.eq.u32 %p2, %r10, 3;
    {} %p3, %p2, %p1;
    @%p3 bra end;
  end:)";
  EXPECT_TRUE(reports_of(fmt::format(kBranch, "and.pred")).empty());
  EXPECT_EQ(reports_of(fmt::format(kBranch, "or.pred")).size(), 1U);
  EXPECT_TRUE(reports_of(fmt::format(kBranch, "not.pred %p1, %p1; or.pred")).empty());
}

TEST(UnwrittenValues, OfOneRegisterOfAVectorLeaveTheOthersAlone) {
  constexpr std::string_view kVector = R"(
    and.b32 %r12, %r1, 1;
    setp.eq.u32 %p1, %r12, 0;
    @%p1 st.global.u32 [%rd3], %r1;
    mad.wide.u32 %rd5, %r1, 8, %rd1;
    setp.lt.u32 %p2, %r1, 16;
    @%p2 ld.global.v2.u32 {{%r10, %r11}}, [%rd5];
    @%p2 st.global.u32 [%rd4], {};)";
  EXPECT_TRUE(reports_of(fmt::format(kVector, "%r10")).empty());
  EXPECT_EQ(reports_of(fmt::format(kVector, "%r11")).size(), 1U);
}

TEST(UnwrittenValues, AreFollowedThroughSharedMemory) {
  constexpr std::string_view kStore = R"(
    ld.global.u32 %r10, [%rd3];
    st.shared.u32 [%r3], %r10;
    bar.sync 0;
    {}
    ld.shared.u32 %r11, [%r3];
    st.global.u32 [%rd4], %r11;)";
  expect_report(reports_of(fmt::format(kStore, "")), "ld.shared.u32 %r11, [%r3];",
                "st.global.u32 [%rd4], %r11;");
  EXPECT_TRUE(reports_of(fmt::format(kStore, "st.shared.u32 [%r3], %r1;")).empty());
}

TEST(UnwrittenValues, AreFollowedThroughAsynchronousCopies) {
  constexpr std::string_view kCopy = R"(
    cp.async.ca.shared.global [%r3], [%rd3], 4;
    cp.async.wait_all;
    {})";
  EXPECT_TRUE(reports_of(fmt::format(kCopy, "")).empty());
  EXPECT_EQ(reports_of(fmt::format(
                           kCopy, "ld.shared.u32 %r11, [%r3]; st.global.u32 [%rd4], %r11;"))
                .size(),
            1U);
}

// A row whose length is rounded up to what a bulk copy can do.
TEST(UnwrittenValues, AreSilentWhereABulkCopyTakesThemAlongAndNobodyReadsThem) {
  constexpr std::string_view kRow = R"(
    setp.lt.u32 %p1, %r1, 30;
    @%p1 st.global.u32 [%rd3], %r1;
    setp.eq.u32 %p2, %r1, 0;
    mov.u32 %r5, counter;
    @%p2 mbarrier.init.shared.b64 [%r5], 1;
    @%p2 mbarrier.arrive.expect_tx.shared.b64 %rd6, [%r5], 128;
    @%p2 cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%r2], [%rd1], 128, [%r5];
    bar.warp.sync -1;
  wait:
    mbarrier.try_wait.parity.shared.b64 %p3, [%r5], 0;
    @!%p3 bra wait;
    ld.shared.u32 %r11, [%r3];
    {} st.global.u32 [%rd4], %r11;)";
  EXPECT_TRUE(reports_of(fmt::format(kRow, "@%p1")).empty());
  EXPECT_EQ(reports_of(fmt::format(kRow, "")).size(), 1U);
}

TEST(UnwrittenValues, ChangeNoResult) {
  Settings settings;
  settings.report_observation = [](const Fault&) {};
  TestDevice on(module_of(".param .u64 fresh, .param .u64 out", R"(
    ld.param.u64 %rd1, [fresh];
    ld.param.u64 %rd2, [out];
    mov.u32 %r1, %tid.x;
    mad.wide.u32 %rd3, %r1, 4, %rd1;
    mad.wide.u32 %rd4, %r1, 4, %rd2;
    mov.u32 %r5, 0;
    mov.u32 %r6, 0;
  next:
    ld.global.u32 %r10, [%rd3];
    add.u32 %r6, %r6, %r10;
    add.u32 %r6, %r6, %r1;
    add.u32 %r5, %r5, 1;
    setp.lt.u32 %p1, %r5, %r1;
    @%p1 bra next;
    st.global.u32 [%rd4], %r6;
    ret;
)"),
                settings);
  const uint64_t fresh = on.device.allocate(128, MemoryKind::kDevice, "fresh");
  const uint64_t out = on.upload(std::vector<uint32_t>(32));
  ASSERT_FALSE(on.run(on.launch({fresh, out})).has_value());
  const auto values = on.download<uint32_t>(out, 32);
  for (uint32_t lane = 0; lane < 32; ++lane) {
    EXPECT_EQ(values[lane], lane * std::max(lane, 1U)) << lane;
  }
}

}  // namespace
}  // namespace slipstream::emulator
