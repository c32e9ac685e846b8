// One engine over several GPUs: what it answers is what one GPU would, the same on all ranks and
// however steps are started.

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <thread>

#include "engine/inspection.h"
#include "pdl/device.h"
#include "slipstream/launch.h"
#include "tests/engine/support/engine_runner.h"
#include "tests/model/support/shapes.h"
#include "tests/model/support/tiny_files.h"

namespace slipstream::engine::test {
namespace {

// What an engine says to a prompt and some steps, drawn and greedy.
struct Answer {
  std::vector<int> tokens;
  std::vector<float> logits;
};

struct HowToStart {
  bool graphs = true;
  bool pdl = true;
};

LoadOptions options_for(int ranks, bool graphs = true) {
  return {.cache_tokens = 192,
          .max_sequences = 2,
          .ranks = Ranks::threads(ranks),
          .poll_limit = kNoLimit,
          .lora_norm_eps = {},
          .graphs = graphs};
}

Answer answer_of(Engine& engine, const SamplingOptions& sampling) {
  Answer answer;
  const std::array sequences = {engine.create_sequence(sampling), engine.create_sequence()};
  // A chunk of 16 and a rest; then steps of two sequences, of one, and enqueued ahead.
  answer.tokens.push_back(engine.prefill(sequences[0], some_ids(19)));
  answer.tokens.push_back(engine.prefill(sequences[1], some_ids(3, 7)));
  for (const int token : engine.step(sequences)) answer.tokens.push_back(token);
  answer.tokens.push_back(engine.step(std::array{sequences[1]}).front());
  engine.run(std::array{sequences[0]}, 3, [&](std::span<const int> tokens) {
    answer.tokens.push_back(tokens.front());
    return true;
  });
  answer.logits = engine.logits(sequences[0]);
  for (const SequenceId sequence : sequences) engine.free(sequence);
  return answer;
}

Answer answer_of(const std::string& directory, int ranks, const SamplingOptions& sampling,
                 HowToStart start = {}) {
  pdl::set_enabled(start.pdl);
  const pdl::Stream stream;
  LoadOptions options = options_for(ranks, start.graphs);
  if (ranks == 1) options.stream = stream.get();
  Engine engine = Engine::load(directory, options);
  const Answer answer = answer_of(engine, sampling);
  pdl::set_enabled(std::nullopt);
  return answer;
}

void expect_same_bits(const Answer& a, const Answer& b) {
  EXPECT_EQ(a.tokens, b.tokens);
  ASSERT_EQ(a.logits.size(), b.logits.size());
  EXPECT_EQ(std::memcmp(a.logits.data(), b.logits.data(), a.logits.size() * sizeof(float)), 0);
}

const std::string& deepseek() {
  return model::test::Shape{"RanksDeepseek", "deepseek-v32-ranks-tiny",
                            R"({"index_topk": 8, "index_n_heads": 8})"}
      .directory();
}

class EngineOfRanks : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    if (pdl::device_count() < GetParam()) GTEST_SKIP() << "needs " << GetParam() << " GPUs";
  }
};

TEST_P(EngineOfRanks, GivesTheSameBitsHoweverStepsAreStarted) {
  const SamplingOptions drawn{.temperature = 0.8F, .top_k = 40, .top_p = 0.9F, .seed = 5};
  const Answer expected = answer_of(deepseek(), GetParam(), drawn);
  expect_same_bits(answer_of(deepseek(), GetParam(), drawn, {.graphs = false, .pdl = false}),
                   expected);
  expect_same_bits(answer_of(deepseek(), GetParam(), drawn, {.graphs = true, .pdl = false}),
                   expected);
}

TEST_P(EngineOfRanks, AnswersAsOneRankDoes) {
  EngineRunner one(deepseek(), KvFormat::kBf16, 64);
  EngineRunner several(deepseek(), KvFormat::kBf16, 64, GetParam());
  const model::reference::Matrix expected = forced_logits(one.engine());
  EXPECT_GT(model::test::mean_cosine(forced_logits(several.engine()), expected), 0.995);
}

// An engine per process, here in threads: what a launcher of processes starts.
LoadOptions options_of_process(int rank, int ranks, int port) {
  LoadOptions options = options_for(ranks);
  options.ranks.process =
      RankProcess{.rank = rank, .device = rank, .host = "127.0.0.1", .port = port};
  return options;
}

