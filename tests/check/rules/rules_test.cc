// What each rule says, and how sure it is, with and without knowledge of the launches.
#include "ptx_kernel.h"

namespace slipstream::check {
namespace {

constexpr const char* kReadThenWait =
    "  ld.global.u32 %r3, [%rd1];\n  griddepcontrol.wait;\n  st.global.u32 [%rd2], %r3;\n";

std::string with_role(const std::string& role, bool pdl = true) {
  return fmt::format(
      R"({{"kernels": [{{"name": "k", "pdl": {}, "parameters": [{{"index": 0, "role": "{}"}}]}}]}})",
      pdl, role);
}

// Findings other than the note that the kernel never triggers.
Verdicts graver_than_note(const Report& report) {
  Verdicts result = verdicts(report);
  std::erase_if(result, [](const std::string& one) { return one.starts_with("note"); });
  return result;
}

TEST(Rules, AConstantMayBeReadEarly) {
  EXPECT_EQ(graver_than_note(check_kernel_text(kReadThenWait, with_role("constant"))), Verdicts{});
}

TEST(Rules, ProducedMemoryMayNot) {
  const Report report = check_kernel_text(kReadThenWait, with_role("produced"));
  EXPECT_EQ(graver_than_note(report), Verdicts{"error R1"});
  EXPECT_EQ(find(report, Rule::kReadBeforeWait)->certainty, Certainty::kProven);
}

TEST(Rules, WithoutTheAttributeNothingIsEarly) {
  EXPECT_EQ(graver_than_note(check_kernel_text(kReadThenWait, with_role("produced", false))),
            Verdicts{});
}

TEST(Rules, WhatTheKernelWritesItselfIsNotConstant) {
  const Report report = check_kernel_text(
      "  ld.global.u32 %r3, [%rd1];\n  griddepcontrol.wait;\n  st.global.u32 [%rd1+4], %r3;\n");
  EXPECT_EQ(verdicts(report), Verdicts{"error R1"});
}

TEST(Rules, TheReadOnlyPathIsSafeOnlyForConstants) {
  const std::string body = "  griddepcontrol.wait;\n  ld.global.nc.u32 %r3, [%rd1];\n";
  EXPECT_EQ(verdicts(check_kernel_text(body)), Verdicts{"warning R4"});
  EXPECT_EQ(graver_than_note(check_kernel_text(body, with_role("produced"))), Verdicts{"error R4"});
  EXPECT_EQ(graver_than_note(check_kernel_text(body, with_role("constant"))), Verdicts{});
}

TEST(Rules, AKernelLaunchedWithTheAttributeMustWait) {
  const Report report = check_kernel_text("  ld.global.u32 %r3, [%rd1];\n", with_role("produced"));
  EXPECT_EQ(graver_than_note(report), (Verdicts{"error R1", "error R7"}));
}

TEST(Rules, AnOrdinaryKernelIsLeftAlone) {
  const Report report = check_kernel_text("  ld.global.u32 %r3, [%rd1];\n");
  EXPECT_EQ(verdicts(report), Verdicts{});
  EXPECT_EQ(report.kernels, 1U);
  EXPECT_EQ(report.waiting_kernels, 0U);
}

TEST(Rules, ATriggerWithoutAWaitIsSuspicious) {
  const Report report =
      check_kernel_text("  ld.global.u32 %r3, [%rd1];\n  griddepcontrol.launch_dependents;\n");
  EXPECT_EQ(verdicts(report), Verdicts{"warning R7"});
}

// Which may wait.
TEST(Rules, AKernelThatCallsThroughAPointerIsNotSaidToHaveNoWait) {
  const Report report = check_image(
      ptx_kernel("  griddepcontrol.launch_dependents;\n"
                 "prototype: .callprototype _ (.param .b64 _);\n  {\n  .param .b64 argument;\n"
                 "  st.param.b64 [argument], %rd1;\n  call %rd2, (argument), prototype;\n  }\n"),
      "k.ptx", {});
  EXPECT_EQ(verdicts(report), Verdicts{});
  ASSERT_EQ(report.problems.size(), 1U);
  EXPECT_NE(report.problems.front().what.find("a call through a pointer"), std::string::npos);
}

TEST(Rules, ATriggerBeforeTheWaitIsNoted) {
  const Report report =
      check_kernel_text("  griddepcontrol.launch_dependents;\n  griddepcontrol.wait;\n");
  EXPECT_EQ(verdicts(report), Verdicts{"note R9"});
}

TEST(Rules, ATriggerAfterTheWaitIsNot) {
  const Report report = check_kernel_text(
      "  griddepcontrol.wait;\n  griddepcontrol.launch_dependents;\n  st.global.u32 [%rd2], "
      "%r1;\n");
  EXPECT_EQ(verdicts(report), Verdicts{});
}

TEST(Rules, EarlyExitOfSomeBlocksKeepsTheOrder) {
  const Report report = check_kernel_text(
      "  mov.u32 %r4, %ctaid.x;\n  setp.ge.u32 %p1, %r4, %r1;\n  @%p1 ret;\n"
      "  griddepcontrol.wait;\n");
  EXPECT_EQ(verdicts(report), Verdicts{});
}

TEST(Rules, EarlyExitByAQuotientOfTheBlocksNumberKeepsTheOrder) {
  const Report report = check_kernel_text(
      "  mov.u32 %r4, %ctaid.x;\n  div.s32 %r5, %r4, %r1;\n  setp.ge.s32 %p1, %r5, 7;\n"
      "  @%p1 ret;\n  griddepcontrol.wait;\n");
  EXPECT_EQ(verdicts(report), Verdicts{});
}

TEST(Rules, EarlyExitOfAllBlocksMayBreakIt) {
  const Report report =
      check_kernel_text("  setp.eq.u32 %p1, %r1, 0;\n  @%p1 ret;\n  griddepcontrol.wait;\n");
  EXPECT_EQ(verdicts(report), Verdicts{"warning R3"});
}

TEST(Rules, AllThreadsMayEndWhereTheirNumbersAreComparedWithACount) {
  const auto ends = [](const std::string& count) {
    return check_kernel_text("  mov.u32 %r4, %tid.x;\n" + count +
                             "  setp.ge.u32 %p1, %r4, %r5;\n  @%p1 ret;\n"
                             "  griddepcontrol.wait;\n");
  };
  EXPECT_EQ(verdicts(ends("  ld.global.u32 %r5, [%rd1];\n")),
            (Verdicts{"warning R1", "warning R3"}));
  EXPECT_EQ(verdicts(ends("  mov.u32 %r5, 64;\n")), Verdicts{});
}

TEST(Rules, SpinningBeforeTheWaitIsReported) {
  const std::string spin =
      "poll:\n  ld.acquire.gpu.global.u32 %r3, [%rd1];\n  setp.eq.u32 %p1, %r3, 0;\n"
      "  @%p1 bra poll;\n";
  const std::string wait = "  griddepcontrol.wait;\n";
  EXPECT_EQ(verdicts(check_kernel_text(spin + wait)), (Verdicts{"warning R1", "warning R13"}));
  EXPECT_EQ(verdicts(check_kernel_text(wait + spin)), Verdicts{});
}

TEST(Rules, AGenericWriteThroughAPointerThatWasReadIsNoneToTheStack) {
  const Report report = check_kernel_text(
      "  ld.global.u64 %rd5, [%rd1];\n  st.u32 [%rd5], %r1;\n  griddepcontrol.wait;\n");
  EXPECT_EQ(verdicts(report), (Verdicts{"warning R1", "error R6"}));
}

TEST(Rules, SettledMemoryMayBeReadBeforeTheWaitAndNotWritten) {
  const auto found = [](const std::string& access) {
    return verdicts(
        check_kernel_text(access + "  griddepcontrol.wait;\n", with_role("settled", true)));
  };
  EXPECT_EQ(found("  ld.global.u32 %r1, [%rd1];\n"), Verdicts{});
  EXPECT_EQ(found("  st.global.u32 [%rd1], %r1;\n"), Verdicts{"error R6"});
}

TEST(Rules, AHandOverNeedsAFence) {
  const auto produce = [](const std::string& fence) {
    return check_kernel_text("  st.global.u32 [%rd1], %r1;\n" + fence +
                                 "  bar.sync 0;\n  griddepcontrol.launch_dependents;\n",
                             with_role("hands-over", false));
  };
  EXPECT_EQ(verdicts(produce("")), Verdicts{"error R8"});
  EXPECT_EQ(verdicts(produce("  fence.acq_rel.cta;\n")), Verdicts{"error R8"});
  EXPECT_EQ(verdicts(produce("  fence.acq_rel.gpu;\n")), Verdicts{});
}

TEST(Rules, WhatIsWrittenAfterTheTriggerIsNotHandedOver) {
  const std::string write = "  st.global.u32 [%rd1], %r1;\n  fence.acq_rel.gpu;\n";
  const std::string trigger = "  griddepcontrol.launch_dependents;\n";
  const std::string again = "  setp.ne.u32 %p1, %r1, 0;\n  @%p1 bra round;\n";
  const auto found = [](const std::string& text) {
    return verdicts(check_kernel_text(text, with_role("hands-over", false)));
  };
  EXPECT_EQ(found(write + trigger), Verdicts{});
  EXPECT_EQ(found(trigger + write), Verdicts{"error R8"});
  EXPECT_EQ(found("round:\n" + write + trigger + again), Verdicts{"error R8"});
  // Only in the last round.
  EXPECT_EQ(found("round:\n" + write + "  setp.eq.u32 %p2, %r1, 1;\n  @!%p2 bra more;\n" + trigger +
                  "more:\n" + again),
            Verdicts{});
}

TEST(Rules, AHandOverByABulkCopyNeedsItsCompletionAndThenAFence) {
  const auto produce = [](const std::string& after) {
    return verdicts(check_kernel_text(
        "  mov.u32 %r5, tile;\n  cp.async.bulk.global.shared::cta.bulk_group [%rd1], [%r5], 64;\n"
        "  cp.async.bulk.commit_group;\n" +
            after + "  griddepcontrol.launch_dependents;\n",
        with_role("hands-over", false)));
  };
  const std::string fence = "  fence.acq_rel.gpu;\n";
  const std::string completion = "  cp.async.bulk.wait_group 0;\n";
  EXPECT_EQ(produce(fence), Verdicts{"error R8"});
  EXPECT_EQ(produce(completion), Verdicts{"error R8"});
  EXPECT_EQ(produce(fence + completion), Verdicts{"error R8"});
  EXPECT_EQ(produce("  cp.async.bulk.wait_group.read 0;\n" + fence), Verdicts{"error R8"});
  EXPECT_EQ(produce(completion + fence), Verdicts{});
}

TEST(Rules, OneWarpMustNotHandOverForTheOthers) {
  const auto produce = [](const std::string& barrier) {
    return check_kernel_text(
        "  griddepcontrol.wait;\n  st.global.u32 [%rd1], %r1;\n"
        "  fence.acq_rel.gpu;\n" +
            barrier +
            "  setp.gt.u32 %p1, %r2, 31;\n  @%p1 bra done;\n"
            "  griddepcontrol.launch_dependents;\ndone:\n",
        with_role("hands-over"));
  };
  EXPECT_EQ(graver_than_note(produce("")), Verdicts{"error R12"});
  EXPECT_EQ(graver_than_note(produce("  bar.sync 0;\n")), Verdicts{});
}

TEST(Rules, ARemoteAccessNeedsAClusterBarrierAfterIt) {
  const std::string access =
      "  mov.u32 %r5, tile;\n  mapa.shared::cluster.u32 %r6, %r5, %r1;\n"
      "  st.shared::cluster.u32 [%r6], %r1;\n";
  EXPECT_EQ(verdicts(check_kernel_text(access)), Verdicts{"warning R14"});
  EXPECT_EQ(verdicts(check_kernel_text(access + "  barrier.cluster.arrive.release.aligned;\n"
                                                "  barrier.cluster.wait.acquire.aligned;\n")),
            Verdicts{});
}

TEST(Rules, AttributeWithoutOverlapIsNoted) {
  const Report report = check_kernel_text("  griddepcontrol.wait;\n  ld.global.u32 %r3, [%rd1];\n",
                                          with_role("produced"));
  EXPECT_EQ(verdicts(report), Verdicts{"note R15"});
}

TEST(Rules, AttributeWithATriggerOrEarlyWorkIsNot) {
  EXPECT_EQ(verdicts(check_kernel_text("  griddepcontrol.wait;\n  ld.global.u32 %r3, [%rd1];\n"
                                       "  griddepcontrol.launch_dependents;\n",
                                       with_role("produced"))),
            Verdicts{});
  EXPECT_EQ(verdicts(check_kernel_text("  ld.global.u32 %r3, [%rd1];\n  griddepcontrol.wait;\n",
                                       with_role("constant"))),
            Verdicts{});
}

std::string with_edge(const std::string& kind, const std::string& role = "produced") {
  return fmt::format(
      R"({{"kernels": [{{"name": "k", "parameters": [{{"index": 0, "role": "{}"}}]}}],
           "edges": [{{"from": "producer", "to": "k", "kind": "{}"}}]}})",
      role, kind);
}

