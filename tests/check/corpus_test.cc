// Every case of the corpus: with the bug, exactly the marked lines are reported by the marked
// rules; repaired, and for false alarms, nothing is.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <sstream>

#include "check/checker.h"
#include "check/rules/rules.h"
#include "code/fatbin.h"
#include "corpus_cases.h"

namespace slipstream::check {
namespace {

namespace fs = std::filesystem;

// The JSON in a comment that begins with "/* launches", or with "/* launches repaired".
Launches launches_in(const std::string& source, bool repaired) {
  for (const std::string marker : {"/* launches repaired\n", "/* launches\n"}) {
    const size_t at = source.find(marker);
    const bool for_repaired = marker.find("repaired") != std::string::npos;
    if (at == std::string::npos || (for_repaired && !repaired)) continue;
    const size_t begin = at + marker.size();
    return parse_launches(source.substr(begin, source.find("*/", begin) - begin), "launches");
  }
  return {};
}

// The rules that a text names, as in "R1, R6 and R12".
std::set<std::string> rules_in(const std::string& text) {
  constexpr const char* kDigits = "0123456789";
  std::set<std::string> result;
  for (size_t at = text.find('R'); at != std::string::npos; at = text.find('R', at + 1)) {
    const size_t end = std::min(text.find_first_not_of(kDigits, at + 1), text.size());
    if (end > at + 1) result.insert(text.substr(at, end - at));
  }
  return result;
}

// "R1 at line 12" for every marked line.
std::set<std::string> marked(const std::string& source) {
  std::set<std::string> result;
  std::istringstream lines(source);
  size_t number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    const size_t marker = line.find("// finds ");
    if (marker == std::string::npos) continue;
    for (const std::string& rule : rules_in(line.substr(marker))) {
      result.insert(rule + " at line " + std::to_string(number));
    }
  }
  return result;
}

std::set<std::string> reported(const std::vector<Finding>& findings) {
  std::set<std::string> result;
  for (const Finding& finding : findings) {
    if (finding.severity == Severity::kNote) continue;
    for (const Place& place : finding.places) {
      const std::string where = place.file.empty() ? place.code : std::to_string(place.line);
      result.insert(id_of(finding.rule) + " at line " + where);
    }
  }
  return result;
}

// What the source says in a line of its own after "// MARKER: ", or nothing.
std::string said_of(const Case& one, const std::string& marker) {
  const std::string start = "// " + marker + ": ";
  const size_t at = one.source.find(start);
  if (at == std::string::npos) return {};
  const size_t begin = at + start.size();
  return one.source.substr(begin, one.source.find('\n', begin) - begin);
}

// Most cases are namespaces of a program; those with options for nvcc are images of their own.
bool is_in_a_program(const Case& one) {
  return one.source.find("\n// nvcc: ") == std::string::npos;
}

fs::path file_of(const Case& one, bool repaired) {
  if (is_in_a_program(one)) {
    const char* bugs = repaired ? "corpus_repaired" : "corpus_bugs";
    return fs::path(CORPUS_PROGRAMS) / (one.has_bug ? bugs : "corpus_silent");
  }
  return fs::path(CORPUS_IMAGES) / (one.name + (repaired ? ".repaired" : "") + ".fatbin");
}

// What the cases in a file say of their launches, each of its own kernels.
Launches launches_of(const fs::path& path, bool repaired) {
  Launches all;
  for (const Case& one : find_corpus_cases(CORPUS_SOURCES)) {
    if (file_of(one, repaired) != path) continue;
    const std::string scope = is_in_a_program(one) ? one.name + "::" : "";
    Launches launches = launches_in(one.source, repaired);
    for (KernelLaunch& kernel : launches.kernels) {
      kernel.pattern.insert(0, scope);
      all.kernels.push_back(std::move(kernel));
    }
    for (GraphEdge& edge : launches.edges) {
      all.edges.push_back({scope + edge.from, scope + edge.to, edge.kind});
    }
  }
  return all;
}

// What is reported of a file, from all that is in it and from its machine code alone.
struct Reports {
  Report all;
  Report sass_alone;
  std::string ptx;
};

Reports check_file(const fs::path& path, bool repaired) {
  const Launches launches = launches_of(path, repaired);
  Reports reports{check_paths({path.string()}, launches), {}, {}};
  for (const auto& image : code::read_image_file(path.string())) {
    if (image.kind == code::ImageKind::kPtx) {
      reports.ptx += image.bytes;
      continue;
    }
    Report one = check_image(image.bytes, path.filename().string(), launches);
    std::ranges::move(one.findings, std::back_inserter(reports.sass_alone.findings));
    std::ranges::move(one.problems, std::back_inserter(reports.sass_alone.problems));
  }
  return reports;
}

// A program has dozens of cases, and is checked once.
const Reports& reports_on(const Case& one, bool repaired) {
  static std::map<fs::path, Reports> known;
  const fs::path path = file_of(one, repaired);
  const auto found = known.find(path);
  return found == known.end() ? known.emplace(path, check_file(path, repaired)).first->second
                              : found->second;
}

// A case's namespace as it is in a kernel's mangled name.
std::string mangled_scope(const Case& one) {
  return "_ZN" + std::to_string(one.name.size()) + one.name;
}

bool is_about(const Finding& finding, const Case& one) {
  return !is_in_a_program(one) || finding.mangled.starts_with(mangled_scope(one));
}
bool is_about(const Problem& problem, const Case& one) {
  return !is_in_a_program(one) || problem.what.find(one.name + "::") != std::string::npos;
}

std::vector<Finding> findings_about(const Case& one, const Report& report) {
  std::vector<Finding> result;
  std::ranges::copy_if(report.findings, std::back_inserter(result),
                       [&](const Finding& finding) { return is_about(finding, one); });
  return result;
}

// Problems are failures, but for those of which the source says that they are expected.
void expect_no_problems(const Case& one, const Report& report) {
  const std::string expected = said_of(one, "not analyzed");
  size_t count = 0;
  for (const Problem& problem : report.problems) {
    if (!is_about(problem, one)) continue;
    ++count;
    const bool is_expected = !expected.empty() && problem.what.find(expected) != std::string::npos;
    EXPECT_TRUE(is_expected) << problem.file << problem.what;
  }
  EXPECT_EQ(count == 0, expected.empty());
}

std::vector<Finding> check_image_of(const Case& one, bool repaired) {
  const Reports& reports = reports_on(one, repaired);
  expect_no_problems(one, reports.all);
  if (is_in_a_program(one)) {
    EXPECT_NE(reports.ptx.find(".entry " + mangled_scope(one)), std::string::npos);
  } else {
    EXPECT_GE(reports.all.kernels, 1U);
  }
  return findings_about(one, reports.all);
}

class Corpus : public testing::TestWithParam<Case> {};

TEST_P(Corpus, ReportsExactlyTheMarkedLines) {
  const Case& one = GetParam();
  std::vector<Finding> findings = check_image_of(one, false);
  // The source itself is checked only where the case is about inline assembly.
  if (one.name.find("clobber") != std::string::npos) {
    for (Finding& finding : check_source(one.source, one.name)) {
      findings.push_back(finding);
    }
  }
  const std::set<std::string> expected = marked(one.source);
  const bool dynamic_only = one.source.find("// dynamic only: ") != std::string::npos;
  EXPECT_EQ(one.has_bug && !dynamic_only, !expected.empty()) << "a bug must have a marked line";
  EXPECT_EQ(reported(findings), expected);
}

// Lines whose "finds" comment has these words.
TEST_P(Corpus, WarnsOnlyWhereTheLineIsMarkedSo) {
  const Case& one = GetParam();
  std::istringstream lines(one.source);
  std::set<uint32_t> warned;
  uint32_t number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (line.find("(a warning)") != std::string::npos) warned.insert(number);
  }
  size_t seen = 0;
  for (const Finding& finding : check_image_of(one, false)) {
    for (const Place& place : finding.places) {
      if (!warned.contains(place.line)) continue;
      EXPECT_EQ(finding.severity, Severity::kWarning) << place.text();
      ++seen;
    }
  }
  EXPECT_GE(seen, warned.size());
}

