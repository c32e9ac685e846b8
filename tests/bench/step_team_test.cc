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

TEST(PlayedRanks, LeaveTheStepOfARankAloneAsItIs) {
  if (pdl::device_count() < 2) GTEST_SKIP() << "needs two GPUs";
  const model::test::TemporaryDirectory folder;
  BenchModel model{.name_or_file = folder.path("config.json"), .layers = 2, .tp = 4};
  std::ofstream(model.name_or_file) << small_model_of_four_ranks();
  const pdl::Stream stream;
  const std::unique_ptr<StepBench> alone = make_step_bench(model, stream.get());
  model.others = Others::kPlayed;
  const std::unique_ptr<StepBench> played = make_step_team(model, stream.get());
  for (const int tokens : {1, 5}) {
    const StepOutput expected = two_steps(*alone, tokens, stream.get());
    const StepOutput result = two_steps(*played, tokens, stream.get());
    EXPECT_EQ(result.sampled, expected.sampled) << tokens;
    EXPECT_EQ(result.logits, expected.logits) << tokens;
  }
}

}  // namespace
}  // namespace slipstream::bench::test
