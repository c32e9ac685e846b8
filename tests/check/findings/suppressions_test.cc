#include "check/findings/suppressions.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "slipstream/error.h"
#include "tests/model/support/tiny_files.h"

namespace slipstream::check {
namespace {

class SuppressionTest : public testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(folder_.path("root"));
    roots_ = {folder_.path("root")};
    path_ = folder_.path("root/kernel.cu");
  }

  std::string reason(const std::string& source, uint32_t line) {
    return reason(source, Place{.file = path_.string(),
                                .line = line,
                                .inlined_at = {},
                                .code = {},
                                .instruction = {},
                                .excerpt = {}});
  }

  std::string reason(const std::string& source, const Place& place) {
    std::ofstream(path_) << source;
    Finding finding;
    finding.rule = Rule::kReadBeforeWait;
    finding.places.push_back(place);
    Suppressions(SourceRoots(roots_)).apply(finding);
    return finding.allowed;
  }

  [[nodiscard]] std::string path() const { return path_.string(); }

  model::test::TemporaryDirectory folder_;
  std::filesystem::path path_;
  std::vector<std::string> roots_;
};

TEST_F(SuppressionTest, StandsOnTheLineOrAboveIt) {
  EXPECT_EQ(reason("x = a[i];  // slipstream-check: allow R1: written once\n", 1), "written once");
  EXPECT_EQ(reason("// slipstream-check: allow R1: written once\nx = a[i];\n", 2), "written once");
}

constexpr const char* kAllowed = "x = a[i];  // slipstream-check: allow R1: written once\n";

TEST_F(SuppressionTest, CountsInSourcesUnderTheRootsOnly) {
  path_ = folder_.path("outside.cu");
  EXPECT_EQ(reason(kAllowed, 1), "");
  path_ = folder_.path("root/../outside.cu");
  EXPECT_EQ(reason(kAllowed, 1), "");
  std::filesystem::create_symlink(folder_.path("outside.cu"), folder_.path("root/link.cu"));
  path_ = folder_.path("root/link.cu");
  EXPECT_EQ(reason(kAllowed, 1), "");
  path_ = folder_.path("root/kernel.cu");
  roots_.clear();
  EXPECT_EQ(reason(kAllowed, 1), "");
  roots_ = {folder_.path("ro")};
  EXPECT_THROW((void)reason(kAllowed, 1), InvalidArgument);
}

// A FIFO would be waited for.
TEST_F(SuppressionTest, IsNotLookedForInWhatIsNoFile) {
  ASSERT_EQ(mkfifo(path().c_str(), 0600), 0);
  Suppressions suppressions(SourceRoots::everywhere());
  EXPECT_EQ(suppressions.reason_at(path(), 1, "R1"), "");
  EXPECT_EQ(suppressions.reason_at("/dev/zero", 1, "R1"), "");
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
                    .code = {},
                    .instruction = {},
                    .excerpt = {}};
  EXPECT_EQ(reason("// slipstream-check: allow R1: written once\nload(a);\n", place),
            "written once");
  EXPECT_EQ(reason("\n\n// slipstream-check: allow R1: elsewhere\nload(a);\n", place), "");
}

}  // namespace
}  // namespace slipstream::check