TEST_P(Corpus, IsSilentOnTheRepairedTwin) {
  const Case& one = GetParam();
  if (!one.has_bug) GTEST_SKIP() << "has no twin";
  EXPECT_EQ(reported(check_image_of(one, true)), std::set<std::string>{});
}

// "R1, R6" and the like, in any order; notes are not in it.
TEST_P(Corpus, IsInTheTableOfTheDocumentation) {
  const Case& one = GetParam();
  const std::vector<std::string> row = corpus_table_row(CORPUS_TABLE, one.name);
  ASSERT_EQ(row.size(), 4U) << "docs/check.md has no row for " << one.name;
  std::set<std::string> expected;
  for (const std::string& entry : marked(one.source)) {
    expected.insert(entry.substr(0, entry.find(' ')));
  }
  EXPECT_EQ(rules_in(row[2]), expected);
  if (expected.empty()) {
    EXPECT_TRUE(row[2].starts_with(one.has_bug ? "needs a run" : "silent")) << row[2];
  }
}

// Lines of `reported` and `marked` entries, whatever the rule: a read that the compiler moved is R5
// where there is PTX and R1 or R2 without.
std::set<std::string> lines_of(const std::set<std::string>& entries) {
  std::set<std::string> lines;
  for (const std::string& entry : entries) lines.insert(entry.substr(entry.find(" at ")));
  return lines;
}

