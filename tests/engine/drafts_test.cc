// Drafts on the device: a model that counts, whose tokens and drafts anybody can say.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <stdexcept>

#include "engine/inspection.h"
#include "tests/engine/support/counting.h"
#include "tests/model/support/tiny_files.h"

namespace slipstream::engine::test {
namespace {

// Acceptance: whatever is wrong with hidden states, positions, halves, caches or lists of the MTP layer
// makes drafts wrong that must be right.
class DraftsOf : public testing::TestWithParam<int> {};

TEST_P(DraftsOf, AreRightWhereTheModelCountsByOne) {
  CountingEngine counting(GetParam());
  // From one token on: the fewer rows there are, the more a missing one shows.
  const SequenceId sequence = counting.start(22, 1);
  EXPECT_EQ(counting.run(sequence, 24), counted(counted(22, 1).front(), 24));
  EXPECT_EQ(counting.engine().length(sequence), 25);
  const DraftStatistics statistics = counting.engine().draft_statistics();
  EXPECT_GT(statistics.mean_length(), 1.4);
  // The first step, without drafts, has the token that prefill gave.
  expect_statistics(statistics,
                    counting_statistics(counted(22, 1).front(), GetParam(), statistics.steps));
}

INSTANTIATE_TEST_SUITE_P(All, DraftsOf, testing::Values(1, 2, 3, 5));

TEST(Drafts, AreTheSameWith656ByteRows) {
  CountingEngine counting(3, 256, KvFormat::kFp8);
  const SequenceId sequence = counting.start(40, 2);
  const int first = counted(41, 1).front();
  EXPECT_EQ(counting.run(sequence, 8), counted(first, 8));
  const DraftStatistics statistics = counting.engine().draft_statistics();
  expect_statistics(statistics, counting_statistics(first, 3, statistics.steps));
}

TEST(Drafts, AreTheSameWithTheHeadItself) {
  LoadOptions options{.cache_tokens = 256, .drafts = 3};
  int64_t bytes = 0;
  for (const bool fp8_head : {true, false}) {
    options.fp8_draft_head = fp8_head;
    CountingEngine counting(model::test::tiny_checkpoint("counting-tiny"), options);
    const SequenceId sequence = counting.start(40, 2);
    const int first = counted(41, 1).front();
    EXPECT_EQ(counting.run(sequence, 8), counted(first, 8));
    const DraftStatistics statistics = counting.engine().draft_statistics();
    expect_statistics(statistics, counting_statistics(first, 3, statistics.steps));
    const int64_t taken = counting.engine().memory_use().weight_bytes;
    if (!fp8_head) {
      EXPECT_LT(taken, bytes);
    }
    bytes = taken;
  }
}

TEST(Drafts, GoOnFromOneRunToTheNext) {
  CountingEngine counting(2);
  const SequenceId sequence = counting.start(60, 2);
  const int first = counted(61, 1).front();
  std::vector<int> tokens;
  for (const int count : {1, 4, 2, 5}) {
    const std::vector<int> piece = counting.run(sequence, count);
    tokens.insert(tokens.end(), piece.begin(), piece.end());
    EXPECT_EQ(counting.engine().length(sequence), 2 + std::ssize(tokens));
  }
  EXPECT_EQ(tokens, counted(first, 12));
  const DraftStatistics statistics = counting.engine().draft_statistics();
  expect_statistics(statistics, counting_statistics(first, 2, statistics.steps));
}

TEST(Drafts, HaveStepsGiveATokenEach) {
  CountingEngine counting(3);
  Engine& engine = counting.engine();
  const SequenceId sequence = counting.start(80, 2);
  const std::vector<int> expected = counted(counted(81, 1).front(), 10);
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(engine.step(std::array{sequence}).front(), expected[i]);
    EXPECT_EQ(engine.length(sequence), 3 + i);
    const std::vector<float> logits = engine.logits(sequence);
    EXPECT_EQ(std::ranges::max_element(logits) - logits.begin(), expected[i]);
  }
  // Most came without a step.
  EXPECT_LT(engine.draft_statistics().steps, 8);
}

TEST(Drafts, OfSeveralSequencesAreJudgedEachAlone) {
  CountingEngine counting(2);
  Engine& engine = counting.engine();
  // One of them is about to meet tokens that are not counted by one.
  const std::array sequences{counting.start(8, 2), counting.start(100, 3), counting.start(33, 1)};
  std::array<std::vector<int>, 3> tokens;
  engine.run(sequences, 8, [&](std::span<const int> chosen) {
    for (int i = 0; i < 3; ++i) tokens[i].push_back(chosen[i]);
    return true;
  });
  EXPECT_EQ(tokens[0], counted(counted(9, 1).front(), 8));
  EXPECT_EQ(tokens[1], counted(counted(102, 1).front(), 8));
  EXPECT_EQ(tokens[2], counted(counted(33, 1).front(), 8));
  EXPECT_EQ(engine.length(sequences[1]), 11);
}

TEST(Drafts, EndWhereTheCacheDoes) {
  CountingEngine counting(5, 64);
  const SequenceId sequence = counting.start(200, 54);
  const int first = counted(253, 1).front();
  EXPECT_EQ(counting.run(sequence, 10), counted(first, 10));
  EXPECT_EQ(counting.engine().length(sequence), 64);
  EXPECT_EQ(model::test::message_of([&] { (void)counting.engine().step(std::array{sequence}); }),
            "a sequence must have at most 64 tokens, would have 65");
}

TEST(Drafts, AreCutWhereTheCallerWantsNoMore) {
  CountingEngine counting(3);
  Engine& engine = counting.engine();
  const SequenceId sequence = counting.start(8, 1);
  const std::vector<int> expected = counted(counted(8, 1).front(), 9);
  std::vector<int> tokens;
  engine.run(std::array{sequence}, 20, [&](std::span<const int> chosen) {
    tokens.push_back(chosen.front());
    return tokens.size() < 4;
  });
  EXPECT_EQ(engine.length(sequence), 5);
  const std::vector<int> rest = counting.run(sequence, 5);
  tokens.insert(tokens.end(), rest.begin(), rest.end());
  EXPECT_EQ(tokens, expected);
}

TEST(Drafts, AreDroppedForAForcedTokenAndForAPrompt) {
  CountingEngine counting(3);
  Engine& engine = counting.engine();
  const SequenceId sequence = counting.start(8, 1);
  (void)counting.run(sequence, 2);
  engine.force(sequence, 300);
  EXPECT_EQ(counting.run(sequence, 6), counted(300, 6));
  EXPECT_EQ(engine.prefill(sequence, std::array{400, 401}), counted(401, 1).front());
  EXPECT_EQ(counting.run(sequence, 5), counted(counted(401, 1).front(), 5));
  EXPECT_EQ(engine.length(sequence), 1 + 2 + 6 + 2 + 5);
}

TEST(Drafts, LeaveSequencesAsTheyWereWhenACallerThrows) {
  CountingEngine counting(2);
  Engine& engine = counting.engine();
  const SequenceId sequence = counting.start(8, 2);
  EXPECT_THROW(
      engine.run(std::array{sequence}, 5, [](auto) -> bool { throw std::runtime_error("enough"); }),
      std::runtime_error);
  EXPECT_EQ(engine.length(sequence), 2);
  EXPECT_EQ(counting.run(sequence, 4), counted(counted(9, 1).front(), 4));
}

TEST(Drafts, GiveBackPagesThatTheyOnlyMightHaveNeeded) {
  CountingEngine counting(5, 192);
  const SequenceId sequence = counting.start(8, 2);
  (void)counting.run(sequence, 2);
  EXPECT_NO_THROW((void)counting.start(0, 128));
}

TEST(Drafts, AreInTheSameChainOfKernels) {
  CountingEngine counting(2);
  (void)counting.run(counting.start(8, 1), 2);
  const Inspection inspection(counting.engine());
  EXPECT_GT(inspection.launches_per_step(1, 2), 0);
  EXPECT_EQ(inspection.early_launches_per_step(1, 2), inspection.launches_per_step(1, 2) - 1);
}

}  // namespace
}  // namespace slipstream::engine::test
