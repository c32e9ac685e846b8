// Steps give the same bits however they are started: with and without PDL, from a graph and launch
// by launch, in the first replay and in the thousandth.
//
// This source is built twice, against the kernels as they ship and against the same kernels with
// random delays behind their triggers and waits.

#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <optional>

#include "slipstream/launch.h"
#include "tests/engine/support/engine_runner.h"
#include "tests/engine/support/shapes.h"

namespace slipstream::engine::test {
namespace {

struct Start {
  bool graphs;
  bool pdl;
};
constexpr Start kPlain{.graphs = false, .pdl = false};
constexpr Start kShipped{.graphs = true, .pdl = true};

struct Case {
  Shape shape;
  KvFormat format;
};

// Both models' layers of every kind, and contexts beyond index_topk.
std::vector<Case> cases() {
  const Shape fp8{"Fp8", "deepseek-v32-tiny",
                  R"({"num_hidden_layers": 2, "index_topk": 8, "index_n_heads": 8})"};
  const Shape bf16{"Bf16", "glm-5.2-tiny-bf16",
                   R"({"num_hidden_layers": 3, "indexer_types": ["full", "shared", "full"],
                       "index_topk": 8, "index_n_heads": 8})"};
  return {{fp8, KvFormat::kBf16}, {bf16, KvFormat::kFp8}};
}

// 1,000 take a GPU seconds; the emulated device needs a smaller number to stay in CI.
int replays() {
  const char* text = std::getenv("SLIPSTREAM_TEST_REPLAYS");
  return text == nullptr ? 3 : std::atoi(text);
}

std::vector<int> prompt(int sequence) {
  std::vector<int> ids;
  for (int i = 0; i < 12; ++i) ids.push_back((i * 37 + 11 + 5 * sequence) % 512);
  return ids;
}

// An engine with sequences that have seen their prompts.
class Decoding {
 public:
  Decoding(const Case& test, Start start, int sequences) {
    pdl::set_stream_enabled(stream_.get(), start.pdl);
    const std::int64_t tokens = prompt(0).size() + replays() + 1;
    engine_.emplace(
        Engine::load(test.shape.directory(), {.stream = stream_.get(),
                                              .kv_format = test.format,
                                              .cache_tokens = sequences * ((tokens + 63) / 64 * 64),
                                              .max_sequences = sequences,
                                              .lora_norm_eps = {},
                                              .graphs = start.graphs}));
    for (int i = 0; i < sequences; ++i) {
      sequences_.push_back(engine_->create_sequence());
      (void)engine_->prefill(sequences_.back(), prompt(i));
    }
  }
  ~Decoding() { pdl::set_stream_enabled(stream_.get(), std::nullopt); }
  Decoding(const Decoding&) = delete;
  Decoding& operator=(const Decoding&) = delete;

  std::vector<int> step() { return engine_->step(sequences_); }

  // `count` steps enqueued one behind the other.
  std::vector<std::vector<int>> steps(int count) {
    std::vector<std::vector<int>> result;
    engine_->run(sequences_, count, [&](std::span<const int> tokens) {
      result.emplace_back(tokens.begin(), tokens.end());
      return true;
    });
    return result;
  }

  // Of every sequence, one behind the other.
  std::vector<float> logits() {
    std::vector<float> result;
    for (const SequenceId sequence : sequences_) {
      const std::vector<float> row = engine_->logits(sequence);
      result.insert(result.end(), row.begin(), row.end());
    }
    return result;
  }

 private:
  EngineStream stream_;
  std::optional<Engine> engine_;
  std::vector<SequenceId> sequences_;
};

class EngineReplay : public testing::TestWithParam<Case> {};

TEST_P(EngineReplay, GivesTheSameBitsWithAndWithoutGraphAndPdl) {
  Decoding plain(GetParam(), kPlain, 1);
  (void)plain.step();
  const std::vector<float> expected = plain.logits();
  for (const Start start :
       {Start{.graphs = false, .pdl = true}, Start{.graphs = true, .pdl = false}, kShipped}) {
    Decoding run(GetParam(), start, 1);
    (void)run.step();
    EXPECT_EQ(run.logits(), expected) << "graphs " << start.graphs << ", PDL " << start.pdl;
  }
}

TEST_P(EngineReplay, GivesTheSameBitsInEveryReplay) {
  Decoding plain(GetParam(), kPlain, 1);
  Decoding replayed(GetParam(), kShipped, 1);
  int different = 0;
  for (int i = 0; i < replays(); ++i) {
    EXPECT_EQ(plain.step(), replayed.step());
    different += plain.logits() == replayed.logits() ? 0 : 1;
  }
  EXPECT_EQ(different, 0) << "of " << replays();
}

TEST_P(EngineReplay, GivesTheSameBitsWhenStepsFollowEachOtherWithoutTheHost) {
  constexpr int kSequences = 2;
  Decoding plain(GetParam(), kPlain, kSequences);
  Decoding replayed(GetParam(), kShipped, kSequences);
  EXPECT_EQ(plain.steps(replays()), replayed.steps(replays()));
  EXPECT_EQ(plain.logits(), replayed.logits());
}

TEST(EngineReplayComparison, WouldNoticeAnotherToken) {
  Decoding plain(cases().front(), kPlain, 1);
  (void)plain.step();
  const std::vector<float> before = plain.logits();
  (void)plain.step();
  EXPECT_NE(plain.logits(), before);
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, EngineReplay, testing::ValuesIn(cases()),
                         [](const auto& info) { return info.param.shape.name; });

}  // namespace
}  // namespace slipstream::engine::test