TEST(Rules, AProgrammaticEdgeNeedsAKernelThatWaits) {
  const std::string body = "  ld.global.u32 %r3, [%rd1];\n";
  EXPECT_EQ(verdicts(check_kernel_text(body, with_edge("programmatic"))), Verdicts{"error R11"});
  EXPECT_EQ(verdicts(check_kernel_text(body, with_edge("programmatic", "constant"))), Verdicts{});
  EXPECT_EQ(
      verdicts(check_kernel_text("  griddepcontrol.wait;\n" + body, with_edge("programmatic"))),
      Verdicts{});
}

TEST(Rules, NoWaitCoversALaunchCompletionEdge) {
  const Report report = check_kernel_text("  griddepcontrol.wait;\n  ld.global.u32 %r3, [%rd1];\n",
                                          with_edge("launch-completion"));
  EXPECT_EQ(verdicts(report), Verdicts{"warning R11"});
  EXPECT_EQ(find(report, Rule::kGraphEdge)->subject, "the edge from producer");
}

TEST(Rules, AnEdgeToAnotherKernelConcernsNobodyElse) {
  const std::string other =
      R"({"kernels": [], "edges": [{"from": "k", "to": "other", "kind": "programmatic"}]})";
  EXPECT_EQ(verdicts(check_kernel_text("  ld.global.u32 %r3, [%rd1];\n", other)), Verdicts{});
}

TEST(Rules, APointerReadFromMemoryIsNamedByItsTable) {
  const Report report = check_kernel_text(
      "  ld.global.u64 %rd5, [%rd1];\n  ld.global.u32 %r3, [%rd5];\n  griddepcontrol.wait;\n");
  ASSERT_EQ(report.findings.size(), 2U);
  EXPECT_EQ(report.findings.back().subject, "a pointer read through parameter 0");
}

}  // namespace
}  // namespace slipstream::check
