// Steps of mixed rows over several GPUs.

#include <gtest/gtest.h>

#include <array>

#include "pdl/device.h"
#include "slipstream/launch.h"
#include "tests/engine/support/engine_runner.h"
#include "tests/engine/support/scheduled.h"
#include "tests/model/support/shapes.h"
#include "tests/model/support/tiny_files.h"

namespace slipstream::engine::test {
namespace {

class ServingOfRanks : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    if (pdl::device_count() < GetParam()) GTEST_SKIP() << "needs " << GetParam() << " GPUs";
  }

  [[nodiscard]] static Engine load(bool graphs = true, bool external_pages = false) {
    const model::test::Shape shape{"RanksServing", "deepseek-v32-ranks-tiny",
                                   R"({"index_topk": 8, "index_n_heads": 8})"};
    return Engine::load(shape.directory(), {.cache_tokens = 320,
                                            .max_sequences = 4,
                                            .external_pages = external_pages,
                                            .ranks = Ranks::threads(GetParam()),
                                            .poll_limit = kNoLimit,
                                            .graphs = graphs});
  }
};

TEST_P(ServingOfRanks, AnswersTheScheduleAsTheReferenceDoes) {
  Engine engine = load();
  (void)check_schedule(engine, some_schedule(engine.vocab_size()));
}

TEST_P(ServingOfRanks, GivesTheSameBitsWhateverIsEnqueuedAheadAndHoweverStepsAreStarted) {
  Engine engine = load();
  const Schedule schedule = some_schedule(engine.vocab_size());
  const std::vector<StepToken> expected = run_schedule(engine, schedule, 1);
  expect_same(run_schedule(engine, schedule, 3), expected);
  pdl::set_enabled(false);
  Engine launched = load(/*graphs=*/false);
  expect_same(run_schedule(launched, schedule, kMaxStepsOnTheirWay), expected);
  pdl::set_enabled(std::nullopt);
}

TEST_P(ServingOfRanks, SharesPagesThatTheCallerHandsOut) {
  Engine engine = load(/*graphs=*/true, /*external_pages=*/true);
  const SequenceId first = engine.create_sequence(SequenceOptions{.pages = {3}});
  engine.append_pages(first, std::array{1});
  const std::vector<int> prompt = some_ids(64);
  for (int i = 0; i < 64; i += 16) {
    const std::vector<int> piece(prompt.begin() + i, prompt.begin() + i + 16);
    (void)engine.wait(engine.enqueue({{.sequence = first, .ids = piece, .sample = false}}));
  }
  const SequenceId second = engine.create_sequence(SequenceOptions{.pages = {3, 4}, .length = 64});
  const std::vector<StepToken> tokens = engine.wait(
      engine.enqueue({{.sequence = first, .ids = {7}}, {.sequence = second, .ids = {7}}}));
  EXPECT_EQ(tokens[0].token, tokens[1].token);
  EXPECT_EQ(engine.logits(first), engine.logits(second));
  EXPECT_EQ(model::test::message_of([&] { engine.append_pages(first, std::array{5}); }),
            "page must be from 0 to cache_pages() - 1 = 4, is 5");
  EXPECT_NO_THROW((void)engine.wait(engine.enqueue({{.sequence = second}})));
}

TEST_P(ServingOfRanks, RefusesWhatOneRankRefusesAndGoesOn) {
  Engine engine = load();
  const SequenceId sequence = engine.create_sequence();
  const Ticket ticket = engine.enqueue({{.sequence = sequence, .ids = some_ids(3)}});
  EXPECT_EQ(model::test::message_of(
                [&] { (void)engine.enqueue({{.sequence = sequence, .ids = {523}}}); }),
            "token id must be from 0 to vocab_size - 1 = 522, is 523");
  EXPECT_EQ(model::test::message_of([&] { (void)engine.step(std::array{sequence}); }),
            "steps on their way must have been waited for, are 1");
  (void)engine.wait(ticket);
  EXPECT_EQ(engine.step(std::array{sequence}).size(), 1U);
  EXPECT_EQ(engine.length(sequence), 4);
}

INSTANTIATE_TEST_SUITE_P(Ranks, ServingOfRanks, testing::Values(2, 4),
                         [](const auto& info) { return std::to_string(info.param); });

}  // namespace
}  // namespace slipstream::engine::test
