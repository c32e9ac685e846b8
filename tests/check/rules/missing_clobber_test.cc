// R10, which reads sources.
#include <gtest/gtest.h>

#include "check/rules/rules.h"

namespace slipstream::check {
namespace {

// Spelled in two parts: this is no use of the instruction.
const std::string kWait = std::string("griddep") + "control.wait;";

TEST(MissingClobber, ReportsAWaitWithoutOne) {
  const auto findings =
      check_source("void f() {\n  asm volatile(\"" + kWait + "\");\n}\n", "kernel.cu");
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings.front().places.front().line, 2U);
}

TEST(MissingClobber, AcceptsAClobber) {
  EXPECT_TRUE(check_source("asm volatile(\"" + kWait + "\" ::: \"memory\");", "kernel.cu").empty());
  EXPECT_TRUE(
      check_source("asm volatile(\"" + kWait + "\"\n  :\n  :\n  : \"memory\");", "kernel.cu")
          .empty());
}

TEST(MissingClobber, IgnoresComments) {
  EXPECT_TRUE(check_source("// asm volatile(\"" + kWait + "\");\n", "kernel.cu").empty());
  EXPECT_TRUE(check_source("// the wait is " + kWait + "\n", "kernel.cu").empty());
}

}  // namespace
}  // namespace slipstream::check
