// The choice of experts and its edge cases, against the reference.

#include <gtest/gtest.h>

#include <limits>

#include "tests/step/kernels/experts_layer.h"

namespace slipstream::step::test::experts_test {
namespace {

// The choice alone, in layers as small as they get.
class ExpertChoices : public testing::Test {
 protected:
  // Chosen experts per token; no product is looked at.
  static Result choose(const Shape& shape, const model::reference::Matrix& logits,
                       const model::reference::Matrix& bias) {
    return Experts(shape).run(logits, bias, model::reference::Matrix(logits.rows(), shape.hidden));
  }
  static std::vector<int> experts_of(const std::vector<Choice>& choices) {
    std::vector<int> experts;
    for (const Choice& choice : choices) experts.push_back(choice.expert);
    return experts;
  }
  static void expect_reference_choice(const Shape& shape, const model::reference::Matrix& logits) {
    const model::reference::Matrix bias(1, shape.experts);
    expect_reference_choices(shape, logits, bias, choose(shape, logits, bias));
  }
};

TEST_F(ExpertChoices, FollowTheReferenceInAnyNumberOfGroups) {
  for (const int groups : {1, 2, 3, 4, 5, 6, 7, 8, 10, 20}) {
    const Shape shape{.experts = 120 / groups * groups,
                      .choices = 6,
                      .groups = groups,
                      .kept_groups = (groups + 1) / 2};
    SCOPED_TRACE(groups);
    expect_reference_choice(shape, random_logits(2, shape.experts, groups));
  }
}

TEST_F(ExpertChoices, TakeLowerExpertsAndGroupsFirstAmongEquals) {
  const Shape shape{.experts = 48, .choices = 8, .groups = 8, .kept_groups = 4};
  const auto result =
      choose(shape, model::reference::Matrix(2, 48), model::reference::Matrix(1, 48));
  EXPECT_EQ(experts_of(result.choices[1]), (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7}));
}

TEST_F(ExpertChoices, FollowTheReferenceWhereManyScoresAreEqual) {
  const Shape shape{.experts = 96, .choices = 8, .groups = 8, .kept_groups = 3};
  model::reference::Matrix logits(4, 96);
  for (int token = 0; token < 4; ++token) {
    for (int i = 0; i < 96; ++i) logits.row(token)[i] = static_cast<float>(i * (token + 3) % 5);
  }
  expect_reference_choice(shape, logits);
}

TEST_F(ExpertChoices, RankNaNBelowEveryNumber) {
  const Shape shape{.experts = 16, .choices = 4};
  model::reference::Matrix logits(1, 16);
  for (int i = 0; i < 16; ++i) logits.row(0)[i] = i % 2 == 0 ? NAN : -static_cast<float>(i);
  const auto result = choose(shape, logits, model::reference::Matrix(1, 16));
  EXPECT_EQ(experts_of(result.choices[0]), (std::vector<int>{1, 3, 5, 7}));
}

TEST_F(ExpertChoices, TakeTheLowestExpertsWhereEverythingIsNaN) {
  const Shape shape{.experts = 16, .choices = 4, .groups = 4, .kept_groups = 2};
  model::reference::Matrix logits(2, 16);
  std::ranges::fill(logits.values(), NAN);
  const auto result = choose(shape, logits, model::reference::Matrix(1, 16));
  EXPECT_EQ(experts_of(result.choices[0]), (std::vector<int>{0, 1, 2, 3}));
}

TEST_F(ExpertChoices, DropAGroupWhoseExpertsAreNaN) {
  const Shape shape{.experts = 8, .choices = 2, .groups = 4, .kept_groups = 1};
  model::reference::Matrix logits(1, 8);
  for (int i = 0; i < 8; ++i) logits.row(0)[i] = i < 6 ? NAN : -3.0F;
  const auto result = choose(shape, logits, model::reference::Matrix(1, 8));
  EXPECT_EQ(experts_of(result.choices[0]), (std::vector<int>{6, 7}));
}

TEST_F(ExpertChoices, TakeInfiniteLogitsAsTheyAre) {
  const Shape shape{.experts = 8, .choices = 2};
  model::reference::Matrix logits(1, 8);
  logits.row(0)[3] = std::numeric_limits<float>::infinity();
  logits.row(0)[5] = std::numeric_limits<float>::infinity();
  logits.row(0)[0] = -std::numeric_limits<float>::infinity();
  const auto result = choose(shape, logits, model::reference::Matrix(1, 8));
  EXPECT_EQ(experts_of(result.choices[0]), (std::vector<int>{3, 5}));
  EXPECT_FLOAT_EQ(result.choices[0][0].weight, 1.25F);
}

TEST_F(ExpertChoices, MayBeAllExperts) {
  const Shape shape{.experts = 32, .choices = 32};
  const auto result = choose(shape, random_logits(2, 32, 6), model::reference::Matrix(1, 32));
  for (int i = 0; i < 32; ++i) EXPECT_EQ(result.choices[1][i].expert, i);
}

TEST_F(ExpertChoices, FollowTheReferenceAmong512Experts) {
  const Shape shape{.experts = 512, .choices = 3, .groups = 8, .kept_groups = 4};
  expect_reference_choice(shape, random_logits(2, 512, 7));
}

}  // namespace
}  // namespace slipstream::step::test::experts_test
