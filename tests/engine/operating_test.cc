// What an operator sees of an engine and can do to it: steps that hang, canceled calls, metrics, log.

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "engine/launch_watch.h"
#include "slipstream/log.h"
#include "tests/engine/support/engine_runner.h"
#include "tests/engine/support/spinning.h"
#include "tests/model/support/shapes.h"

namespace slipstream::engine::test {
namespace {

constexpr double kLimit = 0.3;

// One layer: what is told of a step does not depend on what it computes.
const std::string& small_checkpoint() {
  static const model::test::Shape shape{"OneLayer", "deepseek-v32-tiny",
                                        R"({"num_hidden_layers": 1})"};
  return shape.directory();
}

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

Engine load_limited(cudaStream_t stream, bool trace_launches, bool graphs = true) {
  return Engine::load(small_checkpoint(), {.stream = stream,
                                           .cache_tokens = 320,
                                           .max_sequences = 4,
                                           .graphs = graphs,
                                           .step_limit = kLimit,
                                           .trace_launches = trace_launches});
}

// --- Steps that hang.

TEST(StepLimit, EndsAStepThatHangsInAnError) {
  const pdl::Stream stream;
  SpinningKernel spinning;
  Engine engine = load_limited(stream.get(), false);
  const SequenceId sequence = engine.create_sequence();
  (void)engine.prefill(sequence, some_ids(3));
  spinning.launch(stream.get());
  const auto begin = std::chrono::steady_clock::now();
  try {
    (void)engine.step(std::array{sequence});
    ADD_FAILURE();
  } catch (const CudaError& error) {
    EXPECT_EQ(error.code(), cudaErrorLaunchTimeout);
    EXPECT_STREQ(error.what(),
                 "a step must end within step_limit = 0.3 s, has not; the device hangs somewhere "
                 "(trace_launches would tell where)");
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
  const std::string closed = error_of([&] { (void)engine.step(std::array{sequence}); });
  EXPECT_TRUE(closed.starts_with("the engine is closed, for: a step must end within")) << closed;
  const Metrics metrics = engine.metrics();
  EXPECT_TRUE(metrics.is_closed);
  EXPECT_EQ(metrics.hung_steps, 1U);
  EXPECT_EQ(metrics.device_errors, 1U);
  spinning.end();
}

TEST(StepLimit, EndsAPromptAndAWaitThatHangToo) {
  for (const bool is_prompt : {true, false}) {
    const pdl::Stream stream;
    SpinningKernel spinning;
    Engine engine = load_limited(stream.get(), false);
    const SequenceId sequence = engine.create_sequence();
    (void)engine.prefill(sequence, some_ids(3));
    spinning.launch(stream.get());
    EXPECT_THROW(
        {
          if (is_prompt) {
            (void)engine.prefill(sequence, some_ids(3));
          } else {
            (void)engine.wait(engine.enqueue({{.sequence = sequence, .ids = some_ids(3)}}));
          }
        },
        CudaError);
    spinning.end();
  }
}

TEST(StepLimit, LeavesAnEngineThatHangsAloneWhenItGoes) {
  const pdl::Stream stream;
  SpinningKernel spinning;
  const auto begin = std::chrono::steady_clock::now();
  {
    Engine engine = load_limited(stream.get(), false);
    const SequenceId sequence = engine.create_sequence();
    (void)engine.prefill(sequence, some_ids(3));
    spinning.launch(stream.get());
    EXPECT_THROW((void)engine.prefill(sequence, some_ids(3)), CudaError);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
  spinning.end();
  stream.synchronize();
}

TEST(StepLimit, SaysThatNoLaunchOfAStepHasBegun) {
  const pdl::Stream stream;
  SpinningKernel spinning;
  Engine engine = load_limited(stream.get(), true);
  const SequenceId sequence = engine.create_sequence();
  (void)engine.prefill(sequence, some_ids(3));
  spinning.launch(stream.get());
  const std::string message = error_of([&] { (void)engine.step(std::array{sequence}); });
  EXPECT_TRUE(message.ends_with("hangs in front of a step: none of its launches has begun"))
      << message;
  spinning.end();
}

TEST(StepLimit, MustBeATime) {
  const pdl::Stream stream;
  EXPECT_EQ(error_of([&] {
              (void)Engine::load(small_checkpoint(), {.stream = stream.get(), .step_limit = -1});
            }),
            "step_limit must be from 0.001 to 86400 seconds, or 0, is -1");
}

TEST(TracedLaunches, LeaveTheTokensAsTheyAre) {
  std::vector<std::vector<int>> results;
  for (const bool traced : {false, true}) {
    for (const bool graphs : {true, false}) {
      const pdl::Stream stream;
      Engine engine = load_limited(stream.get(), traced, graphs);
      results.push_back(continuation(engine, some_ids(3), 1));
    }
  }
  for (const std::vector<int>& result : results) EXPECT_EQ(result, results.front());
}

// A step of three launches, the second of which may hang.
class LaunchWatched : public testing::TestWithParam<bool> {
 protected:
  LaunchWatched() : buffer_(4) {
    for (int i = 0; i < 3; ++i) {
      step::StepLaunch& launch = launches_.emplace_back();
      launch.stage = step::Stage::kHidden;
      launch.title = "launch " + std::to_string(i);
      launch.layer = i;
      launch.enqueue = [this, i](int /*tokens*/, const pdl::LaunchOptions& options) {
        if (i == 1) return spinning_.launch(options.stream);
        check_cuda(cudaMemsetAsync(buffer_.data(), i, 4, options.stream), "cudaMemsetAsync");
      };
    }
    watch_.emplace(launches_);
  }
  // One by one, or as a graph.
  void run_step() {
    if (!GetParam()) return watch_->enqueue(1, {.stream = stream_.get()});
    cudaGraph_t graph = nullptr;
    check_cuda(cudaStreamBeginCapture(stream_.get(), cudaStreamCaptureModeThreadLocal), "begin");
    watch_->enqueue(1, {.stream = stream_.get()});
    check_cuda(cudaStreamEndCapture(stream_.get(), &graph), "end");
    cudaGraphExec_t executable = nullptr;
    check_cuda(cudaGraphInstantiate(&executable, graph, 0), "instantiate");
    check_cuda(cudaGraphLaunch(executable, stream_.get()), "launch");
    check_cuda(cudaGraphDestroy(graph), "destroy");
  }

  pdl::Stream stream_;
  SpinningKernel spinning_;
  DeviceBuffer buffer_;
  std::vector<step::StepLaunch> launches_;
  std::optional<LaunchWatch> watch_;
};

TEST_P(LaunchWatched, NamesTheOldestThatHasNotEnded) {
  EXPECT_EQ(watch_->where(), "in front of a step: none of its launches has begun");
  run_step();
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  while (watch_->where() != "in launch 2 of 3: launch 1, layer 1" &&
         std::chrono::steady_clock::now() < end) {
    EXPECT_EQ(cudaStreamQuery(stream_.get()), cudaErrorNotReady);
  }
  EXPECT_EQ(watch_->where(), "in launch 2 of 3: launch 1, layer 1");
  spinning_.end();
  stream_.synchronize();
  EXPECT_EQ(watch_->where(), "in front of a step: none of its launches has begun");
}

INSTANTIATE_TEST_SUITE_P(Step, LaunchWatched, testing::Bool(), [](const auto& info) {
  return std::string(info.param ? "AsAGraph" : "LaunchByLaunch");
});

// --- Canceled calls.

TEST(Cancel, EndsTheNextCallAndLeavesTheSequenceAsItWas) {
  EngineRunner runner(small_checkpoint(), KvFormat::kBf16);
  Engine& engine = runner.engine();
  const std::vector<int> expected = continuation(engine, some_ids(17), 2);
  const SequenceId sequence = engine.create_sequence();
  engine.cancel();
  EXPECT_THROW((void)engine.prefill(sequence, some_ids(17)), Canceled);
  EXPECT_EQ(engine.length(sequence), 0);
  std::vector<int> tokens = {engine.prefill(sequence, some_ids(17))};
  engine.cancel();
  EXPECT_THROW((void)engine.step(std::array{sequence}), Canceled);
  EXPECT_EQ(engine.length(sequence), 17);
  for (int i = 0; i < 2; ++i) tokens.push_back(engine.step(std::array{sequence}).front());
  EXPECT_EQ(tokens, expected);
  EXPECT_EQ(engine.metrics().canceled_calls, 2U);
}

TEST(Cancel, EndsARunFromAnotherThread) {
  EngineRunner runner(small_checkpoint(), KvFormat::kBf16);
  Engine& engine = runner.engine();
  const SequenceId sequence = engine.create_sequence();
  (void)engine.prefill(sequence, some_ids(3));
  int arrived = 0;
  EXPECT_THROW(engine.run(std::array{sequence}, 6,
                          [&](std::span<const int> /*tokens*/) {
                            if (++arrived == 2) std::thread([&] { engine.cancel(); }).join();
                            return true;
                          }),
               Canceled);
  EXPECT_EQ(arrived, 2);
  EXPECT_EQ(engine.length(sequence), 3);
  EXPECT_EQ(engine.metrics().cache_pages_in_use, 1);
}

// --- Metrics and log.

TEST(EngineMetrics, CountTokensStepsPagesAndErrors) {
  EngineRunner runner(small_checkpoint(), KvFormat::kBf16);
  Engine& engine = runner.engine();
  const SequenceId first = engine.create_sequence();
  const SequenceId second = engine.create_sequence();
  (void)engine.prefill(first, some_ids(33));
  (void)engine.wait(engine.enqueue({{.sequence = second, .ids = some_ids(3)}}));
  (void)engine.step(std::array{first, second});
  engine.run(std::array{first}, 2, [](auto) { return true; });
  (void)engine.logits(first);
  EXPECT_THROW((void)engine.prefill(first, std::array{-1}), InvalidArgument);
  engine.free(second);

  const Metrics metrics = engine.metrics();
  EXPECT_EQ(metrics.prompt_tokens, 36U);
  EXPECT_EQ(metrics.generated_tokens, 1U + 1 + 2 + 2);
  EXPECT_EQ(metrics.steps, 3U + 1 + 1 + 2);
  EXPECT_EQ(metrics.step_seconds.count, 1U + 1 + 2);
  EXPECT_EQ(metrics.prefill_seconds.count, 1U);
  EXPECT_GT(metrics.prefill_seconds.sum_seconds, 0);
  EXPECT_EQ(metrics.sequences, 1);
  EXPECT_EQ(metrics.cache_pages, 5);
  EXPECT_EQ(metrics.cache_pages_in_use, 1);
  EXPECT_EQ(metrics.refused_calls, 1U);
  EXPECT_EQ(metrics.logits_looked_at, 512U);
  EXPECT_EQ(metrics.nonfinite_logits, 0U);
  EXPECT_FALSE(metrics.is_closed);
}

TEST(EngineLog, NamesSequencesAndTimes) {
  std::vector<std::string> lines;
  set_log_level(LogLevel::kDebug);
  set_log_sink([&](const LogRecord& record) { lines.push_back(to_string(record)); });
  {
    EngineRunner runner(small_checkpoint(), KvFormat::kBf16);
    const SequenceId sequence = runner.engine().create_sequence();
    (void)runner.engine().prefill(sequence, some_ids(3));
    runner.engine().free(sequence);
  }
  set_log_sink({});
  set_log_level(LogLevel::kWarning);
  ASSERT_EQ(lines.size(), 4U);
  EXPECT_NE(lines[0].find("INFO  rank 0: loaded "), std::string::npos) << lines[0];
  EXPECT_TRUE(lines[1].ends_with("DEBUG rank 0 sequence 0: created")) << lines[1];
  EXPECT_NE(lines[2].find("sequence 0: prefilled 3 tokens in "), std::string::npos) << lines[2];
  EXPECT_TRUE(lines[3].ends_with("sequence 0: freed")) << lines[3];
}

}  // namespace
}  // namespace slipstream::engine::test
