// docs/rules is what the rules print, and its examples do what they claim.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "check/checker.h"
#include "check/report/rule_pages.h"

namespace slipstream::check {
namespace {

namespace fs = std::filesystem;

std::string read_text(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

class RulePage : public testing::TestWithParam<const RuleInfo*> {};

TEST_P(RulePage, IsWhatTheDocumentationShows) {
  const RuleInfo& rule = *GetParam();
  EXPECT_EQ(read_text(fs::path(RULE_PAGES) / rule_page_name(rule)), rule_page(rule))
      << "run check_rule_pages " << RULE_PAGES;
}

TEST_P(RulePage, StandsUnderItsNumber) {
  const RuleInfo& rule = *GetParam();
  EXPECT_EQ(rule.id, id_of(rule.rule));
  EXPECT_EQ(&info_of(rule.rule), &rule);
  EXPECT_TRUE(rule_page_name(rule).starts_with("R" + std::string(rule.file.substr(1, 2))))
      << rule.file;
  EXPECT_TRUE(fs::exists(fs::path(RULE_SOURCES) / (std::string(rule.file) + ".cc"))) << rule.file;
  EXPECT_NE(rule.check == nullptr, rule.check_source == nullptr);
}

TEST_P(RulePage, NamesAPublicCaseThatTheRuleFinds) {
  const RuleInfo& rule = *GetParam();
  if (rule.corpus.empty()) GTEST_SKIP() << "names none";
  const std::string source = read_text(fs::path(CORPUS_BUGS) / (std::string(rule.corpus) + ".cu"));
  bool is_marked = false;
  for (size_t at = source.find("// finds "); at != std::string::npos;
       at = source.find("// finds ", at + 1)) {
    const std::string line = source.substr(at, source.find('\n', at) - at) + ' ';
    is_marked = is_marked || line.find(' ' + std::string(rule.id) + ' ') != std::string::npos;
  }
  EXPECT_TRUE(is_marked) << rule.corpus << " has no line that is marked with " << rule.id;
}

// The launches file of an example, for kernels in a namespace.
Launches launches_of(const RuleInfo& rule, bool right) {
  std::string text(rule.example.launches);
  if (text.empty()) return {};
  Launches launches = parse_launches(text, "launches");
  const std::string prefix = example_namespace(rule, right) + "::";
  for (KernelLaunch& kernel : launches.kernels) kernel.pattern = prefix + kernel.pattern;
  for (GraphEdge& edge : launches.edges) edge.to = prefix + edge.to;
  return launches;
}

// What is found in one example.
std::vector<Finding> check_example(const RuleInfo& rule, bool right) {
  const Report report = check_paths({RULE_EXAMPLES}, launches_of(rule, right));
  EXPECT_TRUE(report.problems.empty());
  std::vector<Finding> findings =
      check_source(right ? rule.example.right : rule.example.wrong, "example.cu");
  const std::string prefix = example_namespace(rule, right) + "::";
  std::copy_if(report.findings.begin(), report.findings.end(), std::back_inserter(findings),
               [&](const Finding& one) { return one.kernel.starts_with(prefix); });
  return findings;
}

TEST_P(RulePage, ShowsAnExampleThatTheRuleReports) {
  const RuleInfo& rule = *GetParam();
  const std::vector<Finding> findings = check_example(rule, false);
  EXPECT_TRUE(std::any_of(findings.begin(), findings.end(),
                          [&](const Finding& one) { return one.rule == rule.rule; }));
}

TEST_P(RulePage, ShowsAnExampleThatNoRuleReports) {
  const RuleInfo& rule = *GetParam();
  for (const Finding& one : check_example(rule, true)) {
    EXPECT_NE(one.rule, rule.rule) << one.message;
    EXPECT_EQ(one.severity, Severity::kNote) << id_of(one.rule) << ": " << one.message;
  }
}

INSTANTIATE_TEST_SUITE_P(All, RulePage, testing::ValuesIn(all_rules().begin(), all_rules().end()),
                         [](const testing::TestParamInfo<const RuleInfo*>& one) {
                           return std::string(one.param->id);
                         });

TEST(RuleIndex, IsWhatTheDocumentationShows) {
  EXPECT_EQ(read_text(fs::path(RULE_PAGES) / "README.md"), rule_index())
      << "run check_rule_pages " << RULE_PAGES;
}

TEST(RuleIndex, HasNoPageOfARuleThatIsGone) {
  const fs::directory_iterator folder(RULE_PAGES);
  EXPECT_EQ(static_cast<size_t>(std::distance(begin(folder), end(folder))), all_rules().size() + 1);
}

}  // namespace
}  // namespace slipstream::check
