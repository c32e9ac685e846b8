#include "check/analysis/written.h"

#include <gtest/gtest.h>

#include "../ptx_kernel.h"

namespace slipstream::check {
namespace {

// Launches of `k`, whose pointer a was shared as `shared_a` says and b not at all.
std::string recorded(const std::string& shared_a, bool pdl = true) {
  return fmt::format(R"({{"recorded": {{"launches": 2}}, "kernels": [{{"name": "k", "pdl": {},
    "block": 32, "launches": 2, "parameters": [
      {{"index": 0, "offset": 0, "shared": [{}]}}, {{"index": 1, "offset": 0, "shared": []}}]}}]}})",
                     pdl, shared_a);
}

std::string sharer(uint32_t index, const std::string& same) {
  return fmt::format(R"({{"kernel": "k", "index": {}, "offset": 0, "same": "{}"}})", index, same);
}

const std::string kReadsEarly =
    "ld.global.u32 %r3, [%rd1]; griddepcontrol.wait; st.global.u32 [%rd2], %r3;";
const std::string kWritesEarly = "st.global.u32 [%rd2], %r1; griddepcontrol.wait;";

Verdicts errors_and_warnings(const Report& report) {
  Verdicts result;
  for (const std::string& verdict : verdicts(report)) {
    if (!verdict.starts_with("note")) result.insert(verdict);
  }
  return result;
}

Verdicts judged(const std::string& body, const std::string& launches) {
  return errors_and_warnings(check_kernel_text(body, launches));
}

TEST(RecordedRoles, MakeAReadOfWhatAnEarlierKernelWritesAnError) {
  const Report report = check_kernel_text(kReadsEarly, recorded(sharer(1, "address")));
  EXPECT_EQ(errors_and_warnings(report), (Verdicts{"error R1"}));
  EXPECT_EQ(find(report, Rule::kReadBeforeWait)->certainty, Certainty::kProven);
}

TEST(RecordedRoles, MakeAReadOfWhatNobodyWritesSilent) {
  EXPECT_EQ(judged(kReadsEarly, recorded("")), Verdicts{});
  EXPECT_EQ(judged(kReadsEarly, recorded(sharer(0, "address"))), Verdicts{});  // is read only
}

TEST(RecordedRoles, StayUnknownWhereOnlyTheAllocationIsTheSame) {
  EXPECT_EQ(judged(kReadsEarly, recorded(sharer(1, "allocation"))), (Verdicts{"warning R1"}));
}

TEST(RecordedRoles, ProveNothingWhereAStoreGoesElsewhere) {
  const std::string elsewhere =
      kReadsEarly + "ld.global.u64 %rd3, [%rd2]; st.global.u32 [%rd3], 1;";
  EXPECT_EQ(judged(elsewhere, recorded("")), (Verdicts{"warning R1"}));
}

TEST(RecordedRoles, HoldWhereTheStoreThatGoesElsewhereIsOfAKernelThatIsComplete) {
  const std::string unknown = R"(, {"name": "unknown", "block": 32, "launches": 1})";
  std::string launches = recorded("");
  launches.insert(launches.rfind("]}"), unknown);
  EXPECT_EQ(judged(kReadsEarly, launches), (Verdicts{"warning R1"}));
  const auto with_beside = [&](const std::string& kernels) {
    std::string result = launches;
    return result.insert(result.find("\"pdl\""), "\"beside\": [" + kernels + "], ");
  };
  EXPECT_EQ(judged(kReadsEarly, with_beside("")), Verdicts{});
  EXPECT_EQ(judged(kReadsEarly, with_beside("\"k\"")), Verdicts{});
  EXPECT_EQ(judged(kReadsEarly, with_beside("\"unknown\"")), (Verdicts{"warning R1"}));
}

TEST(RecordedRoles, LetAKernelWriteEarlyWhatNobodyElseHas) {
  EXPECT_EQ(judged(kWritesEarly, recorded("")), Verdicts{});
}

TEST(RecordedRoles, SwitchTheRulesOffWithoutTheAttribute) {
  EXPECT_EQ(judged(kReadsEarly, recorded(sharer(1, "address"), false)), Verdicts{});
}

TEST(RecordedRoles, LeaveOutWhatWasNotLaunched) {
  const std::string other = R"({"recorded": {"launches": 0}, "kernels": []})";
  EXPECT_EQ(judged(kReadsEarly, other), Verdicts{});
}

}  // namespace
}  // namespace slipstream::check
