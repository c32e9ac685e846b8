// Drafts that a test supplies in place of the MTP layer: right ones, wrong ones and some of both give
// the same tokens, and leave the same bits in the caches.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <ostream>

#include "engine/inspection.h"
#include "tests/engine/support/engine_runner.h"
#include "tests/model/support/tiny_files.h"

namespace slipstream::engine::test {
namespace {

// How many tokens of each sequence; 1,000 and more on a GPU.
int token_count() {
  const char* text = std::getenv("SLIPSTREAM_TEST_TOKENS");
  return text == nullptr ? 9 : std::atoi(text);
}

struct Outcome {
  std::vector<std::vector<int>> tokens;  // of each sequence
  std::vector<std::vector<std::byte>> caches;
  DraftStatistics statistics;
};

struct Setting {
  std::string name;
  std::string checkpoint;
  SamplingOptions sampling;
  int drafts = 0;
  KvFormat kv_format = KvFormat::kBf16;
};

std::ostream& operator<<(std::ostream& stream, const Setting& setting) {
  return stream << setting.name;
}

// Two sequences, of which each is drafted for by `source`.
Outcome outcome_of(const Setting& setting, const DraftSource& source) {
  const pdl::Stream stream;
  Engine engine = Engine::load(model::test::tiny_checkpoint(setting.checkpoint),
                               {.stream = stream.get(),
                                .kv_format = setting.kv_format,
                                .cache_tokens = 256 + 2 * token_count(),
                                .drafts = setting.drafts});
  Inspection(engine).set_draft_source(source);
  std::array<SequenceId, 2> sequences{};
  for (int i = 0; i < 2; ++i) {
    sequences[i] = engine.create_sequence(setting.sampling);
    (void)engine.prefill(sequences[i], some_ids(5 + 2 * i, i));
  }
  Outcome result;
  result.tokens.resize(2);
  engine.run(sequences, token_count(), [&](std::span<const int> chosen) {
    for (int i = 0; i < 2; ++i) result.tokens[i].push_back(chosen[i]);
    return true;
  });
  for (const SequenceId sequence : sequences) {
    result.caches.push_back(Inspection(engine).cache_rows(sequence));
  }
  result.statistics = engine.draft_statistics();
  return result;
}

class ForcedDrafts : public testing::TestWithParam<Setting> {};

TEST_P(ForcedDrafts, CommitTheSameTokensAndCaches) {
  const Outcome own = outcome_of(GetParam(), nullptr);
  ASSERT_EQ(std::ssize(own.tokens[0]), token_count());
  // The token at a position: the first that run() gave follows the one that the prompt had.
  const auto right = [&](SequenceId sequence, int64_t position) {
    const auto index = static_cast<size_t>(static_cast<int64_t>(sequence));
    const auto first = static_cast<int64_t>(5 + 2 * index) + 1;
    const std::vector<int>& tokens = own.tokens[index];
    return tokens[std::clamp<int64_t>(position - first, 0, std::ssize(tokens) - 1)];
  };
  const auto wrong = [&](SequenceId sequence, int64_t position) {
    return (right(sequence, position) + 1) % 512;
  };
  const Outcome always = outcome_of(GetParam(), right);
  const Outcome never = outcome_of(GetParam(), wrong);
  const Outcome sometimes = outcome_of(GetParam(), [&](SequenceId sequence, int64_t position) {
    return position * 7 % 5 < 3 ? right(sequence, position) : wrong(sequence, position);
  });
  for (const Outcome& forced : {always, never, sometimes}) {
    EXPECT_EQ(forced.tokens, own.tokens);
    EXPECT_EQ(forced.caches, own.caches);
  }
  // Whatever is drafted beyond the last token may be right or not.
  EXPECT_GT(always.statistics.mean_length(), sometimes.statistics.mean_length());
  EXPECT_GT(sometimes.statistics.mean_length(), never.statistics.mean_length());
}

std::vector<Setting> settings() {
  return {{"Greedy", "glm-5.2-tiny-bf16", {}, 3},
          {"Temperature", "glm-5-tiny", {.temperature = 1, .seed = 3}, 5},
          {"TopKAndTopP",
           "deepseek-v32-tiny",
           {.temperature = 0.7F, .top_k = 40, .top_p = 0.9F, .seed = 8},
           4,
           KvFormat::kFp8},
          {"One", "deepseek-v3-tiny", {.temperature = 1, .seed = 4}, 1},
          {"MinP", "glm-5.2-tiny-bf16", {.temperature = 1.5F, .seed = 9, .min_p = 0.02F}, 2}};
}

INSTANTIATE_TEST_SUITE_P(Ways, ForcedDrafts, testing::ValuesIn(settings()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace slipstream::engine::test
