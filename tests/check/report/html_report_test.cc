// The page with the code around each finding.
#include "check/report/html_report.h"

#include <filesystem>
#include <fstream>

#include "check/image_batch.h"
#include "ptx_kernel.h"
#include "tests/model/support/tiny_files.h"

namespace slipstream::check {
namespace {

namespace fs = std::filesystem;

class HtmlReport : public testing::Test {
 protected:
  // Of a kernel that reads before its wait where a branch is taken.
  std::string page(const std::vector<std::string>& roots = {}) const {
    const std::string source = folder_.path("k.cu");
    std::ofstream(source) << "first\nint n = a[0] & 1;\nlast\n";
    const std::string ptx = folder_.path("k.ptx");
    std::ofstream(ptx) << ptx_kernel(
                              "  setp.eq.s32 %p1, %r1, 0;\n  @%p1 bra $SKIP;\n  .loc 1 2 1\n"
                              "  ld.global.u32 %r3, [%rd1];\n$SKIP:\n  griddepcontrol.wait;\n"
                              "  st.global.u32 [%rd2], %r3;\n")
                       << ".file 1 \"" << source << "\"\n";
    CheckLimits limits;
    limits.listing = true;
    return html_report(check_paths({ptx}, {}, roots, limits), SourceRoots(roots));
  }

  std::string folder() const { return folder_.path(); }

 private:
  model::test::TemporaryDirectory folder_;
};

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos || (ADD_FAILURE() << part << " in " << text, false);
}

TEST_F(HtmlReport, ShowsTheFindingTheWayAndThePtx) {
  const std::string text = page();
  EXPECT_TRUE(has(text, "<b class=\"warning\">warning R1</b>"));
  EXPECT_TRUE(has(text, "Reads parameter 0 before the wait"));
  EXPECT_TRUE(has(text, "The way that leads there:"));
  EXPECT_TRUE(has(text, "<b>      18  ld.global.u32 %r3, [%rd1];</b>"));
  EXPECT_TRUE(has(text, "      16  @%p1 bra $SKIP;"));
}

TEST_F(HtmlReport, ShowsSourcesThatAreTrusted) {
  EXPECT_TRUE(has(page({folder()}), "<b>       2  int n = a[0] &amp; 1;</b>"));
  EXPECT_EQ(page().find("int n"), std::string::npos);
}

TEST_F(HtmlReport, NeedsNothingButItself) {
  const std::string text = page();
  for (const char* part : {"<script", "<link", "src=", "href=", "@import", "url("}) {
    EXPECT_EQ(text.find(part), std::string::npos) << part;
  }
}

TEST_F(HtmlReport, EscapesNames) {
  Report report;
  Finding finding;
  finding.kernel = "k<T>(\"&\")";
  finding.mangled = "<script>alert(1)</script>";
  finding.message = "<b>";
  finding.images = {"<i>: sm_90a SASS"};
  report.findings = {finding};
  report.problems = {{"<u>", "<s>"}};
  const std::string text = html_report(report, SourceRoots({}));
  EXPECT_TRUE(has(text, "k&lt;T&gt;(&quot;&amp;&quot;)"));
  for (const char* part : {"<script", "<i>", "<u>", "<s>"}) {
    EXPECT_EQ(text.find(part), std::string::npos) << part;
  }
}

TEST_F(HtmlReport, ShowsMachineCode) {
  CheckLimits limits;
  limits.listing = true;
  const Report report = check_paths({RULE_EXAMPLES}, {}, {}, limits);
  const std::string text = html_report(report, SourceRoots({}));
  EXPECT_TRUE(has(text, "LDG R"));
}

}  // namespace
}  // namespace slipstream::check
