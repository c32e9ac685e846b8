#include "model/logit_adjustment.h"

#include <gtest/gtest.h>

#include <limits>

namespace slipstream::model {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();

TEST(MaskedLogits, AreMinusInfinityWhereABitIsNotSet) {
  std::vector<float> logits(40, 1.5F);
  const std::vector<float> masked = masked_logits(logits, std::vector<uint32_t>{1U << 31, 1U << 7});
  for (int token = 0; token < 40; ++token) {
    EXPECT_EQ(masked[token], token == 31 || token == 39 ? 1.5F : kNever) << token;
  }
  EXPECT_EQ(masked_logits(logits, {}), logits);
}

TEST(AdjustedLogits, AreTheSameWithoutPenaltiesAndBias) {
  const std::vector<float> logits = {1, -2, 3};
  EXPECT_FALSE(has_adjustment({.temperature = 1, .min_p = 0.5F}, {}));
  EXPECT_EQ(adjusted_logits(logits, {}, {}, {.given = {0}, .sampled = {1, 1}}), logits);
}

TEST(AdjustedLogits, GetTheBiasOfTheirToken) {
  const std::vector<LogitBias> bias = {{2, -0.5F}};
  EXPECT_TRUE(has_adjustment({}, bias));
  EXPECT_EQ(adjusted_logits(std::vector<float>{1, 2, 3}, {}, bias, {}),
            (std::vector<float>{1, 2, 2.5F}));
}

TEST(AdjustedLogits, AreTakenTowardsLessByRepetitionWhereATokenWasGivenOrSampled) {
  const SamplingOptions options{.repetition_penalty = 2};
  EXPECT_TRUE(has_adjustment(options, {}));
  EXPECT_EQ(adjusted_logits(std::vector<float>{4, -4, 4, 0}, options, {},
                            {.given = {0, 1, 0}, .sampled = {1, 3}}),
            (std::vector<float>{2, -8, 4, 0}));
}

TEST(AdjustedLogits, LoseFrequencyForEachTimeAndPresenceOnceForWhatWasSampled) {
  const SamplingOptions options{.presence_penalty = 1, .frequency_penalty = 0.25F};
  EXPECT_EQ(adjusted_logits(std::vector<float>{4, 4, 4}, options, {},
                            {.given = {0}, .sampled = {1, 2, 1, 1}}),
            (std::vector<float>{4, 2.25F, 2.75F}));
}

TEST(AdjustedLogits, AreAdjustedInTheOrderBiasRepetitionFrequencyPresence) {
  const SamplingOptions options{
      .repetition_penalty = 2, .presence_penalty = 1, .frequency_penalty = 0.5F};
  // (1 + 3) / 2 - 0.5 - 1; a bias may change the sign that repetition goes by.
  EXPECT_EQ(
      adjusted_logits(std::vector<float>{1, 1}, options, std::vector<LogitBias>{{0, 3}, {1, -3}},
                      {.given = {}, .sampled = {0, 1}}),
      (std::vector<float>{0.5F, -5.5F}));
}

}  // namespace
}  // namespace slipstream::model
