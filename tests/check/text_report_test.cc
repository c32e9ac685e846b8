// The three forms of the report.
#include "check/text_report.h"

#include <nlohmann/json.hpp>

#include "ptx_kernel.h"

namespace slipstream::check {
namespace {

Report report_with_a_finding() {
  return check_kernel_text("  ld.global.u32 %r3, [%rd1];\n  griddepcontrol.wait;\n");
}

TEST(TextReport, SaysWhatWhereAndHowToMendIt) {
  const std::string text = text_report(report_with_a_finding());
  EXPECT_NE(text.find("warning R1 (depends on the caller): k"), std::string::npos) << text;
  EXPECT_NE(text.find("Reads parameter 0 before the wait, which is safe only if it is constant"),
            std::string::npos);
  EXPECT_NE(text.find("at PTX line 15"), std::string::npos) << text;
  EXPECT_NE(text.find("Move the wait above the read"), std::string::npos);
  EXPECT_NE(text.find("0 errors, 1 warning, 0 notes"), std::string::npos);
}

TEST(TextReport, SaysThatKernelsNeverWait) {
  const std::string text = text_report(check_kernel_text("  ld.global.u32 %r3, [%rd1];\n"));
  EXPECT_NE(text.find("1 kernels never wait"), std::string::npos) << text;
}

TEST(JsonReport, HoldsTheFinding) {
  const auto json = nlohmann::json::parse(json_report(report_with_a_finding()));
  ASSERT_EQ(json["findings"].size(), 1U);
  const auto& finding = json["findings"][0];
  EXPECT_EQ(finding["rule"], "R1");
  EXPECT_EQ(finding["severity"], "warning");
  EXPECT_EQ(finding["certainty"], "depends on the caller");
  EXPECT_EQ(finding["places"][0]["code"], "PTX line 15");
}

TEST(SarifReport, HasWhatCodeHostsAskFor) {
  const auto sarif = nlohmann::json::parse(sarif_report(report_with_a_finding()));
  EXPECT_EQ(sarif["version"], "2.1.0");
  const auto& run = sarif["runs"][0];
  EXPECT_EQ(run["tool"]["driver"]["rules"].size(), 15U);
  const auto& result = run["results"][0];
  EXPECT_EQ(result["ruleId"], "R1");
  EXPECT_EQ(run["tool"]["driver"]["rules"][result["ruleIndex"].get<size_t>()]["id"], "R1");
  EXPECT_EQ(result["level"], "warning");
  EXPECT_EQ(result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"], "k.ptx");
  EXPECT_TRUE(run["invocations"][0]["executionSuccessful"].get<bool>());
}

TEST(SarifReport, SaysWhatCouldNotBeAnalysed) {
  const Report report = check_image(
      "\x7f"
      "ELF",
      "broken.cubin", {});
  const auto sarif = nlohmann::json::parse(sarif_report(report));
  EXPECT_FALSE(sarif["runs"][0]["invocations"][0]["executionSuccessful"].get<bool>());
}

}  // namespace
}  // namespace slipstream::check
