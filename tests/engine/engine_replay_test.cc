// Steps give the same bits however they are started: with and without PDL, from a graph and launch
// by launch, in the first replay and in the thousandth.
//
// With the kernels as they ship, and with instrumented ones that sleep for a random time after every
// trigger and wait.

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>

#include "slipstream/launch.h"
#include "tests/engine/support/delayed_kernels.h"
#include "tests/engine/support/engine_runner.h"
#include "tests/model/support/shapes.h"

namespace slipstream::engine::test {
namespace {

struct Start {
  bool graphs;
  bool pdl;
};
constexpr Start kPlain{.graphs = false, .pdl = false};
constexpr Start kShipped{.graphs = true, .pdl = true};

struct Case {
  model::test::Shape shape;
  KvFormat format;
  bool delayed = false;
};

// Both models' layers of every kind, and contexts beyond index_topk.
std::vector<Case> cases() {
  const model::test::Shape fp8{"Fp8", "deepseek-v32-tiny",
                               R"({"num_hidden_layers": 2, "index_topk": 8, "index_n_heads": 8})"};
  const model::test::Shape bf16{
      "Bf16", "glm-5.2-tiny-bf16",
      R"({"num_hidden_layers": 3, "indexer_types": ["full", "shared", "full"],
                       "index_topk": 8, "index_n_heads": 8})"};
  return {{fp8, KvFormat::kBf16},
          {bf16, KvFormat::kFp8},
          {fp8, KvFormat::kBf16, /*delayed=*/true},
          {bf16, KvFormat::kFp8, /*delayed=*/true}};
}

// Thousands take a GPU seconds; the emulated device needs small numbers to stay in CI.
int number_of(const char* variable, int otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::atoi(text);
}
int replays() { return number_of("SLIPSTREAM_TEST_REPLAYS", 2); }
int long_run() { return number_of("SLIPSTREAM_TEST_TOKENS", 2); }

std::vector<int> prompt(int sequence) {
  std::vector<int> ids;
  for (int i = 0; i < 12; ++i) ids.push_back((i * 37 + 11 + 5 * sequence) % 512);
  return ids;
}

// An engine with sequences that have seen their prompts.
class Decoding {
 public:
  Decoding(const Case& test, Start start, int sequences, int steps = replays()) {
    pdl::set_stream_enabled(stream_.get(), start.pdl);
    const int64_t tokens = std::ssize(prompt(0)) + steps + 1;
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

  // `count` steps enqueued one after the other.
  std::vector<std::vector<int>> steps(int count) {
    std::vector<std::vector<int>> result;
    engine_->run(sequences_, count, [&](std::span<const int> tokens) {
      result.emplace_back(tokens.begin(), tokens.end());
      return true;
    });
    return result;
  }

  // Of every sequence, one after the other.
  std::vector<float> logits() {
    std::vector<float> result;
    for (const SequenceId sequence : sequences_) {
      const std::vector<float> row = engine_->logits(sequence);
      result.insert(result.end(), row.begin(), row.end());
    }
    return result;
  }

 private:
  pdl::Stream stream_;
  std::optional<Engine> engine_;
  std::vector<SequenceId> sequences_;
};

class EngineReplay : public testing::TestWithParam<Case> {
 protected:
  EngineReplay() {
    if (GetParam().delayed) delays_.emplace();
  }

 private:
  std::optional<DelayedKernels> delays_;
};

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
  uint64_t checksum = 0;
  for (int i = 0; i < replays(); ++i) {
    EXPECT_EQ(plain.step(), replayed.step());
    const std::vector<float> logits = replayed.logits();
    different += plain.logits() == logits ? 0 : 1;
    for (const float value : logits) checksum = checksum * 31 + std::bit_cast<uint32_t>(value);
  }
  EXPECT_EQ(different, 0) << "of " << replays();
  // To compare it with and without delays.
  std::cout << "checksum of " << replays() << " steps' logits: " << checksum << "\n";
}

TEST_P(EngineReplay, GivesTheSameBitsWhenStepsFollowEachOtherWithoutTheHost) {
  constexpr int kSequences = 2;
  Decoding plain(GetParam(), kPlain, kSequences);
  Decoding replayed(GetParam(), kShipped, kSequences);
  EXPECT_EQ(plain.steps(replays()), replayed.steps(replays()));
  EXPECT_EQ(plain.logits(), replayed.logits());
}

struct MemoryInUse {
  int64_t device = 0;
  int64_t host = 0;
};

MemoryInUse memory_in_use() {
  size_t free = 0;
  size_t total = 0;
  check_cuda(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
  int64_t pages = 0;
  int64_t resident = 0;
  std::ifstream("/proc/self/statm") >> pages >> resident;
  return {static_cast<int64_t>(total - free), resident * sysconf(_SC_PAGESIZE)};
}

TEST_P(EngineReplay, NeitherGrowsNorDriftsOverALongRun) {
  constexpr int64_t kMaxHostGrowth = 4 << 20;  // the tokens themselves take some
  // Over a few steps, the emulated device still takes what its threads need.
  constexpr int kLongOnTheHost = 1000;
  std::array<std::vector<std::vector<int>>, 2> tokens;
  std::array<std::vector<float>, 2> logits;
  for (const bool pdl : {false, true}) {
    Decoding run(GetParam(), {.graphs = true, .pdl = pdl}, 1, long_run());
    (void)run.step();
    const MemoryInUse before = memory_in_use();
    tokens.at(pdl ? 1 : 0) = run.steps(long_run() - 1);
    const MemoryInUse after = memory_in_use();
    std::cout << "PDL " << pdl << ", " << long_run() << " tokens: device memory " << before.device
              << " to " << after.device << " bytes, host memory " << before.host << " to "
              << after.host << "\n";
    EXPECT_EQ(after.device, before.device);
    if (long_run() >= kLongOnTheHost) {
      EXPECT_LT(after.host - before.host, kMaxHostGrowth);
    }
    logits.at(pdl ? 1 : 0) = run.logits();
  }
  EXPECT_EQ(tokens[0], tokens[1]);
  EXPECT_EQ(logits[0], logits[1]);
}

TEST(EngineReplayComparison, WouldNoticeAnotherToken) {
  Decoding plain(cases().front(), kPlain, 1);
  (void)plain.step();
  const std::vector<float> before = plain.logits();
  (void)plain.step();
  EXPECT_NE(plain.logits(), before);
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, EngineReplay, testing::ValuesIn(cases()),
                         [](const auto& info) {
                           return info.param.shape.name + (info.param.delayed ? "Delayed" : "");
                         });

}  // namespace
}  // namespace slipstream::engine::test
