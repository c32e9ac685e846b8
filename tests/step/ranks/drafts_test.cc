// Steps of several ranks that draft, a thread and a device each.

#include <gtest/gtest.h>

#include "pdl/device.h"
#include "tests/model/support/shapes.h"
#include "tests/step/support/drafting.h"
#include "tests/step/support/rank_runs.h"

namespace slipstream::step::test {
namespace {

struct Case {
  int ranks;
  const char* name;
  const char* model;
  const char* changes;
};

class RankDrafts : public testing::TestWithParam<Case> {
 protected:
  static constexpr int kDrafts = 2;
  static constexpr size_t kTokens = 6;

  void SetUp() override {
    if (pdl::device_count() < c_.ranks) GTEST_SKIP() << "needs " << c_.ranks << " devices";
    runs_ = std::make_unique<RankRuns>(
        model::test::Shape{c_.name, c_.model, c_.changes}.directory(), c_.ranks);
  }

  // What every rank generates of a sequence that is drawn.
  [[nodiscard]] std::vector<Generated> generate_on_all(const ChangeDrafts& change) const {
    std::vector<Generated> result(c_.ranks);
    runs_->team().run([&](int rank) {
      const auto step = runs_->make_step(rank, /*delays=*/false, /*drafts=*/true);
      const std::vector<int> ids{17, 300, 4, 99, 250};
      result[rank] = process_prompt(*step, ids, 0, {.temperature = 1, .seed = 5});
      generate(*step, {&result[rank]}, kDrafts, kTokens, change);
      result[rank].tokens.resize(kTokens);
    });
    return result;
  }

  Case c_ = GetParam();
  std::unique_ptr<RankRuns> runs_;
};

TEST_P(RankDrafts, WinTheSameTokensOnAllRanksAndLeaveEmptyWindows) {
  const std::vector<Generated> wrong =
      generate_on_all([](const Generated&, std::span<kernels::StepRow> rows) {
        for (kernels::StepRow& row : rows.subspan(1)) row.token = 509;
      });
  EXPECT_EQ(runs_->trouble(), "");
  const std::vector<int>& known = wrong.front().tokens;
  const std::vector<Generated> right =
      generate_on_all([&](const Generated& sequence, std::span<kernels::StepRow> rows) {
        for (size_t i = 1; i < rows.size(); ++i) {
          const size_t index = sequence.tokens.size() + i - 1;
          rows[i].token = index < known.size() ? known[index] : 0;
        }
      });
  EXPECT_EQ(runs_->trouble(), "");
  const std::vector<Generated> own = generate_on_all({});
  EXPECT_EQ(runs_->trouble(), "");
  for (const std::vector<Generated>* run : {&wrong, &right, &own}) {
    for (const Generated& of_rank : *run) {
      EXPECT_EQ(of_rank.tokens, known);
      EXPECT_EQ(of_rank.won, run->front().won);
    }
  }
  EXPECT_EQ(right.front().won.front(), kDrafts + 1);
}

// With three layers and two drafts a step ends in the fourth buffer, with one layer it does not.
INSTANTIATE_TEST_SUITE_P(
    Shapes, RankDrafts,
    testing::Values(
        Case{2, "TwoDraftingRanks", "deepseek-v32-tiny",
             R"({"num_hidden_layers": 3, "intermediate_size": 640, "moe_intermediate_size": 384,
                 "vocab_size": 523})"},
        Case{4, "FourDraftingRanks", "glm-5-tiny",
             R"({"num_hidden_layers": 1, "intermediate_size": 640, "moe_intermediate_size": 512,
                 "n_routed_experts": 8, "first_k_dense_replace": 1, "vocab_size": 517})"}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace slipstream::step::test
