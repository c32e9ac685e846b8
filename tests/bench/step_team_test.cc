#include "bench/step_team.h"

#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <string>

#include "pdl/device.h"
#include "pdl/stream.h"
#include "tests/bench/small_model.h"
#include "tests/model/support/tiny_files.h"

namespace slipstream::bench::test {
namespace {

// Two steps, the second with the tokens of the first.
StepOutput two_steps(StepBench& bench, int tokens, cudaStream_t stream) {
  bench.set_shape({.batch = tokens, .context = 200});
  bench.reset(1);
  for (int step = 0; step < 2; ++step) bench.enqueue({.stream = stream}, false);
  return bench.output();
}

// Steps of rank 0 of four with these others, next to those of the rank alone.
void expect_steps_of_a_rank_alone(Others others) {
  const model::test::TemporaryDirectory folder;
  BenchModel model{.name_or_file = folder.path("config.json"), .layers = 2, .tp = 4};
  std::ofstream(model.name_or_file) << small_model_of_four_ranks();
  const pdl::Stream stream;
  const std::unique_ptr<StepBench> alone = make_step_bench(model, stream.get());
  model.others = others;
  const std::unique_ptr<StepBench> team = make_step_team(model, stream.get());
  for (const int tokens : {1, 5}) {
    const StepOutput expected = two_steps(*alone, tokens, stream.get());
    const StepOutput result = two_steps(*team, tokens, stream.get());
    EXPECT_EQ(result.sampled, expected.sampled) << tokens;
    EXPECT_EQ(result.logits, expected.logits) << tokens;
  }
}

TEST(PlayedRanks, LeaveTheStepOfARankAloneAsItIs) {
  if (pdl::device_count() < 2) GTEST_SKIP() << "needs two GPUs";
  expect_steps_of_a_rank_alone(Others::kPlayed);
}

TEST(EchoedRanks, LeaveTheStepOfARankAloneAsItIs) { expect_steps_of_a_rank_alone(Others::kEchoed); }

}  // namespace
}  // namespace slipstream::bench::test
