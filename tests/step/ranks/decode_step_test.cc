// Whole decode steps of several ranks, a thread and a device each, against the reference and against
// themselves: nothing that differs between two runs may show in a bit.

#include "step/decode_step.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "pdl/device.h"
#include "tests/model/support/reference_runner.h"
#include "tests/model/support/shapes.h"
#include "tests/step/support/rank_runs.h"

namespace slipstream::step::test::decode_step_test {
namespace {

using model::reference::Matrix;
using model::reference::StepToken;

struct Case {
  int ranks;
  const char* name;
  const char* model;
  const char* changes;
};

class RankSteps : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    if (pdl::device_count() < c_.ranks) GTEST_SKIP() << "needs " << c_.ranks << " devices";
    runs_ = std::make_unique<RankRuns>(
        model::test::Shape{c_.name, c_.model, c_.changes}.directory(), c_.ranks);
  }

  Case c_ = GetParam();
  std::unique_ptr<RankRuns> runs_;
};

// Steps of several numbers of tokens in turn.
TEST_P(RankSteps, FollowTheReferenceAndLeaveEmptyWindows) {
  std::vector<model::reference::Model> models;
  for (int rank = 0; rank < c_.ranks; ++rank) {
    const model::Checkpoint part = runs_->checkpoint(rank);
    models.push_back(load_model(part, model::reference::Numerics::engine(
                                          part.config(), model::reference::LatentFormat::kBf16)));
  }
  auto caches = make_caches(models.front(), kPages);
  std::vector<std::unique_ptr<DeviceStep>> steps(c_.ranks);
  runs_->team().run([&](int rank) { steps[rank] = runs_->make_step(rank); });
  int position = 0;
  for (const int count : {1, 4, 2, 16, 1}) {
    std::vector<StepToken> tokens;
    for (int i = 0; i < count; ++i, ++position) {
      tokens.push_back({(position * 37 + 11) % 512, {0, position}});
    }
    const Matrix expected = decode_step(models, tokens, page_tables(), caches).logits;
    std::vector<Matrix> parts(c_.ranks);
    std::vector<std::vector<int>> chosen(c_.ranks);
    runs_->team().run([&](int rank) {
      parts[rank] = steps[rank]->logits(tokens);
      chosen[rank] = steps[rank]->sampled(count);
    });
    for (int token = 0; token < count; ++token) {
      Matrix actual(1, expected.columns());
      auto next = actual.row(0).begin();
      for (const Matrix& part : parts) {
        next = std::copy(part.row(token).begin(), part.row(token).end(), next);
      }
      ASSERT_EQ(next, actual.row(0).end());
      Matrix wanted(1, expected.columns());
      std::ranges::copy(expected.row(token), wanted.row(0).begin());
      EXPECT_GT(model::test::mean_cosine(actual, wanted), 0.999) << "token " << token;
      const auto largest = std::ranges::max_element(actual.row(0)) - actual.row(0).begin();
      for (int rank = 0; rank < c_.ranks; ++rank) EXPECT_EQ(chosen[rank][token], largest) << rank;
    }
    EXPECT_EQ(runs_->trouble(), "");
  }
  runs_->team().run([&](int rank) { steps[rank].reset(); });
}

TEST_P(RankSteps, GiveEqualTokensOnAllRanksInEveryRun) {
  constexpr int kSteps = 4;
  const RankRuns::Run plain = runs_->run_steps(kSteps, {});
  for (int rank = 1; rank < c_.ranks; ++rank) EXPECT_EQ(plain.tokens[rank], plain.tokens[0]);
  EXPECT_EQ(runs_->trouble(), "");
  EXPECT_EQ(runs_->run_steps(kSteps, {.pdl = false}), plain);
  EXPECT_EQ(runs_->run_steps(kSteps, {.graph = true}), plain);
  EXPECT_EQ(runs_->run_steps(kSteps, {.delays = true}), plain);
  EXPECT_EQ(runs_->trouble(), "");
}

// Four exchanges need the fourth buffer, six do not; widths of five and three groups; an odd
// vocabulary. Three layers are dense: experts that another rounding chooses would hide more.
INSTANTIATE_TEST_SUITE_P(
    Shapes, RankSteps,
    testing::Values(
        Case{1, "OneRank", "deepseek-v32-tiny", R"({"num_hidden_layers": 2, "vocab_size": 523})"},
        Case{2, "TwoRanks", "deepseek-v32-tiny",
             R"({"num_hidden_layers": 2, "intermediate_size": 640, "moe_intermediate_size": 384,
                 "vocab_size": 523})"},
        Case{4, "FourRanks", "glm-5-tiny",
             R"({"intermediate_size": 640, "moe_intermediate_size": 512, "n_routed_experts": 8,
                 "first_k_dense_replace": 3, "vocab_size": 517})"},
        Case{8, "EightRanks", "deepseek-v32-tiny",
             R"({"num_hidden_layers": 2, "intermediate_size": 1024, "moe_intermediate_size": 1024,
                 "n_routed_experts": 8, "n_group": 2, "topk_group": 1, "num_experts_per_tok": 2,
                 "vocab_size": 523})"}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace slipstream::step::test::decode_step_test
