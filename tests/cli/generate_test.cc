#include "cli/generate.h"

#include <gtest/gtest.h>

#include "tests/model/support/tiny_files.h"

namespace slipstream::cli {
namespace {

using model::test::message_of;
using model::test::TemporaryDirectory;
using model::test::write_text;

TEST(GenerateIds, AreSeparatedByCommasAndWhiteSpace) {
  EXPECT_EQ(parse_ids("1,2, 3\n4\t5,", "ids"), (std::vector<int>{1, 2, 3, 4, 5}));
  EXPECT_TRUE(parse_ids("", "ids").empty());
}

TEST(GenerateIds, NameWhatIsNoId) {
  EXPECT_EQ(model::test::message_of([] { (void)parse_ids("1,x7,3", "--prompt-ids"); }),
            "--prompt-ids must be token ids like 1,2,3, has \"x7\"");
  EXPECT_EQ(model::test::message_of([] { (void)parse_ids("1,-2", "f"); }),
            "f must be token ids like 1,2,3, has \"-2\"");
  EXPECT_EQ(model::test::message_of([] { (void)parse_ids("99999999999", "f"); }),
            "f must be token ids like 1,2,3, has \"99999999999\"");
  EXPECT_EQ(model::test::message_of([] { (void)parse_ids("1.5", "f"); }),
            "f must be token ids like 1,2,3, has \"1.5\"");
}

TEST(GeneratePrompt, ComesFromTheCommandLineOrAFile) {
  const model::test::TemporaryDirectory directory;
  model::test::write_text(directory.path("ids"), "7 8\n9\n");
  GenerateOptions options;
  options.prompt_file = directory.path("ids");
  EXPECT_EQ(read_prompt(options), (std::vector<int>{7, 8, 9}));
  options.prompt_file.clear();
  options.prompt_ids = "5,6";
  EXPECT_EQ(read_prompt(options), (std::vector<int>{5, 6}));
}

TEST(GeneratePrompt, MustBeGivenOnce) {
  GenerateOptions options;
  const std::string message = "one of --prompt-ids and --prompt-file must be given";
  EXPECT_EQ(model::test::message_of([&] { (void)read_prompt(options); }), message);
  options.prompt_ids = "1,2";
  options.prompt_file = "file";
  EXPECT_EQ(model::test::message_of([&] { (void)read_prompt(options); }), message);
}

TEST(GeneratePrompt, MustNotBeEmpty) {
  GenerateOptions options;
  options.prompt_ids = ", ,";
  EXPECT_EQ(model::test::message_of([&] { (void)read_prompt(options); }),
            "the prompt must have at least one token id, has none");
}

TEST(GenerateCount, FollowsTheForcedIds) {
  GenerateOptions options;
  EXPECT_EQ(token_count(options, 0), 16);
  EXPECT_EQ(token_count(options, 5), 5);
  options.count = 3;
  EXPECT_EQ(token_count(options, 5), 3);
  EXPECT_EQ(model::test::message_of([&] { (void)token_count(options, 2); }),
            "-n must be at most the 2 ids of --force-ids, is 3");
}

TEST(GenerateDrafts, AreANumberOrAuto) {
  GenerateOptions options;
  EXPECT_EQ(drafts_of(options).most, 0);
  options.drafts = "3";
  EXPECT_EQ(drafts_of(options).most, 3);
  EXPECT_FALSE(drafts_of(options).is_adaptive);
  options.drafts = "auto";
  EXPECT_EQ(drafts_of(options).most, 5);
  EXPECT_TRUE(drafts_of(options).is_adaptive);
}

TEST(GenerateDrafts, AreNothingElse) {
  GenerateOptions options;
  for (const char* text : {"6", "-1", "2.5", "all", "3 ", "99999999999"}) {
    options.drafts = text;
    EXPECT_EQ(model::test::message_of([&] { (void)drafts_of(options); }),
              std::string("--drafts must be 0 to 5 or auto, is ") + text);
  }
  options.drafts = "";
  EXPECT_EQ(model::test::message_of([&] { (void)drafts_of(options); }),
            "--drafts must be 0 to 5 or auto, is empty");
}

}  // namespace
}  // namespace slipstream::cli
