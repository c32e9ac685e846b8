// Drafts that a test supplies in place of the MTP layer: right ones, wrong ones and some of both give
// the same tokens, and leave the same bits in the caches.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>

#include "engine/inspection.h"
#include "tests/engine/support/engine_runner.h"
#include "tests/model/support/tiny_files.h"

namespace slipstream::engine::test {
namespace {

constexpr int kDrafts = 3;
constexpr int kTokens = 9;

struct Outcome {
  std::vector<std::vector<int>> tokens;  // of each sequence
  std::vector<std::vector<std::byte>> caches;
  DraftStatistics statistics;
};

struct Setting {
  std::string name;
  std::string checkpoint;
  SamplingOptions sampling;
  KvFormat kv_format = KvFormat::kBf16;
};

// Two sequences, of which each is drafted for by `source`.
Outcome outcome_of(const Setting& setting, const DraftSource& source) {
  const pdl::Stream stream;
  Engine engine = Engine::load(model::test::tiny_checkpoint(setting.checkpoint),
                               {.stream = stream.get(),
                                .kv_format = setting.kv_format,
                                .cache_tokens = 256,
                                .drafts = kDrafts});
  Inspection(engine).set_draft_source(source);
  std::array<SequenceId, 2> sequences{};
  for (int i = 0; i < 2; ++i) {
    sequences[i] = engine.create_sequence(setting.sampling);
    (void)engine.prefill(sequences[i], some_ids(5 + 2 * i, i));
  }
  Outcome result;
  result.tokens.resize(2);
  engine.run(sequences, kTokens, [&](std::span<const int> chosen) {
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
  const Outcome never = outcome_of(GetParam(), [](auto, auto) { return 0; });
  ASSERT_EQ(never.tokens[0].size(), kTokens);
  // The token at a position: the first that run() gave follows the one that the prompt had.
  const auto right = [&](SequenceId sequence, int64_t position) {
    const auto index = static_cast<size_t>(static_cast<int64_t>(sequence));
    const auto first = static_cast<int64_t>(5 + 2 * index) + 1;
    const std::vector<int>& tokens = never.tokens[index];
    return tokens[std::clamp<int64_t>(position - first, 0, std::ssize(tokens) - 1)];
  };
  const Outcome always = outcome_of(GetParam(), right);
  const Outcome sometimes = outcome_of(GetParam(), [&](SequenceId sequence, int64_t position) {
    return position * 7 % 5 < 3 ? right(sequence, position) : 0;
  });
  EXPECT_EQ(always.tokens, never.tokens);
  EXPECT_EQ(sometimes.tokens, never.tokens);
  EXPECT_EQ(always.caches, never.caches);
  EXPECT_EQ(sometimes.caches, never.caches);
  EXPECT_LT(never.statistics.accepted[0], 2);  // token 0 may be right by chance
  EXPECT_GT(always.statistics.mean_length(), sometimes.statistics.mean_length());
  EXPECT_GT(sometimes.statistics.mean_length(), 1);
}

TEST_P(ForcedDrafts, GiveWhatTheMtpLayersOwnDraftsGive) {
  const Outcome forced = outcome_of(GetParam(), [](auto, auto) { return 0; });
  const Outcome drafted = outcome_of(GetParam(), nullptr);
  EXPECT_EQ(drafted.tokens, forced.tokens);
  EXPECT_EQ(drafted.caches, forced.caches);
}

std::vector<Setting> settings() {
  return {{"Greedy", "glm-5.2-tiny-bf16", {}},
          {"Temperature", "glm-5-tiny", {.temperature = 1, .seed = 3}},
          {"TopKAndTopP",
           "deepseek-v32-tiny",
           {.temperature = 0.7F, .top_k = 40, .top_p = 0.9F, .seed = 8},
           KvFormat::kFp8},
          {"MinP", "glm-5.2-tiny-bf16", {.temperature = 1.5F, .seed = 9, .min_p = 0.02F}}};
}

INSTANTIATE_TEST_SUITE_P(Ways, ForcedDrafts, testing::ValuesIn(settings()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace slipstream::engine::test
