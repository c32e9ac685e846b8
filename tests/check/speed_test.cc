// The project's whole program is analyzed within a minute on one core.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <ctime>

#include "check/checker.h"

namespace slipstream::check {
namespace {

TEST(Speed, TheProgramItselfTakesLessThanAMinute) {
  const std::clock_t start = std::clock();
  const Report report = check_paths({SLIPSTREAM}, {});
  const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  fmt::print("{} kernels in {} images: {:.1f} s of CPU time\n", report.kernels, report.images,
             seconds);
  EXPECT_GT(report.kernels, 50U);
  EXPECT_TRUE(report.problems.empty());
  EXPECT_LT(seconds, 60.0);
}

}  // namespace
}  // namespace slipstream::check
