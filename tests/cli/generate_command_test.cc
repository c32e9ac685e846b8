// Command lines of `slipstream generate` that are refused before anything runs.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/generate.h"
#include "slipstream/error.h"

namespace slipstream::cli {
namespace {

struct Refusal {
  int code = 0;
  std::string text;  // what the user sees
};

Refusal refusal_of(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), {"slipstream", "generate"});
  const CommandLine line("test");
  add_generate_command(line.program());
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  Refusal refusal;
  try {
    refusal.code = line.run(static_cast<int>(arguments.size()), arguments.data());
  } catch (const InvalidArgument& error) {
    refusal = {1, error.what()};
  } catch (const Error& error) {
    ADD_FAILURE() << "not refused; ran and failed: " << error.what();
  }
  refusal.text += testing::internal::GetCapturedStdout();
  refusal.text += testing::internal::GetCapturedStderr();
  return refusal;
}

// The refused option must be named.
void expect_refusal(const std::vector<const char*>& arguments, const std::string& name) {
  const Refusal refusal = refusal_of(arguments);
  EXPECT_NE(refusal.code, 0) << name;
  EXPECT_NE(refusal.text.find(name), std::string::npos) << refusal.text;
}

TEST(GenerateCommand, NeedsAModel) { expect_refusal({"--prompt-ids", "1"}, "MODEL"); }

TEST(GenerateCommand, RefusesValuesThatAreNone) {
  expect_refusal({"m", "-n", "0"}, "--count: must be a number above 0, is 0");
  expect_refusal({"m", "-n", "-3"}, "--count: must be a number above 0, is -3");
  expect_refusal({"m", "-n", "many"}, "--count: must be a number above 0, is many");
  expect_refusal({"m", "-n", "99999999999999999999"}, "--count");
  expect_refusal({"m", "--temperature", "hot"}, "--temperature");
  expect_refusal({"m", "--seed", "-1"}, "--seed");
  expect_refusal({"m", "--pdl", "maybe"}, "--pdl");
  expect_refusal({"m", "--kv", "fp16"}, "--kv");
  expect_refusal({"m", "--tp", "0"}, "--tp");
  expect_refusal({"m", "--layer", "first", "--layer-in", "f"}, "--layer");
}

TEST(GenerateCommand, RefusesOptionsThatItDoesNotKnow) {
  expect_refusal({"m", "--prompt", "1"}, "--prompt");
}

TEST(GenerateCommand, RefusesHalfOfALayersOptions) {
  expect_refusal({"m", "--layer", "1"}, "--layer-in");
  expect_refusal({"m", "--layer-in", "f"}, "--layer");
  expect_refusal({"m", "--layer-out", "f", "--prompt-ids", "1"}, "--layer-in");
}

TEST(GenerateCommand, RefusesForALayerWhatIsForTokens) {
  for (const char* option : {"--prompt-ids", "--prompt-file", "--count", "--temperature", "--top-k",
                             "--top-p", "--seed", "--force-ids", "--logits"}) {
    expect_refusal({"m", "--layer-in", "f", "--layer", "1", option, "1"},
                   std::string("--layer takes no ") + option + ", has one");
  }
  expect_refusal({"m", "--layer-in", "f", "--layer", "1", "--json"},
                 "--layer takes no --json, has one");
}

TEST(GenerateCommand, ExplainsItself) {
  const Refusal help = refusal_of({"--help"});
  EXPECT_EQ(help.code, 0);
  EXPECT_NE(help.text.find("Continue a prompt of token ids"), std::string::npos);
}

}  // namespace
}  // namespace slipstream::cli
