#include "engine/ranks/command.h"

#include <gtest/gtest.h>

#include "slipstream/error.h"

namespace slipstream::engine::test {
namespace {

Command some_command() {
  Command command;
  command.kind = Command::Kind::kRunLayer;
  command.tokens_seen = 0xfedcba9876543210;
  command.number = -7;
  command.settled_steps = 12;
  command.options = {.sampling = {.temperature = 0.5F, .top_k = 3, .top_p = 0.25F, .seed = 9},
                     .logit_bias = {{3, -1.5F}},
                     .stop_token_ids = {1, 2},
                     .pages = {8, 9},
                     .length = 65,
                     .given_ids = {4},
                     .sampled_ids = {5, 5}};
  command.parts = {{.sequence = SequenceId{7}},
                   {.sequence = SequenceId{8}, .ids = {1, 2}, .sample = false, .mask = {3, 0}}};
  command.sequences = {1, int64_t{1} << 40};
  command.ids = {5, 6, 7};
  command.hidden = {1.5F, -2};
  command.lists = {{}, {1, 2}, {3}};
  return command;
}

TEST(Command, ArrivesAsItWasSent) {
  const Command sent = some_command();
  const Command got = decode_command(encode(sent));
  EXPECT_EQ(got.kind, sent.kind);
  EXPECT_EQ(got.tokens_seen, sent.tokens_seen);
  EXPECT_EQ(got.number, sent.number);
  EXPECT_EQ(got.settled_steps, sent.settled_steps);
  EXPECT_EQ(got.options.sampling.temperature, sent.options.sampling.temperature);
  EXPECT_EQ(got.options.sampling.top_k, sent.options.sampling.top_k);
  EXPECT_EQ(got.options.sampling.top_p, sent.options.sampling.top_p);
  EXPECT_EQ(got.options.sampling.seed, sent.options.sampling.seed);
  ASSERT_EQ(got.options.logit_bias.size(), 1U);
  EXPECT_EQ(got.options.logit_bias[0].token, 3);
  EXPECT_EQ(got.options.logit_bias[0].bias, -1.5F);
  EXPECT_EQ(got.options.stop_token_ids, sent.options.stop_token_ids);
  EXPECT_EQ(got.options.pages, sent.options.pages);
  EXPECT_EQ(got.options.length, sent.options.length);
  EXPECT_EQ(got.options.given_ids, sent.options.given_ids);
  EXPECT_EQ(got.options.sampled_ids, sent.options.sampled_ids);
  ASSERT_EQ(got.parts.size(), 2U);
  EXPECT_EQ(got.parts[0].ids, std::vector{kLastSampled});
  EXPECT_TRUE(got.parts[0].sample);
  EXPECT_EQ(got.parts[1].sequence, SequenceId{8});
  EXPECT_EQ(got.parts[1].ids, sent.parts[1].ids);
  EXPECT_FALSE(got.parts[1].sample);
  EXPECT_EQ(got.parts[1].mask, sent.parts[1].mask);
  EXPECT_EQ(got.sequences, sent.sequences);
  EXPECT_EQ(got.ids, sent.ids);
  EXPECT_EQ(got.hidden, sent.hidden);
  EXPECT_EQ(got.lists, sent.lists);
}

TEST(Command, IsRefusedWhereItIsCutOrTooLong) {
  const std::string bytes = encode(some_command());
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_THROW((void)decode_command(bytes.substr(0, size)), RankError) << size;
  }
  EXPECT_THROW((void)decode_command(bytes + "x"), RankError);
}

}  // namespace
}  // namespace slipstream::engine::test