TEST_P(EngineOfRanks, GivesTheSameBitsWhereEachIsAProcess) {
  const SamplingOptions drawn{.temperature = 0.8F, .top_k = 40, .top_p = 0.9F, .seed = 5};
  const Answer expected = answer_of(deepseek(), GetParam(), drawn);
  const int port = 20000 + static_cast<int>(getpid()) % 20000;
  std::vector<std::thread> others;
  for (int rank = 1; rank < GetParam(); ++rank) {
    others.emplace_back([&, rank] {
      Engine engine = Engine::load(deepseek(), options_of_process(rank, GetParam(), port));
      EXPECT_EQ(engine.rank(), rank);
      EXPECT_EQ(model::test::message_of([&] { (void)engine.create_sequence(); }),
                "an engine must be asked on rank 0, is on rank " + std::to_string(rank) +
                    ", which can only follow()");
      engine.follow();
    });
  }
  {
    Engine engine = Engine::load(deepseek(), options_of_process(0, GetParam(), port));
    expect_same_bits(answer_of(engine, drawn), expected);
  }
  for (std::thread& other : others) other.join();
}

TEST_P(EngineOfRanks, StopsWhereTheCallerWantsAndGoesOn) {
  Engine engine = Engine::load(deepseek(), options_for(GetParam()));
  const std::vector<int> expected = continuation(engine, some_ids(5), 4);
  const SequenceId sequence = engine.create_sequence();
  std::vector<int> tokens = {engine.prefill(sequence, some_ids(5))};
  engine.run(std::array{sequence}, 60, [&](std::span<const int> chosen) {
    tokens.push_back(chosen.front());
    return tokens.size() < 3;
  });
  EXPECT_EQ(engine.length(sequence), 7);
  EXPECT_THROW(
      engine.run(std::array{sequence}, 3, [](auto) -> bool { throw std::runtime_error("enough"); }),
      std::runtime_error);
  EXPECT_EQ(engine.length(sequence), 7);
  for (int i = 0; i < 2; ++i) tokens.push_back(engine.step(std::array{sequence}).front());
  EXPECT_EQ(tokens, expected);
}

TEST_P(EngineOfRanks, RefusesWhatOneRankRefusesAndGoesOn) {
  Engine engine = Engine::load(deepseek(), options_for(GetParam()));
  const SequenceId sequence = engine.create_sequence();
  const std::array ids = {523};
  EXPECT_EQ(model::test::message_of([&] { (void)engine.prefill(sequence, ids); }),
            "token id must be from 0 to vocab_size - 1 = 522, is 523");
  EXPECT_EQ(model::test::message_of([&] { (void)engine.prefill(sequence, some_ids(193)); }),
            "a sequence must have at most 192 tokens, would have 193");
  EXPECT_EQ(model::test::message_of([&] { engine.follow(); }),
            "follow() is for the processes of other ranks than 0, is called on rank 0");
  (void)engine.prefill(sequence, some_ids(3));
  EXPECT_EQ(engine.length(sequence), 3);
}

TEST_P(EngineOfRanks, RunsALayerAloneAsOneRankDoes) {
  EngineRunner one(deepseek(), KvFormat::kBf16, 64);
  Engine several = Engine::load(deepseek(), options_for(GetParam()));
  std::vector<float> hidden(size_t{3} * 256);
  for (size_t i = 0; i < hidden.size(); ++i) {
    hidden[i] = static_cast<float>(static_cast<int>(i * 37 % 101) - 50) / 64;
  }
  for (const int layer : {0, 1}) {  // the last one ends in the final norm
    const LayerResult expected = Inspection(one.engine()).run_layer(layer, hidden);
    const LayerResult result = Inspection(several).run_layer(layer, hidden);
    ASSERT_EQ(result.hidden.size(), expected.hidden.size());
    EXPECT_EQ(result.lists, expected.lists);
    model::reference::Matrix a(3, 256);
    model::reference::Matrix b(3, 256);
    a.values() = result.hidden;
    b.values() = expected.hidden;
    EXPECT_LT(model::test::quantile(model::test::relative_errors(a, b), 0.5), 0.008);
  }
  // The windows are as before a first step.
  EXPECT_EQ(continuation(several, some_ids(4), 1), continuation(several, some_ids(4), 1));
}

INSTANTIATE_TEST_SUITE_P(Ranks, EngineOfRanks, testing::Values(2, 4, 8),
                         [](const auto& info) { return std::to_string(info.param); });

}  // namespace
}  // namespace slipstream::engine::test