std::set<std::string> reported_from_sass_alone(const Case& one, bool repaired) {
  const Report& report = reports_on(one, repaired).sass_alone;
  EXPECT_TRUE(std::ranges::none_of(report.problems,
                                   [&](const Problem& problem) { return is_about(problem, one); }));
  return reported(findings_about(one, report));
}

bool shows_in_sass_alone(const Case& one) { return said_of(one, "not in SASS alone").empty(); }

TEST_P(Corpus, ReportsTheSameLinesFromSassAlone) {
  const Case& one = GetParam();
  if (!shows_in_sass_alone(one)) GTEST_SKIP();
  if (!said_of(one, "silent in SASS alone").empty()) {
    EXPECT_EQ(reported_from_sass_alone(one, false), std::set<std::string>{});
    return;
  }
  EXPECT_EQ(lines_of(reported_from_sass_alone(one, false)), lines_of(marked(one.source)));
}

TEST_P(Corpus, IsSilentOnTheRepairedTwinFromSassAlone) {
  const Case& one = GetParam();
  if (!one.has_bug || !shows_in_sass_alone(one)) GTEST_SKIP();
  EXPECT_EQ(reported_from_sass_alone(one, true), std::set<std::string>{});
}

// What the cases share is right.
TEST(CorpusPrograms, NothingIsReportedThatBelongsToNoCase) {
  const std::vector<Case> cases = find_corpus_cases(CORPUS_SOURCES);
  for (const Case& program : cases) {
    if (!is_in_a_program(program)) continue;
    for (const bool repaired : {false, true}) {
      for (const Finding& finding : reports_on(program, repaired).all.findings) {
        EXPECT_TRUE(std::ranges::any_of(cases, [&](const Case& one) {
          return is_in_a_program(one) && is_about(finding, one);
        })) << finding.kernel;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, Corpus, testing::ValuesIn(find_corpus_cases(CORPUS_SOURCES)),
                         [](const testing::TestParamInfo<Case>& one) { return one.param.name; });

}  // namespace
}  // namespace slipstream::check
