// `--json` as command lines give it, and what it does.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/json_output.h"
#include "slipstream/error.h"
#include "tests/model/support/tiny_files.h"

namespace slipstream::cli {
namespace {

using Words = std::vector<std::string>;

struct Parsed {
  int code = 0;
  std::string json;
  Words words;  // of the positional argument
};

Parsed parse(const Words& arguments, bool takes_words) {
  const CommandLine line("test");
  const Command command = line.program().add_command("run", "");
  Parsed parsed;
  bool flag = false;
  command.add_flag("--flag", flag, "");
  if (takes_words) command.add_option("WORD", parsed.words, "");
  command.add_json_option(parsed.json, "");
  std::vector<const char*> argv{"slipstream", "run"};
  for (const std::string& argument : arguments) argv.push_back(argument.c_str());
  testing::internal::CaptureStderr();
  parsed.code = line.run(static_cast<int>(argv.size()), argv.data());
  (void)testing::internal::GetCapturedStderr();
  return parsed;
}

TEST(JsonOption, IsStandardOutputWhereItStandsAlone) {
  for (const bool takes_words : {false, true}) {
    EXPECT_EQ(parse({}, takes_words).json, "");
    EXPECT_EQ(parse({"--json"}, takes_words).json, "-");
    EXPECT_EQ(parse({"--json", "--flag"}, takes_words).json, "-");
    EXPECT_EQ(parse({"--json=-"}, takes_words).json, "-");
  }
}

TEST(JsonOption, TakesAFileAfterAnEqualsSign) {
  for (const bool takes_words : {false, true}) {
    EXPECT_EQ(parse({"--json=a.json"}, takes_words).json, "a.json");
    EXPECT_EQ(parse({"--flag", "--json=a.json"}, takes_words).json, "a.json");
  }
}

TEST(JsonOption, TakesTheNextWordWhereTheCommandTakesNone) {
  EXPECT_EQ(parse({"--json", "a.json", "--flag"}, false).json, "a.json");
}

TEST(JsonOption, LeavesTheNextWordToACommandThatTakesWords) {
  const Parsed parsed = parse({"a.o", "--json", "b.o"}, true);
  EXPECT_EQ(parsed.code, 0);
  EXPECT_EQ(parsed.json, "-");
  EXPECT_EQ(parsed.words, (Words{"a.o", "b.o"}));
  EXPECT_EQ(parse({"--json", "--", "./program", "--flag"}, true).words,
            (Words{"./program", "--flag"}));
}

std::string text_of(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

TEST(JsonOutput, ReplacesTheTextOnStandardOutput) {
  const JsonOutput output("-");
  EXPECT_TRUE(output.wanted());
  EXPECT_FALSE(output.prints_text());
  testing::internal::CaptureStdout();
  output.write("{}");
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "{}\n");
}

TEST(JsonOutput, GoesToAFileNextToTheText) {
  const model::test::TemporaryDirectory directory;
  const JsonOutput output(directory.path("report.json"));
  EXPECT_TRUE(output.wanted());
  EXPECT_TRUE(output.prints_text());
  output.require_writable();
  EXPECT_FALSE(std::filesystem::exists(directory.path("report.json")));
  testing::internal::CaptureStdout();
  output.write("{}\n");
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
  EXPECT_EQ(text_of(directory.path("report.json")), "{}\n");
}

TEST(JsonOutput, IsNothingUnlessAskedFor) {
  const JsonOutput output("");
  EXPECT_FALSE(output.wanted());
  EXPECT_TRUE(output.prints_text());
  testing::internal::CaptureStdout();
  output.require_writable();
  output.write("{}");
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
}

TEST(JsonOutput, NamesAFileThatCannotBeWritten) {
  const model::test::TemporaryDirectory directory;
  const JsonOutput output(directory.path("none/report.json"));
  EXPECT_THROW(output.require_writable(), Error);
  EXPECT_THROW(output.write("{}"), Error);
}

TEST(Preparation, ComesBeforeEveryCommandAndKnowsWhichRunKernels) {
  const CommandLine line("test");
  std::vector<bool> prepared;
  line.set_preparation([&](bool runs_kernels) { prepared.push_back(runs_kernels); });
  line.program().add_command("host", "").set_action([&] {
    EXPECT_EQ(prepared, std::vector{false});
    return 0;
  });
  line.program().add_command("device", "").set_device_action([&] {
    EXPECT_EQ(prepared, (std::vector{false, true}));
    return 0;
  });
  for (const char* command : {"host", "device"}) {
    const std::vector<const char*> argv{"slipstream", command};
    EXPECT_EQ(line.run(2, argv.data()), 0);
  }
  EXPECT_EQ(prepared.size(), 2U);
}

}  // namespace
}  // namespace slipstream::cli
