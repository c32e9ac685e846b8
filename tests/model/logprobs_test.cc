#include "model/logprobs.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace slipstream::model {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

TEST(TokenLogprobs, AreThoseOfTheSoftmax) {
  const std::vector<float> logits = {std::log(1.0F), std::log(2.0F), std::log(5.0F)};
  const TokenLogprobs result = token_logprobs(logits, 1, 2);
  EXPECT_NEAR(result.logprob, std::log(0.25F), 1e-6);
  EXPECT_EQ(result.rank, 2);
  EXPECT_EQ(result.ids, (std::vector{2, 1}));
  EXPECT_NEAR(result.logprobs[0], std::log(0.625F), 1e-6);
  EXPECT_NEAR(result.logprobs[1], std::log(0.25F), 1e-6);
}

TEST(TokenLogprobs, PutTheLowerIdFirstAmongEquals) {
  const TokenLogprobs result = token_logprobs(std::vector<float>{1, 3, 3, 3}, 3, 2);
  EXPECT_EQ(result.ids, (std::vector{1, 2}));
  EXPECT_EQ(result.rank, 3);
}

TEST(TokenLogprobs, LeaveOutWhatCannotBeChosen) {
  const TokenLogprobs result =
      token_logprobs(std::vector<float>{-kInfinity, 2, std::nanf(""), 1}, 0, 4);
  EXPECT_EQ(result.ids, (std::vector{1, 3}));
  EXPECT_EQ(result.logprob, -kInfinity);
  EXPECT_EQ(result.rank, 4);
}

TEST(TokenLogprobs, ShareWhatThereIsAmongInfiniteLogits) {
  const TokenLogprobs result = token_logprobs(std::vector<float>{kInfinity, 2, kInfinity}, 2, 1);
  EXPECT_NEAR(result.logprob, std::log(0.5F), 1e-6);
  EXPECT_EQ(result.ids, std::vector{0});
}

TEST(TokenLogprobs, ReportNoTokensWhereNoneAreAskedFor) {
  EXPECT_TRUE(token_logprobs(std::vector<float>{1, 2}, 0, 0).ids.empty());
}

}  // namespace
}  // namespace slipstream::model
