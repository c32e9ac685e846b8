#include "check/findings/suppressions.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace slipstream::check {
namespace {

class SuppressionTest : public testing::Test {
 protected:
  void SetUp() override {
    path_ = std::filesystem::path(testing::TempDir()) / "suppression_test.cu";
  }
  void TearDown() override { std::filesystem::remove(path_); }

  std::string reason(const std::string& source, uint32_t line) {
    return reason(source,
                  Place{.file = path_.string(), .line = line, .inlined_at = {}, .code = {}});
  }

  std::string reason(const std::string& source, const Place& place) {
    std::ofstream(path_) << source;
    Finding finding;
    finding.rule = Rule::kReadBeforeWait;
    finding.places.push_back(place);
    Suppressions().apply(finding);
    return finding.allowed;
  }

  [[nodiscard]] std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

TEST_F(SuppressionTest, StandsOnTheLineOrAboveIt) {
  EXPECT_EQ(reason("x = a[i];  // slipstream-check: allow R1: written once\n", 1), "written once");
  EXPECT_EQ(reason("// slipstream-check: allow R1: written once\nx = a[i];\n", 2), "written once");
}

TEST_F(SuppressionTest, NeedsAReasonAndTheRightRule) {
  EXPECT_EQ(reason("x = a[i];  // slipstream-check: allow R1\n", 1), "");
  EXPECT_EQ(reason("x = a[i];  // slipstream-check: allow R1:\n", 1), "");
  EXPECT_EQ(reason("x = a[i];  // slipstream-check: allow R4: constant\n", 1), "");
}

TEST_F(SuppressionTest, MayNameSeveralRules) {
  EXPECT_EQ(reason("x = a[i];  // slipstream-check: allow R6 R1: both\n", 1), "both");
  EXPECT_EQ(reason("x = a[i];  // slipstream-check: allow R6 R13: neither\n", 1), "");
}

TEST_F(SuppressionTest, MayStandWhereTheCodeWasInlined) {
  const Place place{.file = "/nowhere/library.h",
                    .line = 7,
                    .inlined_at = {"/nowhere/other.h:3", path() + ":2"},
                    .code = {}};
  EXPECT_EQ(reason("// slipstream-check: allow R1: written once\nload(a);\n", place),
            "written once");
  EXPECT_EQ(reason("\n\n// slipstream-check: allow R1: elsewhere\nload(a);\n", place), "");
}

}  // namespace
}  // namespace slipstream::check
