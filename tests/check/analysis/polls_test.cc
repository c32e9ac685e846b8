// Loads that are polled before the wait, and accesses that come after them.
#include "ptx_kernel.h"

namespace slipstream::check::polls_test {
namespace {

constexpr const char* kPoll =
    "$AGAIN:\n  ld.acquire.gpu.global.u32 %r3, [%rd1];\n  setp.eq.s32 %p1, %r3, 0;\n"
    "  @%p1 bra $AGAIN;\n";
constexpr const char* kWrite = "  st.global.u32 [%rd2], %r2;\n";
constexpr const char* kWait = "  griddepcontrol.wait;\n";
constexpr const char* kByOneThread = "  setp.ne.s32 %p2, %r2, 0;\n  @%p2 bra $REST;\n";
constexpr const char* kRest = "$REST:\n";

Report report_of(const std::vector<std::string>& parts) {
  std::string body;
  for (const std::string& part : parts) body += part;
  return check_kernel_text(body);
}
Verdicts verdicts_of(const std::vector<std::string>& parts) { return verdicts(report_of(parts)); }

TEST(Polls, WhatComesAfterOneMayBeOrderedByIt) {
  const Report report = report_of({kPoll, kWrite, kWait});
  EXPECT_EQ(verdicts(report), (Verdicts{"warning R1", "warning R13", "warning R6"}));
  const Finding* write = find(report, Rule::kWriteBeforeWait);
  ASSERT_NE(write, nullptr);
  EXPECT_EQ(write->certainty, Certainty::kDependsOnCaller);
  EXPECT_NE(write->message.find("unless it is ordered by what the kernel polls for before"),
            std::string::npos);
}

TEST(Polls, WhatComesBeforeOneIsNot) {
  EXPECT_EQ(verdicts_of({kWrite, kPoll, kWait}),
            (Verdicts{"warning R1", "warning R13", "error R6"}));
}

TEST(Polls, ThoseOfOneThreadOrderNoOther) {
  EXPECT_EQ(verdicts_of({kByOneThread, kPoll, kRest, kWrite, kWait}).count("error R6"), 1U);
}

TEST(Polls, ALoadThatIsReadOnceIsNone) {
  const std::string once =
      "  ld.acquire.gpu.global.u32 %r3, [%rd1];\n  setp.eq.s32 %p1, %r3, 0;\n  @%p1 bra $SKIP;\n";
  EXPECT_EQ(verdicts_of({once, kWrite, "$SKIP:\n", kWait}).count("error R6"), 1U);
}

TEST(Polls, CompilersPutAFirstTryInFrontOfTheLoop) {
  const std::string first =
      "  ld.acquire.gpu.global.u32 %r3, [%rd1];\n  setp.ne.s32 %p1, %r3, 0;\n  @%p1 bra $DONE;\n";
  EXPECT_EQ(verdicts_of({first, kPoll, "$DONE:\n", kWrite, kWait}),
            (Verdicts{"warning R1", "warning R13", "warning R6"}));
}

TEST(Polls, WhatACallerSaidIsNoMatterOfPolls) {
  const Report report = check_kernel_text(std::string(kPoll) + kWrite + kWait, R"({"kernels": [
      {"name": "k", "parameters": [{"index": 1, "role": "written"}]}]})");
  EXPECT_EQ(verdicts(report).count("error R6"), 1U);
}

}  // namespace
}  // namespace slipstream::check::polls_test
