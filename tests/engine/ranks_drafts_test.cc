// Drafts of an engine over several GPUs: the tokens and the acceptance that one GPU has.

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <ostream>
#include <thread>

#include "pdl/device.h"
#include "tests/engine/support/counting.h"
#include "tests/engine/support/engine_runner.h"
#include "tests/model/support/shapes.h"
#include "tests/model/support/tiny_files.h"

namespace slipstream::engine::test::ranks_drafts_test {
namespace {

void require_devices(int ranks) {
  if (pdl::device_count() < ranks) GTEST_SKIP() << "needs " << ranks << " GPUs";
}

// Heads are shared equally, groups of 128 columns of MLPs as they come.
const std::string& counting_checkpoint(int ranks) {
  if (ranks == 2) return model::test::counting_in_two().directory();
  return model::test::Shape{"CountingInThree", "counting-tiny",
                            R"({"num_attention_heads": 3, "num_key_value_heads": 3,
                                "intermediate_size": 640, "moe_intermediate_size": 512})"}
      .directory();
}

LoadOptions options_for(int ranks, int drafts, int64_t cache_tokens = 128) {
  return {.cache_tokens = cache_tokens,
          .max_sequences = 2,
          .drafts = drafts,
          .ranks = Ranks::threads(ranks),
          .poll_limit = kNoLimit};
}

class DraftsOfRanks : public testing::TestWithParam<int> {
 protected:
  void SetUp() override { require_devices(GetParam()); }

  [[nodiscard]] static CountingEngine counting(int drafts, int64_t cache_tokens = 128) {
    return {counting_checkpoint(GetParam()), options_for(GetParam(), drafts, cache_tokens)};
  }
};

TEST_P(DraftsOfRanks, AreRightWhereTheModelCountsByOne) {
  CountingEngine counting = this->counting(3);
  const SequenceId sequence = counting.start(22, 1);
  const int first = counted(22, 1).front();
  std::vector<int> tokens = counting.run(sequence, 7);
  // Those that the last step won beyond are given first.
  for (const int token : counting.run(sequence, 5)) tokens.push_back(token);
  EXPECT_EQ(tokens, counted(first, 12));
  const DraftStatistics statistics = counting.engine().draft_statistics();
  EXPECT_GT(statistics.mean_length(), 1.4);
  expect_statistics(statistics, counting_statistics(first, 3, statistics.steps));
}

TEST_P(DraftsOfRanks, AreCutWhereTheCallerWantsNoMore) {
  CountingEngine counting = this->counting(3);
  Engine& engine = counting.engine();
  const SequenceId sequence = counting.start(8, 1);
  std::vector<int> tokens;
  engine.run(std::array{sequence}, 20, [&](std::span<const int> chosen) {
    tokens.push_back(chosen.front());
    return tokens.size() < 4;
  });
  EXPECT_EQ(engine.length(sequence), 5);
  for (const int token : counting.run(sequence, 5)) tokens.push_back(token);
  EXPECT_EQ(tokens, counted(counted(8, 1).front(), 9));
}

TEST_P(DraftsOfRanks, AreAsManyAsRank0Decides) {
  LoadOptions options = options_for(GetParam(), kMaxDrafts);
  options.adaptive_drafts = true;
  CountingEngine counting(counting_checkpoint(GetParam()), options);
  const SequenceId sequence = counting.start(8, 1);
  EXPECT_EQ(counting.run(sequence, 60), counted(counted(8, 1).front(), 60));
}

TEST_P(DraftsOfRanks, OfTwoSequencesEndWhereTheCacheDoes) {
  CountingEngine counting = this->counting(5);
  Engine& engine = counting.engine();
  const std::array sequences{counting.start(200, 54), counting.start(33, 1)};
  std::array<std::vector<int>, 2> tokens;
  engine.run(sequences, 10, [&](std::span<const int> chosen) {
    for (int i = 0; i < 2; ++i) tokens[i].push_back(chosen[i]);
    return true;
  });
  EXPECT_EQ(tokens[0], counted(counted(253, 1).front(), 10));
  EXPECT_EQ(tokens[1], counted(counted(33, 1).front(), 10));
  EXPECT_EQ(engine.length(sequences[0]), 64);
}

TEST_P(DraftsOfRanks, AreTheSameWhereEachIsAProcess) {
  const int port = 20000 + static_cast<int>(getpid()) % 20000;
  const auto options_of = [&](int rank) {
    LoadOptions options = options_for(GetParam(), 2);
    options.ranks.process =
        RankProcess{.rank = rank, .device = rank, .host = "127.0.0.1", .port = port};
    return options;
  };
  std::vector<std::thread> others;
  for (int rank = 1; rank < GetParam(); ++rank) {
    others.emplace_back([&, rank] {
      Engine engine = Engine::load(counting_checkpoint(GetParam()), options_of(rank));
      engine.follow();
      // All ranks have judged the same.
      EXPECT_GT(engine.draft_statistics().steps, 0);
    });
  }
  {
    CountingEngine counting(counting_checkpoint(GetParam()), options_of(0));
    const SequenceId sequence = counting.start(60, 2);
    EXPECT_EQ(counting.run(sequence, 7), counted(counted(61, 1).front(), 7));
  }
  for (std::thread& other : others) other.join();
}

INSTANTIATE_TEST_SUITE_P(Ranks, DraftsOfRanks, testing::Values(2, 3),
                         [](const auto& info) { return std::to_string(info.param); });

// What is drawn from a checkpoint whose layers do something. Steps of other numbers of rows round
// otherwise: this is a seed with which no two candidates are nearly equal.
struct Model {
  const char* checkpoint;
  KvFormat kv_format;
};

std::ostream& operator<<(std::ostream& stream, const Model& model) {
  return stream << model.checkpoint;
}

class DraftsOfRanksOf : public testing::TestWithParam<Model> {
 protected:
  void SetUp() override { require_devices(2); }

  static std::vector<int> tokens_with(int drafts) {
    LoadOptions options = options_for(2, drafts);
    options.kv_format = GetParam().kv_format;
    Engine engine = Engine::load(model::test::tiny_checkpoint(GetParam().checkpoint), options);
    const SequenceId sequence = engine.create_sequence({.temperature = 1, .top_k = 50, .seed = 3});
    std::vector<int> result = {engine.prefill(sequence, some_ids(19))};
    engine.run(std::array{sequence}, 12, [&](std::span<const int> chosen) {
      result.push_back(chosen.front());
      return true;
    });
    return result;
  }
};

TEST_P(DraftsOfRanksOf, ChangeNoToken) {
  const std::vector<int> expected = tokens_with(0);
  for (const int drafts : {1, 4}) EXPECT_EQ(tokens_with(drafts), expected) << drafts;
}

INSTANTIATE_TEST_SUITE_P(Models, DraftsOfRanksOf,
                         testing::Values(Model{"deepseek-v32-ranks-tiny", KvFormat::kFp8},
                                         Model{"glm-5.2-ranks-tiny", KvFormat::kBf16}),
                         [](const auto& info) {
                           return info.param.kv_format == KvFormat::kFp8 ? "With656ByteRows"
                                                                         : "WithBf16Rows";
                         });

}  // namespace
}  // namespace slipstream::engine::test::ranks_drafts_test
