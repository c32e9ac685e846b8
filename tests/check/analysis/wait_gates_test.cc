// Waits that a parameter switches on.
#include "ptx_kernel.h"

namespace slipstream::check::wait_gates_test {
namespace {

constexpr const char* kIfParameter = "  setp.eq.s32 %p1, %r1, 0;\n  @%p1 bra $SKIP;\n";
constexpr const char* kWait = "  griddepcontrol.wait;\n";
constexpr const char* kRead = "  ld.global.u32 %r3, [%rd1];\n";
constexpr const char* kWrite = "  st.global.u32 [%rd2], %r2;\n";
constexpr const char* kSkip = "$SKIP:\n";

Verdicts verdicts_of(const std::vector<std::string>& parts) {
  std::string body;
  for (const std::string& part : parts) body += part;
  return verdicts(check_kernel_text(body));
}

TEST(WaitGates, AWaitThatAParameterSwitchesOnIsANoteAndCountsAsExecuted) {
  EXPECT_EQ(verdicts_of({kIfParameter, kWait, kSkip, kRead, kWrite}), (Verdicts{"note R3"}));
}

TEST(WaitGates, AGuardedWaitIsOne) {
  const std::string guarded = "  setp.ne.s32 %p1, %r1, 0;\n  @%p1 griddepcontrol.wait;\n";
  EXPECT_EQ(verdicts_of({guarded, kRead, kWrite}), (Verdicts{"note R3"}));
}

// Compilers use few predicate registers, again and again.
TEST(WaitGates, TheirConditionsRegisterMayHoldOtherThingsElsewhere) {
  const std::string used_again =
      "  ld.global.u32 %r3, [%rd1];\n  setp.eq.s32 %p1, %r3, 0;\n"
      "  @%p1 bra $DONE;\n";
  EXPECT_EQ(verdicts_of({kIfParameter, kWait, kSkip, used_again, kWrite, "$DONE:\n"}),
            (Verdicts{"note R3"}));
}

TEST(WaitGates, AConditionOfItsBlockThatIsNoParameterIsNone) {
  const std::string used_before =
      "  setp.eq.s32 %p1, %r1, 0;\n  setp.eq.s32 %p1, %r2, 0;\n"
      "  @%p1 bra $SKIP;\n";
  EXPECT_EQ(verdicts_of({used_before, kWait, kSkip, kRead, kWrite}).count("note R3"), 0U);
}

TEST(WaitGates, NameTheParameter) {
  const Report report = check_kernel_text(std::string(kIfParameter) + kWait + kSkip + kWrite);
  ASSERT_NE(find(report, Rule::kNeverWaits), nullptr);
  EXPECT_NE(find(report, Rule::kNeverWaits)->message.find("parameter 2"), std::string::npos);
}

TEST(WaitGates, WhatStandsBeforeThemIsStillEarly) {
  EXPECT_EQ(verdicts_of({kRead, kIfParameter, kWait, kSkip, kWrite}),
            (Verdicts{"note R3", "warning R1"}));
}

TEST(WaitGates, WorkThatIsSkippedWithTheWaitMakesItNoGate) {
  EXPECT_EQ(verdicts_of({kIfParameter, kWait, kRead, kSkip, kWrite}),
            (Verdicts{"error R6", "warning R3"}));
}

TEST(WaitGates, AnExitBeforeTheWaitIsNoGate) {
  EXPECT_EQ(verdicts_of({kIfParameter, kWait, kRead, kWrite, kSkip}), (Verdicts{"warning R3"}));
}

TEST(WaitGates, WhatMemorySaysIsNoParameter) {
  const std::string if_loaded =
      "  ld.global.u32 %r4, [%rd1];\n  setp.eq.s32 %p1, %r4, 0;\n"
      "  @%p1 bra $SKIP;\n";
  EXPECT_EQ(verdicts_of({if_loaded, kWait, kSkip, kWrite}),
            (Verdicts{"error R6", "warning R1", "warning R3"}));
}

TEST(WaitGates, AThreadsNumberIsNoParameter) {
  const std::string if_thread = "  setp.eq.s32 %p1, %r2, %r1;\n  @%p1 bra $SKIP;\n";
  EXPECT_EQ(verdicts_of({if_thread, kWait, kSkip, kWrite}).count("note R3"), 0U);
}

}  // namespace
}  // namespace slipstream::check::wait_gates_test
