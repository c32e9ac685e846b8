#include "check/report/race_report.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

namespace slipstream::check::race_report_test {
namespace {

using Json = nlohmann::json;

Json side(const std::string& kernel, const std::string& file, uint32_t line) {
  return {{"action", "writes"},
          {"kernel", kernel},
          {"launch", 1},
          {"cta", {0, 0, 0}},
          {"thread", {3, 0, 0}},
          {"thread_known", true},
          {"waited", false},
          {"is_host", false},
          {"lines", Json::array({{{"file", file}, {"line", line}, {"column", 1}}})},
          {"instruction", "st.global.u32 [%rd1], %r1;"},
          {"ptx_line", 10}};
}

Json finding(uint64_t number, uint64_t count, const std::string& kernel = "k",
             const std::string& file = "a.cu", uint32_t line = 5) {
  return {{"process", 7},
          {"number", number},
          {"severity", "error"},
          {"kind", "read-after-write"},
          {"class", "race"},
          {"missing", "a barrier"},
          {"first", side(kernel, file, line)},
          {"second", side(kernel, file, line + 1)},
          {"allocation", "cudaMalloc #1"},
          {"offset", 4},
          {"count", count}};
}

TEST(RaceReport, TakesTheLastWordOfAProcessOnAFinding) {
  const RaceReport report =
      read_races(finding(0, 1).dump() + "\n" + finding(0, 40).dump() + "\n{\"grids\": 3}\n");
  ASSERT_EQ(report.findings.size(), 1U);
  EXPECT_EQ(report.findings[0].count, 40);
  EXPECT_EQ(report.grids, 3U);
}

TEST(RaceReport, AddsUpInstancesOfOnePairOfLines) {
  const RaceReport report =
      read_races(finding(0, 2, "k<1>").dump() + "\n" + finding(1, 3, "k<2>").dump() + "\n");
  ASSERT_EQ(report.findings.size(), 1U);
  EXPECT_EQ(report.findings[0].count, 5);
}

TEST(RaceReport, KeepsOtherLinesApart) {
  const RaceReport report =
      read_races(finding(0, 2).dump() + "\n" + finding(1, 3, "k", "a.cu", 8).dump() + "\n");
  EXPECT_EQ(report.findings.size(), 2U);
}

TEST(RaceReport, SaysBothPlacesAndWhatIsMissing) {
  const std::string text = race_text(read_races(finding(0, 2).dump() + "\n"));
  EXPECT_NE(text.find("error read-after-write (race), seen 2 times"), std::string::npos) << text;
  EXPECT_NE(text.find("at a.cu:5"), std::string::npos) << text;
  EXPECT_NE(text.find("at a.cu:6"), std::string::npos) << text;
  EXPECT_NE(text.find("missing: a barrier"), std::string::npos) << text;
  EXPECT_NE(text.find("1 error, 0 warnings, 0 allowed"), std::string::npos) << text;
}

TEST(RaceReport, IsJsonForPrograms) {
  const auto json = Json::parse(race_json(read_races(finding(0, 2).dump() + "\n")));
  EXPECT_EQ(json["findings"][0]["class"], "race");
}

TEST(RaceReport, WritesAllThatTheDeviceWroteAndTheReason) {
  Json expected = finding(0, 2);
  expected.erase("number");  // of the process alone
  expected["allowed"] = "";
  const auto json = Json::parse(race_json(read_races(finding(0, 2).dump() + "\n")));
  for (const auto& [key, value] : expected.items()) EXPECT_EQ(json["findings"][0][key], value);
}

TEST(RaceReport, RefusesALineThatIsNoFinding) {
  EXPECT_ANY_THROW(read_races("{\"process\": 7}\n"));
  EXPECT_ANY_THROW(read_races("no JSON\n"));
}

TEST(RaceReport, LetsALineBeAllowedWithAReason) {
  const auto file = std::filesystem::path(testing::TempDir()) / "allowed_race.cu";
  std::ofstream(file) << "a\nb\n// slipstream-check: allow race: all write the same\nstore();\n";
  const RaceReport report = read_races(finding(0, 1, "k", file.string(), 4).dump() + "\n" +
                                       finding(1, 1, "k", file.string(), 40).dump() + "\n");
  ASSERT_EQ(report.findings.size(), 2U);
  EXPECT_EQ(report.findings[0].allowed, "all write the same");
  EXPECT_TRUE(has_races(report, Severity::kError)) << "the other is not allowed";
  const RaceReport one = read_races(finding(0, 1, "k", file.string(), 4).dump() + "\n");
  EXPECT_FALSE(has_races(one, Severity::kWarning));
  std::filesystem::remove(file);
}

TEST(RaceReport, FailsOnWarningsOnlyIfAsked) {
  Json warning = finding(0, 1);
  warning["severity"] = "warning";
  const RaceReport report = read_races(warning.dump() + "\n");
  EXPECT_TRUE(has_races(report, Severity::kWarning));
  EXPECT_FALSE(has_races(report, Severity::kError));
}

}  // namespace
}  // namespace slipstream::check::race_report_test
