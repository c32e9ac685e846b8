// What an operator does to an engine over several GPUs: cancels calls, limits steps.

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "pdl/device.h"
#include "slipstream/log.h"
#include "step/kernels/set.h"
#include "tests/engine/support/counting.h"
#include "tests/engine/support/engine_runner.h"
#include "tests/engine/support/spinning.h"
#include "tests/model/support/shapes.h"

namespace slipstream::engine::test {
namespace {

class RanksOperating : public testing::Test {
 protected:
  void SetUp() override {
    if (pdl::device_count() < 2) GTEST_SKIP() << "needs 2 GPUs";
  }

  static const std::string& checkpoint() { return model::test::counting_in_two().directory(); }

  static LoadOptions options(int drafts) {
    return {.cache_tokens = 128,
            .max_sequences = 2,
            .drafts = drafts,
            .ranks = Ranks::threads(2),
            .poll_limit = kNoLimit};
  }
};

TEST_F(RanksOperating, ACancelEndsARunOnAllRanksWhichGoOnAfterIt) {
  for (const int drafts : {0, 2}) {
    CountingEngine counting(checkpoint(), options(drafts));
    Engine& engine = counting.engine();
    const SequenceId sequence = counting.start(8, 2);
    const std::vector<int> expected = counted(counted(9, 1).front(), 4);
    std::vector<int> arrived;
    EXPECT_THROW(engine.run(std::array{sequence}, 20,
                            [&](std::span<const int> tokens) {
                              arrived.push_back(tokens.front());
                              if (arrived.size() == 2) std::thread([&] { engine.cancel(); }).join();
                              return true;
                            }),
                 Canceled);
    EXPECT_EQ(arrived, std::vector(expected.begin(), expected.begin() + 2)) << drafts;
    EXPECT_EQ(engine.length(sequence), 2);
    // A rank that had gone on, or had not been told, would choose others.
    EXPECT_EQ(counting.run(sequence, 4), expected) << drafts;
    EXPECT_EQ(engine.metrics().canceled_calls, 1U);
    EXPECT_FALSE(engine.metrics().is_closed);
  }
}

TEST_F(RanksOperating, ACancelLetsAPromptEndAndReachesTheNextCall) {
  CountingEngine counting(checkpoint(), options(0));
  Engine& engine = counting.engine();
  const SequenceId sequence = engine.create_sequence();
  engine.cancel();
  EXPECT_EQ(engine.prefill(sequence, std::array{8, 9}), counted(9, 1).front());
  EXPECT_EQ(engine.length(sequence), 2);
  EXPECT_THROW((void)engine.step(std::array{sequence}), Canceled);
  EXPECT_EQ(engine.length(sequence), 2);
  EXPECT_EQ(counting.run(sequence, 3), counted(counted(9, 1).front(), 3));
}

// Rank 1's device hangs in its first launch of values, if it is told to.
SpinningKernel* spinning = nullptr;
std::atomic<bool> hangs = false;

void values_that_may_hang(const step::kernels::ValuesParams& params,
                          const pdl::LaunchOptions& launch) {
  int device = 0;
  check_cuda(cudaGetDevice(&device), "cudaGetDevice");
  if (device == 1 && hangs) spinning->launch(launch.stream);
  step::kernels::plain_set().values(params, launch);
}

TEST_F(RanksOperating, AStepLimitTellsWhereEachRankHangsAndLetsTheEngineGo) {
  SpinningKernel kernel;
  spinning = &kernel;
  static step::kernels::Set set = step::kernels::plain_set();  // rank 1 never goes
  set.values = values_that_may_hang;
  step::kernels::switch_set(set);
  std::vector<std::string> lines;
  set_log_sink([&](const LogRecord& record) { lines.push_back(to_string(record)); });
  std::string message;
  const auto begin = std::chrono::steady_clock::now();
  {
    LoadOptions limited = options(0);
    limited.graphs = false;
    limited.step_limit = 5;
    limited.trace_launches = true;
    CountingEngine counting(checkpoint(), limited);
    const SequenceId sequence = counting.start(8, 2);
    hangs = true;
    try {
      (void)counting.engine().step(std::array{sequence});
    } catch (const CudaError& error) {
      EXPECT_EQ(error.code(), cudaErrorLaunchTimeout);
      message = error.what();
    }
    EXPECT_TRUE(counting.engine().metrics().is_closed);
  }
  hangs = false;
  set_log_sink({});
  step::kernels::switch_set(step::kernels::plain_set());
  kernel.end();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(60));
  // Rank 0 waits for what comes after them on rank 1.
  EXPECT_EQ(
      message,
      "a step must end within step_limit = 5 s, has not; the device of rank 0 hangs in launch "
      "8 of 20: norm_linear: dense gate_up, layer 0");
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_TRUE(lines[0].ends_with("ERROR rank 0: the engine is closed, for: " + message));
  EXPECT_TRUE(lines[1].ends_with(
      "ERROR rank 1: the device of rank 1 hangs in launch 6 of 20: project_values, layer 0"))
      << lines[1];
}

}  // namespace
}  // namespace slipstream::engine::test
