// Thousands of steps whose CTAs are late at random, on all ranks: nothing but luck would hold a
// protocol together in which an order is missing.

#include <gtest/gtest.h>

#include <string>

#include "pdl/device.h"
#include "tests/model/support/shapes.h"
#include "tests/step/support/rank_runs.h"

namespace slipstream::step::test {
namespace {

class LateSteps : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    if (pdl::device_count() < GetParam()) GTEST_SKIP() << "needs " << GetParam() << " devices";
  }

  static int steps() { return is_gpu() ? 10'000 : 6; }
};

TEST_P(LateSteps, GiveTheBitsOfStepsWithoutDelays) {
  const std::string& directory =
      model::test::Shape{"LateSteps", "deepseek-v32-tiny",
                         R"({"num_hidden_layers": 2, "intermediate_size": 1024,
                             "moe_intermediate_size": 1024, "n_routed_experts": 8, "n_group": 2,
                             "topk_group": 1, "num_experts_per_tok": 2, "vocab_size": 523})"}
          .directory();
  const RankRuns runs(directory, GetParam());
  const RankRuns::Run punctual = runs.run_steps(steps(), {.graph = true});
  for (int rank = 1; rank < GetParam(); ++rank)
    EXPECT_EQ(punctual.tokens[rank], punctual.tokens[0]);
  EXPECT_EQ(runs.run_steps(steps(), {.graph = true, .delays = true}), punctual);
  EXPECT_EQ(runs.trouble(), "");
}

INSTANTIATE_TEST_SUITE_P(Ranks, LateSteps, testing::Values(2, 4, 8),
                         [](const auto& info) { return std::to_string(info.param); });

}  // namespace
}  // namespace slipstream::step::test
