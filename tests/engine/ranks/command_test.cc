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
  command.sampling = {.temperature = 0.5F, .top_k = 3, .top_p = 0.25F, .seed = 9};
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
  EXPECT_EQ(got.sampling.temperature, sent.sampling.temperature);
  EXPECT_EQ(got.sampling.top_k, sent.sampling.top_k);
  EXPECT_EQ(got.sampling.top_p, sent.sampling.top_p);
  EXPECT_EQ(got.sampling.seed, sent.sampling.seed);
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
