// R10, which reads sources.
#include <gtest/gtest.h>

#include <ctime>
#include <string>

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

std::vector<uint32_t> lines_of(const std::string& source) {
  std::vector<uint32_t> lines;
  for (const Finding& finding : check_source(source, "kernel.cu")) {
    lines.push_back(finding.places.front().line);
  }
  return lines;
}

using Lines = std::vector<uint32_t>;

TEST(MissingClobber, FindsAWaitThatIsAMacrosText) {
  const std::string text = "#define WAIT \"" + kWait + "\"\n";
  EXPECT_EQ(lines_of(text + "void f() { asm volatile(WAIT); }\n"), Lines{2});
  EXPECT_EQ(lines_of(text + "void f() { asm volatile(WAIT ::: \"memory\"); }\n"), Lines{});
  EXPECT_EQ(lines_of(text + "// asm volatile(WAIT);\n"), Lines{});
}

TEST(MissingClobber, FindsAWaitThatIsPutTogetherOfStrings) {
  const std::string two = "asm volatile(\"griddep\" \"control.\"\n  \"wait;\"";
  EXPECT_EQ(lines_of(two + ");\n"), Lines{1});
  EXPECT_EQ(lines_of(two + " ::: \"memory\");\n"), Lines{});
}

TEST(MissingClobber, FindsAWaitThatAMacrosArgumentNames) {
  const std::string start = "#define PDL(op) \\\n  asm volatile(\"griddepcontrol.\" #op \";\"";
  const std::string uses = "void f() {\n  PDL(wait);\n  PDL(launch_dependents);\n}\n";
  EXPECT_EQ(lines_of(start + ")\n" + uses), Lines{4});
  EXPECT_EQ(lines_of(start + " ::: \"memory\")\n" + uses), Lines{});
}

TEST(MissingClobber, NamesTheMacroThatHoldsAWholeStatementAndNotItsUses) {
  EXPECT_EQ(lines_of("#define WAIT asm volatile(\"" + kWait + "\")\nvoid f() { WAIT; }\n"),
            Lines{1});
}

TEST(MissingClobber, ExpandsNoMacroInItself) {
  EXPECT_EQ(lines_of("#define WAIT asm volatile(WAIT \"griddep\" \"" + kWait.substr(7) +
                     "\")\nvoid f() { WAIT; }\n"),
            Lines{2});
}

std::string repeated(const std::string& text, int times) {
  std::string result;
  for (int i = 0; i < times; ++i) result += text;
  return result;
}

// Each of them took minutes, or for ever.
TEST(MissingClobber, TakesNoTimeForSourcesThatAreMadeToTakeIt) {
  std::string doubling = "#define M0 asm(\"a\")\n";
  for (int i = 1; i < 40; ++i) {
    doubling += "#define M" + std::to_string(i) + repeated(" M" + std::to_string(i - 1), 50) + "\n";
  }
  const std::string itself = "#define a" + repeated(" a asm(", 50) + "\n";
  const std::string argument =
      "#define P(x)" + repeated(" x", 10000) + "\nP(" + repeated("x", 10000) + ")\n";
  const std::clock_t start = std::clock();
  for (const std::string& source :
       {doubling + repeated("M39\n", 5000), itself + repeated("a\n", 5000),
        argument + repeated("P(x)\n", 1000), repeated("asm(", 25000), repeated("asm ", 25000),
        repeated("asm(\"" + kWait, 5000), repeated(kWait, 12000),
        repeated("asm(\"" + kWait + "\");\n", 5000)}) {
    (void)check_source(source, "kernel.cu");
  }
  EXPECT_LT(std::clock() - start, 20 * CLOCKS_PER_SEC);
}

}  // namespace
}  // namespace slipstream::check
