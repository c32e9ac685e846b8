// The three forms of the report.
#include "check/report/text_report.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "io/json_reader.h"
#include "ptx_kernel.h"

namespace slipstream::check {
namespace {

using nlohmann::literals::operator""_json_pointer;

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

Finding in_machine_code(const std::string& kernel) {
  Finding finding;
  finding.kernel = kernel;
  finding.message = "Reads parameter 0";
  finding.places = {{.file = {},
                     .line = 0,
                     .inlined_at = {},
                     .code = "SASS 0x1d0",
                     .instruction = "LDG",
                     .excerpt = {}}};
  return finding;
}

TEST(TextReport, NamesTheInstructionWhereThereIsNoLine) {
  Report report;
  report.findings = {in_machine_code("k")};
  EXPECT_NE(text_report(report).find("at SASS 0x1d0: LDG\n"), std::string::npos)
      << text_report(report);
}

TEST(TextReport, IsOneParagraphForACauseAndNamesAllKernelsIfAsked) {
  Report report;
  report.findings = {in_machine_code("void ns::k<float>(float*)"),
                     in_machine_code("void ns::k<int>(int*)")};
  const std::string folded = text_report(report);
  EXPECT_NE(folded.find("and 1 more kernels from the same template"), std::string::npos) << folded;
  EXPECT_NE(folded.find("2 findings from 1 causes"), std::string::npos);
  EXPECT_EQ(folded.find("k<int>"), std::string::npos);
  EXPECT_NE(text_report(report, true).find("ns::k<int>(int*)"), std::string::npos);
}

TEST(JsonReport, HoldsTheFinding) {
  const auto json = io::parse_json_object(json_report(report_with_a_finding()), "report");
  ASSERT_EQ(json["findings"].size(), 1U);
  const auto& finding = json["findings"][0];
  EXPECT_EQ(finding["rule"], "R1");
  EXPECT_EQ(finding["severity"], "warning");
  EXPECT_EQ(finding["certainty"], "depends on the caller");
  EXPECT_EQ(finding["places"][0]["code"], "PTX line 15");
}

TEST(SarifReport, HasWhatCodeHostsAskFor) {
  const auto sarif = io::parse_json_object(sarif_report(report_with_a_finding()), "report");
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

// A report with one finding at `place`.
nlohmann::json sarif_of(const Place& place, const std::string& allowed = "") {
  Report report;
  Finding finding;
  finding.kernel = "k";
  finding.images = {"a.out: sm_90a SASS"};
  finding.places = {place};
  finding.allowed = allowed;
  report.findings = {finding};
  return io::parse_json_object(sarif_report(report), "report")["runs"][0]["results"][0];
}

std::string uri_of(const std::string& file) {
  const Place place{
      .file = file, .line = 3, .inlined_at = {}, .code = {}, .instruction = {}, .excerpt = {}};
  return sarif_of(place)["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
}

TEST(SarifReport, NamesFilesOfTheRepositoryRelativeToIt) {
  EXPECT_EQ(uri_of((std::filesystem::current_path() / "src/kernel.cu").string()), "src/kernel.cu");
  EXPECT_EQ(uri_of("src/../kernel.cu"), "kernel.cu");
  EXPECT_EQ(uri_of("/elsewhere/kernel.cu"), "file:///elsewhere/kernel.cu");
}

TEST(SarifReport, EscapesWhatAUriDoesNotAllow) {
  EXPECT_EQ(uri_of("my kernels/100%.cu"), "my%20kernels/100%25.cu");
}

TEST(SarifReport, PutsTheImageWhereNoLineIsKnown) {
  const auto result = sarif_of({.file = "",
                                .line = 0,
                                .inlined_at = {},
                                .code = "SASS 0x150",
                                .instruction = {},
                                .excerpt = {}});
  const auto& location = result["locations"][0]["physicalLocation"];
  EXPECT_EQ(location["artifactLocation"]["uri"], "a.out");
  EXPECT_FALSE(location.contains("region"));
}

TEST(SarifReport, ShowsAnAllowedFindingAsSuppressed) {
  const Place place{
      .file = "a.cu", .line = 3, .inlined_at = {}, .code = {}, .instruction = {}, .excerpt = {}};
  const auto suppressions = sarif_of(place, "written at start-up")["suppressions"];
  ASSERT_EQ(suppressions.size(), 1U);
  EXPECT_EQ(suppressions[0]["kind"], "inSource");
  EXPECT_EQ(suppressions[0]["justification"], "written at start-up");
  EXPECT_FALSE(sarif_of(place).contains("suppressions"));
}

// What the schema of SARIF 2.1.0 requires of the objects that are used here.
TEST(SarifReport, HasTheRequiredProperties) {
  const auto sarif = io::parse_json_object(sarif_report(report_with_a_finding()), "report");
  for (const char* name : {"$schema", "version", "runs"}) EXPECT_TRUE(sarif.contains(name)) << name;
  const auto& run = sarif["runs"].at(0);
  EXPECT_TRUE(run["tool"]["driver"]["name"].is_string());
  for (const auto& rule : run["tool"]["driver"]["rules"]) {
    EXPECT_TRUE(rule["id"].is_string());
    EXPECT_TRUE(rule["shortDescription"]["text"].is_string());
    EXPECT_TRUE(rule["help"]["text"].is_string());
  }
  EXPECT_TRUE(run["invocations"].at(0)["executionSuccessful"].is_boolean());
  for (const auto& result : run["results"]) {
    EXPECT_TRUE(result["message"]["text"].is_string());
    EXPECT_FALSE(result["locations"].empty());
    EXPECT_GE(result["locations"][0]["physicalLocation"].value("/region/startLine"_json_pointer, 1),
              1);
  }
}

TEST(SarifReport, SaysWhatCouldNotBeAnalyzed) {
  const Report report = check_image(
      "\x7f"
      "ELF",
      "broken.cubin", {});
  const auto sarif = io::parse_json_object(sarif_report(report), "report");
  EXPECT_FALSE(sarif["runs"][0]["invocations"][0]["executionSuccessful"].get<bool>());
}

}  // namespace
}  // namespace slipstream::check
