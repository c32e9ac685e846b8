// Steps of several ranks that draft, a thread and a device each.

#include <gtest/gtest.h>

#include "pdl/device.h"
#include "tests/model/support/golden.h"
#include "tests/model/support/shapes.h"
#include "tests/step/support/rank_drafts.h"

namespace slipstream::step::test::drafts_test {
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
    directory_ = model::test::Shape{c_.name, c_.model, c_.changes}.directory();
    runs_ = std::make_unique<RankRuns>(directory_, c_.ranks);
  }

  [[nodiscard]] std::vector<Generated> generate_on_all(const ChangeDrafts& change) const {
    return test::generate_on_all(*runs_, kDrafts, kTokens, change);
  }

  // The logits of a first draft: whatever the model would choose, it follows the same token.
  [[nodiscard]] static model::reference::Matrix draft(const DeviceStep& step) {
    kernels::StepRow row = process_prompt(step, {17, 300, 4, 99}, 0, {}).next;
    row.token = 250;
    row.next = 31;
    kernels::StepRow draft = row;
    draft.token = 0;
    ++draft.position;
    step.set_rows({row, draft});
    step.enqueue(StepShape{.sequences = 1, .drafts = 1});
    step.synchronize();
    return step.draft_logits(1);
  }

  Case c_ = GetParam();
  std::string directory_;
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

TEST_P(RankDrafts, DraftAsOneRankDoes) {
  std::vector<std::vector<float>> shards(c_.ranks);
  runs_->team().run([&](int rank) {
    shards[rank] = draft(*runs_->make_step(rank, /*delays=*/false, /*drafts=*/true)).values();
  });
  EXPECT_EQ(runs_->trouble(), "");
  const model::reference::Matrix expected = draft(drafting_step(directory_));
  model::reference::Matrix actual(1, expected.columns());
  auto next = actual.values().begin();
  for (const std::vector<float>& shard : shards) next = std::ranges::copy(shard, next).out;
  EXPECT_EQ(next, actual.values().end());
  EXPECT_GT(model::test::mean_cosine(actual, expected), 0.999);
}

// With three layers and two drafts a step ends in the fourth buffer, with one layer it does not.
INSTANTIATE_TEST_SUITE_P(
    Shapes, RankDrafts,
    testing::Values(
        Case{2, "TwoDraftingRanks", "deepseek-v32-tiny",
             R"({"num_hidden_layers": 3, "intermediate_size": 640, "moe_intermediate_size": 384,
                 "vocab_size": 523})"},
        // With unequal shares of what a draft starts from.
        Case{3, "ThreeDraftingRanks", "deepseek-v32-tiny",
             R"({"num_hidden_layers": 1, "num_attention_heads": 6, "num_key_value_heads": 6,
                 "intermediate_size": 640, "moe_intermediate_size": 384, "vocab_size": 523})"},
        Case{8, "EightDraftingRanks", "deepseek-v32-tiny",
             R"({"num_hidden_layers": 1, "intermediate_size": 1024, "moe_intermediate_size": 1024,
                 "n_routed_experts": 8, "n_group": 2, "topk_group": 1, "num_experts_per_tok": 2,
                 "vocab_size": 523})"},
        Case{4, "FourDraftingRanks", "glm-5-tiny",
             R"({"num_hidden_layers": 1, "intermediate_size": 640, "moe_intermediate_size": 512,
                 "n_routed_experts": 8, "first_k_dense_replace": 1, "vocab_size": 517})"}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace slipstream::step::test::drafts_test
