#include "bench/common_experts.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>
#include <vector>

#include "model/reference/moe.h"
#include "model/released_models.h"
#include "slipstream/error.h"

namespace slipstream::bench::test {
namespace {

std::set<int> choice_at_random(const model::ModelConfig& config,
                               const std::vector<float>& corrections, std::mt19937& random) {
  std::normal_distribution<float> normal;
  std::vector<float> logits(config.n_routed_experts);
  for (float& logit : logits) logit = normal(random);
  std::set<int> experts;
  for (const auto& choice : model::reference::choose_experts(config, logits, corrections)) {
    experts.insert(choice.expert);
  }
  return experts;
}

// Of a row's experts, those that the next row has as well, on average.
double common_share(const model::ModelConfig& config, const std::vector<float>& corrections) {
  constexpr int kRows = 2000;
  std::mt19937 random(1);
  std::vector<int> both;
  std::set<int> before = choice_at_random(config, corrections, random);
  for (int row = 0; row < kRows; ++row) {
    const std::set<int> next = choice_at_random(config, corrections, random);
    std::ranges::set_intersection(before, next, std::back_inserter(both));
    before = next;
  }
  return static_cast<double>(both.size()) / kRows / config.num_experts_per_tok;
}

TEST(CommonExperts, AreAsManyAsAskedFor) {
  for (const std::string& name : model::released_models()) {
    const model::ModelConfig config = model::model_shape(name, 0);
    for (const double share : {0.1, 0.26, 0.38, 0.5}) {
      EXPECT_NEAR(common_share(config, pool_corrections(config, share, 7)), share, 0.02)
          << name << " " << share;
    }
  }
}

TEST(CommonExperts, AreLeftToChanceWhereNoneAreAskedFor) {
  const model::ModelConfig config = model::model_shape("glm-5.2", 0);
  EXPECT_NEAR(common_share(config, pool_corrections(config, 0, 7)), 8.0 / 256, 0.005);
}

TEST(CommonExperts, AreOthersWithAnotherSeed) {
  const model::ModelConfig config = model::model_shape("glm-5.2", 0);
  EXPECT_NE(pool_corrections(config, 0.26, 1), pool_corrections(config, 0.26, 2));
}

TEST(CommonExperts, AreRefusedWhereGroupsDoNotHoldThem) {
  const model::ModelConfig deepseek = model::model_shape("deepseek-v3.2", 0);
  EXPECT_THROW(static_cast<void>(expert_pool(deepseek, 0.6)), InvalidArgument);
  EXPECT_THROW(static_cast<void>(expert_pool(deepseek, -0.1)), InvalidArgument);
  EXPECT_EQ(expert_pool(model::model_shape("glm-5.2", 0), 1), 8);
}

}  // namespace
}  // namespace slipstream::bench::test
