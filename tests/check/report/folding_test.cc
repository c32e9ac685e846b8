// Findings that have one cause.
#include "check/report/folding.h"

#include <gtest/gtest.h>

namespace slipstream::check {
namespace {

Finding finding(const std::string& kernel, const std::string& message,
                const std::string& file = "") {
  Finding result;
  result.kernel = kernel;
  result.message = message;
  result.places = {{.file = file,
                    .line = 3,
                    .inlined_at = {},
                    .code = "SASS 0x10",
                    .instruction = {},
                    .excerpt = {}}};
  return result;
}

TEST(TemplateName, LeavesOutTypeArgumentsAndParameters) {
  EXPECT_EQ(template_name("void ns::kernel<float, std::pair<int, 3>>(float*)"), "ns::kernel");
  EXPECT_EQ(template_name("ns::kernel(float*)"), "ns::kernel");
  EXPECT_EQ(template_name("kernel"), "kernel");
  EXPECT_EQ(template_name("void (anonymous namespace)::kernel<1>(int)"),
            "(anonymous namespace)::kernel");
}

TEST(Folding, InstancesOfATemplateAreOneWhateverTheTypes) {
  const std::vector<Finding> findings = {
      finding("void k<float>(float*)", "Reads parameter 0 (float*)"),
      finding("void k<int>(int*)", "Reads parameter 0 (int*)"),
      finding("void k<int>(int*)", "Reads parameter 1 (int*)"),
      finding("void other<int>(int*)", "Reads parameter 0 (int*)")};
  const std::vector<Fold> folds = fold(findings);
  ASSERT_EQ(folds.size(), 3U);
  EXPECT_EQ(folds[0].findings.size(), 2U);
  EXPECT_FALSE(folds[0].same_lines);
}

TEST(Folding, OneLineIsOneCauseInEveryTemplate) {
  const std::vector<Finding> findings = {finding("void a<float>(float*)", "Reads", "h.cuh"),
                                         finding("void b<int>(int*)", "Reads", "h.cuh"),
                                         finding("void b<int>(int*)", "Reads", "other.cuh")};
  const std::vector<Fold> folds = fold(findings);
  ASSERT_EQ(folds.size(), 2U);
  EXPECT_EQ(folds[0].findings.size(), 2U);
  EXPECT_TRUE(folds[0].same_lines);
}

TEST(Folding, SeveritiesStayApart) {
  std::vector<Finding> findings = {finding("void k<float>(float*)", "Reads"),
                                   finding("void k<int>(int*)", "Reads")};
  findings[1].severity = Severity::kError;
  EXPECT_EQ(fold(findings).size(), 2U);
}

}  // namespace
}  // namespace slipstream::check
