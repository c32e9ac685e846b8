#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

#include "cli/litmus.h"

namespace slipstream::cli {
namespace {

TEST(LitmusCommand, ListsTheExperimentsWithoutRunningAny) {
  LitmusOptions options;
  options.list = true;
  testing::internal::CaptureStdout();
  EXPECT_EQ(run_litmus(options), 0);
  const std::string text = testing::internal::GetCapturedStdout();
  EXPECT_NE(text.find("transitivity"), std::string::npos);
  EXPECT_NE(text.find("residency"), std::string::npos);
}

TEST(LitmusCommand, NamesAnExperimentThatItDoesNotHave) {
  LitmusOptions options;
  options.names = {"wait", "weight"};
  try {
    run_litmus(options);
    ADD_FAILURE() << "an unknown experiment was accepted";
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "no experiment is named \"weight\"; --list shows them");
  }
}

}  // namespace
}  // namespace slipstream::cli
