// The programs of the corpus on the emulated device, under the race check: exactly the marked lines
// are reported, as the later of two accesses; nothing is reported of repaired twins and false
// alarms; and the table of docs/check.md says the same.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <set>
#include <sstream>

#include "cli/emulate.h"
#include "corpus_cases.h"
#include "io/json_reader.h"
#include "tests/support/sanitized.h"

namespace slipstream {
namespace {

namespace fs = std::filesystem;
using cli::EmulateOptions;
using cli::run_emulate;

bool is_for_old_ptx(const std::string& source) {
  return source.find("\n// nvcc: -gencode arch=compute_80,") != std::string::npos;
}
bool needs_other_architecture(const std::string& source) {
  return source.find("\n// nvcc: ") != std::string::npos && !is_for_old_ptx(source);
}

// Without those that need another architecture than that of the emulated device.
std::vector<Case> find_cases() {
  std::vector<Case> cases = find_corpus_cases(CORPUS_SOURCES);
  std::erase_if(cases, [](const Case& one) { return needs_other_architecture(one.source); });
  return cases;
}

// The lines whose "finds" comment has the word.
std::set<uint32_t> marked(const std::string& source, const std::string& word) {
  std::set<uint32_t> result;
  std::istringstream lines(source);
  uint32_t number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    const size_t marker = line.find("// finds ");
    if (marker != std::string::npos && line.find(" " + word, marker) != std::string::npos) {
      result.insert(number);
    }
  }
  return result;
}

struct Outcome {
  int exit_code = 0;
  std::set<uint32_t> races;  // lines of the case's own source
  std::string faults;        // reports of the emulated device
};

Outcome run(const Case& one, const char* program, const std::string& schedule = "serial") {
  const fs::path stem =
      fs::path(testing::TempDir()) / (one.name + "." + program + "." + std::to_string(getpid()));
  EmulateOptions options;
  options.check_races = true;
  options.fail_on = "warning";
  options.json_file = stem.string() + ".json";
  options.report_file = stem.string() + ".report";
  options.schedule = schedule;
  options.program = {(fs::path(CORPUS_PROGRAMS) / program).string(), one.name};
  Outcome outcome;
  outcome.exit_code = run_emulate(options);
  outcome.faults = read_text(options.report_file);
  const auto report = io::JsonReader::parse(read_text(options.json_file), "report");
  for (const auto& finding : report.objects("findings")) {
    for (const auto& line : finding.object("second").objects("lines")) {
      const fs::path file(line.text("file"));
      if (file.stem() != one.name) continue;
      outcome.races.insert(static_cast<uint32_t>(line.integer("line")));
      break;
    }
  }
  fs::remove(options.json_file);
  fs::remove(options.report_file);
  return outcome;
}

const char* program_of(const Case& one) {
  if (!one.has_bug) return "corpus_silent";
  return is_for_old_ptx(one.source) ? "corpus_old_ptx" : "corpus_bugs";
}

class DynamicCorpus : public testing::TestWithParam<Case> {};

TEST_P(DynamicCorpus, ReportsExactlyTheMarkedLines) {
  const Case& one = GetParam();
  const Outcome outcome = run(one, program_of(one));
  const std::set<uint32_t> expected = marked(one.source, "race");
  EXPECT_EQ(outcome.races, expected);
  for (const uint32_t line : marked(one.source, "fault")) {
    EXPECT_NE(outcome.faults.find(one.name + ".cu:" + std::to_string(line) + ":"),
              std::string::npos)
        << outcome.faults;
    EXPECT_NE(outcome.exit_code, 0);
    return;
  }
  EXPECT_EQ(outcome.exit_code, expected.empty() ? 0 : 1);
}

TEST_P(DynamicCorpus, ReportsTheSameLinesWhereGridsOverlap) {
  const Case& one = GetParam();
  if (!marked(one.source, "fault").empty()) GTEST_SKIP() << "is stopped by its fault";
  for (const char* schedule : {"overlapped", "adversarial"}) {
    const Outcome outcome = run(one, program_of(one), schedule);
    EXPECT_EQ(outcome.races, marked(one.source, "race")) << schedule;
  }
}

TEST_P(DynamicCorpus, IsSilentOnTheRepairedTwin) {
  const Case& one = GetParam();
  if (!one.has_bug) GTEST_SKIP() << "has no twin";
  const Outcome outcome = run(one, "corpus_repaired");
  EXPECT_EQ(outcome.races, std::set<uint32_t>{});
  EXPECT_EQ(outcome.exit_code, 0);
}

TEST_P(DynamicCorpus, IsInTheTableOfTheDocumentation) {
  const Case& one = GetParam();
  const bool finds_race = !marked(one.source, "race").empty();
  const bool finds_fault = !marked(one.source, "fault").empty();
  const std::string expected = finds_race ? "race" : finds_fault ? "fault" : "silent";
  const std::vector<std::string> row = corpus_table_row(CORPUS_TABLE, one.name);
  ASSERT_EQ(row.size(), 4U) << "docs/check.md has no row for " << one.name;
  EXPECT_EQ(row[3], expected);
}

int exit_code_of(const std::string& shell_command) {
  EmulateOptions options;
  options.check_races = true;
  options.program = {"/bin/sh", "-c", shell_command};
  return run_emulate(options);
}

TEST(EmulateCheck, SaysThatNothingWasChecked) {
  if (test::kSanitized) GTEST_SKIP() << test::kNotByAShell;
  EXPECT_EQ(exit_code_of("true"), 2);
}

TEST(EmulateCheck, HandsOnTheExitCodeOfTheProgram) {
  if (test::kSanitized) GTEST_SKIP() << test::kNotByAShell;
  EXPECT_EQ(exit_code_of("exit 7"), 7);
  EXPECT_EQ(exit_code_of("kill -9 $$"), 128 + 9);
}

INSTANTIATE_TEST_SUITE_P(All, DynamicCorpus, testing::ValuesIn(find_cases()),
                         [](const testing::TestParamInfo<Case>& one) { return one.param.name; });

}  // namespace
}  // namespace slipstream
