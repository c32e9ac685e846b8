// The litmus kernels break the rules of PDL on purpose. The checker must see it, and the source
// must say why at every line.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "check/checker.h"
#include "check/rules/rules.h"
#include "litmus/hoist_kernels.h"
#include "litmus/script.h"
#include "litmus/traffic.h"

namespace slipstream::litmus {
namespace {

const check::Report& report() {
  // Without these the linker would leave the kernels out of this program.
  EXPECT_NE(script_kernel(), wait_in_loop_const_restrict());
  EXPECT_NE(script_kernel(), traffic_kernel());
  static const check::Report instance = check::check_paths({"/proc/self/exe"}, {}, {"/"});
  return instance;
}

bool found(check::Rule rule, const std::string& kernel) {
  return std::ranges::any_of(report().findings, [&](const check::Finding& finding) {
    return finding.rule == rule && finding.kernel.find(kernel) != std::string::npos;
  });
}

TEST(LitmusKernels, HaveAReasonForEveryError) {
  std::string errors;
  for (const check::Finding& finding : report().findings) {
    if (finding.severity == check::Severity::kError && finding.allowed.empty()) {
      errors += fmt::format("{} {}: {} ({})\n", check::info_of(finding.rule).id, finding.kernel,
                            finding.message, finding.places.front().text());
    }
  }
  EXPECT_EQ(errors, "");
  EXPECT_TRUE(report().problems.empty());
}

TEST(LitmusKernels, ReadTooEarlyAsTheCompilerLeftThem) {
  EXPECT_TRUE(found(check::Rule::kCompilerMovedLoad, "wait_in_loop_const_restrict"));
  EXPECT_TRUE(found(check::Rule::kReadOnlyPath, "reads_twice_const_restrict"));
  EXPECT_TRUE(found(check::Rule::kReadOnlyPath, "one_warp_waits_const_restrict"));
}

TEST(LitmusKernels, ShowWhereMachineCodeWasInlined) {
  const auto moved = std::ranges::find_if(report().findings, [](const check::Finding& finding) {
    return finding.rule == check::Rule::kCompilerMovedLoad;
  });
  ASSERT_NE(moved, report().findings.end());
  const check::Place& place = moved->places.front();
  EXPECT_TRUE(place.code.starts_with("SASS")) << place.code;
  ASSERT_EQ(place.inlined_at.size(), 1U);
  EXPECT_NE(place.inlined_at.front().find("hoist_kernels.cu:"), std::string::npos);
  EXPECT_NE(place.inlined_at.front(), place.file + ":" + std::to_string(place.line));
}

TEST(LitmusKernels, KeepTheirOrderWithPlainPointers) {
  for (const char* kernel : {"wait_in_loop_plain", "reads_twice_plain", "one_warp_waits_plain"}) {
    EXPECT_FALSE(found(check::Rule::kCompilerMovedLoad, kernel)) << kernel;
    EXPECT_FALSE(found(check::Rule::kReadOnlyPath, kernel)) << kernel;
  }
}

}  // namespace
}  // namespace slipstream::litmus
