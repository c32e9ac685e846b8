// Choice of keys and choice of experts.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "model/reference/indexer.h"
#include "model/reference/moe.h"
#include "model/reference/top_k.h"
#include "tests/model/support/random.h"

namespace slipstream::model::reference {
namespace {

TEST(TopK, PrefersLowerPositionsOnTies) {
  EXPECT_EQ(top_k(std::vector<float>{0, 1, 0, 0, 1, 0}, 4), (std::vector<int>{0, 1, 2, 4}));
}

TEST(TopK, TakesZerosBeforeNegativeScores) {
  EXPECT_EQ(top_k(std::vector<float>{-1, -2, 0, -0.5F, 0}, 3), (std::vector<int>{2, 3, 4}));
}

TEST(TopK, TreatsBothZerosAsEqual) {
  EXPECT_EQ(top_k(std::vector<float>{-0.0F, 0.0F, -0.0F}, 2), (std::vector<int>{0, 1}));
}

TEST(TopK, TakesEverythingThereIs) {
  EXPECT_EQ(top_k(std::vector<float>{3, 1}, 5), (std::vector<int>{0, 1}));
}

TEST(TopK, PutsNaNLast) {
  EXPECT_EQ(top_k(std::vector<float>{std::nanf(""), -1, -2}, 2), (std::vector<int>{1, 2}));
}

// A query of one head whose code values are the unit vector.
IndexQuery unit_query(float weight) {
  IndexQuery query{Matrix(1, kIndexWidth), {weight}};
  query.heads.row(0)[0] = 1;
  return query;
}

class IndexScores : public testing::Test {
 protected:
  void write(int position, float first) {
    std::vector<float> key(kIndexWidth, 0.0F);
    key[0] = first;
    keys_.write(pages_.slot(position), key);
  }

  Numerics numerics_ = {.exact = false, .ue8m0 = false, .latent = LatentFormat::kBf16};
  IndexKeyCache keys_{numerics_, 3};
  PageTable pages_{{2, 0, 1}};
};

TEST_F(IndexScores, MultiplyTheKeysScaleBackIn) {
  write(0, 3);
  EXPECT_FLOAT_EQ(index_scores(unit_query(2), keys_, pages_, 0)[0], 6);
}

TEST_F(IndexScores, CutNegativeProductsButKeepNegativeWeights) {
  write(0, 3);
  write(1, -3);
  const auto scores = index_scores(unit_query(-2), keys_, pages_, 1);
  EXPECT_FLOAT_EQ(scores[0], -6);
  EXPECT_EQ(scores[1], 0);
}

TEST_F(IndexScores, TieAtZeroAndTheLowerPositionWins) {
  for (int position = 0; position < 6; ++position) write(position, position == 4 ? 1 : -1);
  const auto scores = index_scores(unit_query(1), keys_, pages_, 5);
  EXPECT_EQ(top_k(scores, 3), (std::vector<int>{0, 1, 4}));
}

TEST_F(IndexScores, CrossPagesByTheTable) {
  // Different in every page and for neighbors, and exact in e4m3.
  const auto value = [](int position) {
    return std::ldexp(1 + static_cast<float>(position % 8) / 8, position / 64);
  };
  for (int position = 0; position < 130; ++position) {
    write(position, value(position));
  }
  const auto scores = index_scores(unit_query(1), keys_, pages_, 129);
  ASSERT_EQ(scores.size(), 130U);
  for (const int position : {0, 63, 64, 65, 127, 128, 129}) {
    EXPECT_EQ(scores[position], value(position)) << "position " << position;
  }
}

ModelConfig router_config(int experts, int groups, int kept, int chosen) {
  ModelConfig config;
  config.n_routed_experts = experts;
  config.n_group = groups;
  config.topk_group = kept;
  config.num_experts_per_tok = chosen;
  config.routed_scaling_factor = 2.5F;
  return config;
}

float logit(float probability) { return std::log(probability / (1 - probability)); }

std::vector<int> experts_of(const std::vector<ExpertChoice>& choice) {
  std::vector<int> experts;
  for (const ExpertChoice& one : choice) experts.push_back(one.expert);
  return experts;
}

TEST(Router, ChoosesByCorrectedScoresAndWeighsByPlainOnes) {
  const std::vector<float> logits = {logit(0.8F), logit(0.6F), logit(0.4F), logit(0.2F)};
  const std::vector<float> bias = {-1, 0, 0, 0.5F};
  const auto choice = choose_experts(router_config(4, 1, 1, 2), logits, bias);
  EXPECT_EQ(experts_of(choice), (std::vector<int>{1, 3}));
  EXPECT_FLOAT_EQ(choice[0].weight, 2.5F * 0.6F / 0.8F);
  EXPECT_FLOAT_EQ(choice[1].weight, 2.5F * 0.2F / 0.8F);
}

TEST(Router, RanksGroupsByTheirTwoBest) {
  // Group 0 has the largest sum of three, group 1 the best single score, group 2 the best pair.
  const std::vector<float> logits = {logit(0.5F), logit(0.5F),  logit(0.5F),
                                     logit(0.9F), logit(0.05F), logit(0.05F),
                                     logit(0.6F), logit(0.6F),  logit(0.01F)};
  const std::vector<float> bias(9, 0);
  const auto choice = choose_experts(router_config(9, 3, 1, 2), logits, bias);
  EXPECT_EQ(experts_of(choice), (std::vector<int>{6, 7}));
}

TEST(Router, MasksDroppedGroupsWithMinusInfinity) {
  // All corrected scores are negative: a mask of 0 would bring the dropped group back.
  const std::vector<float> logits = {logit(0.5F), logit(0.4F), logit(0.3F), logit(0.2F)};
  const std::vector<float> bias(4, -2);
  const auto choice = choose_experts(router_config(4, 2, 1, 2), logits, bias);
  EXPECT_EQ(experts_of(choice), (std::vector<int>{0, 1}));
}

TEST(Router, PrefersLowerExpertsOnTies) {
  const std::vector<float> zeros(6, 0);
  EXPECT_EQ(experts_of(choose_experts(router_config(6, 1, 1, 3), zeros, zeros)),
            (std::vector<int>{0, 1, 2}));
  EXPECT_EQ(experts_of(choose_experts(router_config(6, 3, 2, 4), zeros, zeros)),
            (std::vector<int>{0, 1, 2, 3}));
}

// Sorting NaN as it is has no defined order: where it stands decided which group won.
TEST(Router, CountsNaNAsMinusInfinityInTheScoresOfGroups) {
  const float nan = std::nanf("");
  // Group 0 has but one score and so no pair; group 2 has the best pair wherever its NaN stands.
  for (int place = 8; place < 12; ++place) {
    std::vector<float> logits = {nan,         logit(0.9F), nan,         nan,
                                 logit(0.3F), logit(0.3F), logit(0.3F), logit(0.3F),
                                 logit(0.5F), logit(0.5F), logit(0.5F), logit(0.5F)};
    logits[place] = nan;
    std::vector<int> expected = {8, 9, 10, 11};
    std::erase(expected, place);
    EXPECT_EQ(
        experts_of(choose_experts(router_config(12, 3, 1, 3), logits, std::vector<float>(12, 0))),
        expected)
        << "NaN at " << place;
  }
}

}  // namespace
}  // namespace slipstream::model::reference
