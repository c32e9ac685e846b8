// Reports for programs against the schemas that say what is in them.
#include <fstream>

#include "check/report/race_report.h"
#include "check/report/text_report.h"
#include "json_schema.h"
#include "ptx_kernel.h"

namespace slipstream::check {
namespace {

using Json = nlohmann::json;
using Errors = std::vector<std::string>;

test::JsonSchema schema_of(const std::string& path) {
  std::ifstream file(path);
  return test::JsonSchema(Json::parse(file));
}

Errors json_errors(const std::string& text) {
  return schema_of(REPORT_SCHEMA).errors(Json::parse(text));
}
Errors sarif_errors(const Report& report) {
  return schema_of(SARIF_SCHEMA).errors(Json::parse(sarif_report(report)));
}

// Two reads of one pointer, and a source line for them if `lines` are asked for.
Report two_early_reads(bool lines) {
  const std::string first = lines ? "  .loc 1 2 1\n" : "";
  const std::string second = lines ? "  .loc 1 3 1\n" : "";
  const std::string text = ptx_kernel(first + "  ld.global.u32 %r3, [%rd1];\n" + second +
                                      "  ld.global.u32 %r4, [%rd1+4];\n  griddepcontrol.wait;\n") +
                           (lines ? ".file 1 \"k.cu\"\n" : "");
  return check_image(text, "k.ptx", {});
}

// As of machine code without lines, in a library.
Report finding_in_machine_code() {
  Report report;
  Finding finding;
  finding.kernel = "k(float*)";
  finding.mangled = "_Z1kPf";
  finding.message = "Reads";
  finding.images = {"lib.so: sm_90a SASS"};
  for (const char* code : {"SASS 0x150", "SASS 0x160", "SASS 0x160"}) {
    finding.places.push_back(
        {.file = "", .line = 0, .inlined_at = {}, .code = code, .instruction = {}, .excerpt = {}});
  }
  report.findings = {finding};
  return report;
}

TEST(ReportSchema, HoldsForTheStaticCheck) {
  EXPECT_EQ(json_errors(json_report(two_early_reads(true))), Errors{});
  EXPECT_EQ(json_errors(json_report(two_early_reads(false))), Errors{});
  EXPECT_EQ(json_errors(json_report(finding_in_machine_code())), Errors{});
  EXPECT_EQ(json_errors(json_report(check_image("\x7f"
                                                "ELF",
                                                "broken.cubin", {}))),
            Errors{});
}

Json race_side(bool with_lines, bool is_host) {
  Json lines = Json::array();
  if (with_lines)
    lines = {{{"file", "a.cu"}, {"line", 3}, {"column", 1}},
             {{"file", "b.cu"}, {"line", 4}, {"column", 1}}};
  return {{"action", "writes"},  {"kernel", "k"},
          {"launch", 1},         {"cta", {0, 0, 0}},
          {"thread", {3, 0, 0}}, {"thread_known", true},
          {"waited", false},     {"is_host", is_host},
          {"lines", lines},      {"instruction", "st.global.u32 [%rd1], %r1;"},
          {"ptx_line", 10}};
}

TEST(ReportSchema, HoldsForTheDynamicCheck) {
  Json device = race_side(false, false);
  device["device"] = 1;
  const Json finding = {{"process", 7},
                        {"number", 0},
                        {"severity", "error"},
                        {"kind", "read-after-write"},
                        {"class", "race"},
                        {"missing", "a barrier"},
                        {"first", race_side(true, false)},
                        {"second", device},
                        {"allocation", "cudaMalloc #1"},
                        {"offset", 4},
                        {"count", 2}};
  Json with_copy = finding;
  with_copy["number"] = 1;
  with_copy["second"] = race_side(false, true);
  with_copy["second"]["kernel"] = "cudaMemcpyAsync";
  const std::string text = race_json(read_races(finding.dump() + "\n" + with_copy.dump() + "\n"));
  EXPECT_EQ(json_errors(text), Errors{}) << text;
  EXPECT_EQ(Json::parse(text)["findings"].size(), 2U);
}

TEST(ReportSchema, RefusesWhatIsMissingWrongOrMore) {
  const Json right = Json::parse(json_report(two_early_reads(true)));
  for (const auto& [key, unused] : right.items()) {
    Json less = right;
    less.erase(key);
    EXPECT_NE(json_errors(less.dump()), Errors{}) << key;
  }
  Json more = right;
  more["findings"][0]["new"] = 1;
  EXPECT_NE(json_errors(more.dump()), Errors{});
  Json wrong = right;
  wrong["findings"][0]["severity"] = "grave";
  EXPECT_NE(json_errors(wrong.dump()), Errors{});
}

TEST(SarifSchema, HoldsWithLinesAndWithout) {
  EXPECT_EQ(sarif_errors(two_early_reads(true)), Errors{});
  EXPECT_EQ(sarif_errors(two_early_reads(false)), Errors{});
  EXPECT_EQ(sarif_errors(finding_in_machine_code()), Errors{});
  EXPECT_EQ(sarif_errors(check_image("\x7f"
                                     "ELF",
                                     "broken.cubin", {})),
            Errors{});
}

TEST(SarifSchema, HoldsForFindingsInSources) {
  Report report;
  report.findings = check_source("asm volatile(\"griddepcontrol.wait;\");\n", "k.cu");
  ASSERT_EQ(report.findings.size(), 1U);
  EXPECT_EQ(sarif_errors(report), Errors{});
}

TEST(SarifReport, GivesAddressesInMachineCodeEachOnce) {
  const Json result = Json::parse(sarif_report(finding_in_machine_code()))["runs"][0]["results"][0];
  const Json& address = result["locations"][0]["physicalLocation"]["address"];
  EXPECT_EQ(address["offsetFromParent"], 0x150);
  EXPECT_EQ(address["fullyQualifiedName"], "_Z1kPf+0x150");
  EXPECT_EQ(result["relatedLocations"].size(), 1U);
}

TEST(SarifReport, GivesTheLineInAPtxFile) {
  const Json result = Json::parse(sarif_report(two_early_reads(false)))["runs"][0]["results"][0];
  EXPECT_EQ(result["locations"][0]["physicalLocation"]["region"]["startLine"], 15);
}

}  // namespace
}  // namespace slipstream::check
