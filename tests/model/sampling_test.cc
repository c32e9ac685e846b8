#include "model/sampling.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>

#include "model/random.h"
#include "tests/model/support/tiny_files.h"

namespace slipstream::model {
namespace {

TEST(Philox4x32, KnowsItsPublishedAnswers) {
  const auto expect = [](RandomWords counter, uint64_t key, RandomWords answer) {
    const RandomWords words = philox4x32(counter, key);
    for (int i = 0; i < 4; ++i) EXPECT_EQ(words.word[i], answer.word[i]);
  };
  constexpr uint32_t kOnes = 0xFFFFFFFF;
  expect({{0, 0, 0, 0}}, 0, {{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}});
  expect({{kOnes, kOnes, kOnes, kOnes}}, 0xFFFFFFFFFFFFFFFF,
         {{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}});
  expect({{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}}, 0x299f31d0a4093822,
         {{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}});
}

TEST(UnitInterval, IsOpenAtBothEnds) {
  EXPECT_EQ(to_unit_interval(0), std::ldexp(1.0F, -24));
  EXPECT_EQ(to_unit_interval(0xFFFFFFFF), 1 - std::ldexp(1.0F, -24));
}

TEST(Sampling, IsGreedyAtTemperatureZero) {
  EXPECT_EQ(sample(std::vector<float>{1, 5, 2, 5}, {}, 0), 1);
}

TEST(Sampling, NeverChoosesNaN) {
  const std::vector<float> logits = {std::nanf(""), -3, std::nanf("")};
  EXPECT_EQ(sample(logits, {}, 0), 1);
  EXPECT_EQ(sample(logits, {.temperature = 1}, 0), 1);
  EXPECT_EQ(sample(std::vector<float>{std::nanf("")}, {.temperature = 1}, 0), 0);
}

TEST(Sampling, TakesInfinitiesAsNumbers) {
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> last = {std::nanf(""), -infinity, std::nanf("")};
  const std::vector<float> first = {3, infinity, infinity, 3};
  for (const SamplingOptions& options : {SamplingOptions{},
                                         {.temperature = 1},
                                         {.temperature = 1, .top_k = 1},
                                         {.temperature = 1, .top_p = 0.5F}}) {
    EXPECT_EQ(sample(last, options, 0), 1);
    EXPECT_EQ(sample(first, options, 0), 1);
  }
}

TEST(Sampling, RepeatsItselfForTheSameSeedAndPosition) {
  std::vector<float> logits(1000);
  for (size_t i = 0; i < logits.size(); ++i) logits[i] = std::sin(static_cast<float>(i));
  std::set<int> by_position;
  std::set<int> by_seed;
  for (int i = 0; i < 20; ++i) {
    const auto seed = static_cast<uint64_t>(i);
    EXPECT_EQ(sample(logits, {.temperature = 1, .seed = seed}, i),
              sample(logits, {.temperature = 1, .seed = seed}, i));
    by_position.insert(sample(logits, {.temperature = 1, .seed = 7}, i));
    by_seed.insert(sample(logits, {.temperature = 1, .seed = seed}, 7));
  }
  EXPECT_GT(by_position.size(), 10U);
  EXPECT_GT(by_seed.size(), 10U);
}

// How often each token comes in 40,000 draws, in standard deviations from what it should be.
void expect_frequencies(const std::vector<float>& logits, const SamplingOptions& options,
                        const std::vector<double>& probabilities) {
  constexpr int kDraws = 40000;
  std::vector<int> counts(logits.size());
  for (int draw = 0; draw < kDraws; ++draw) ++counts[sample(logits, options, draw)];
  for (size_t token = 0; token < logits.size(); ++token) {
    const double p = probabilities[token];
    const double deviation = std::sqrt(kDraws * p * (1 - p));
    EXPECT_NEAR(counts[token], kDraws * p, 4.5 * deviation) << "token " << token;
  }
}

const std::vector<float> kLogits = {0, std::log(2.0F), std::log(3.0F), std::log(4.0F)};

TEST(Sampling, DrawsFromTheSoftmax) {
  expect_frequencies(kLogits, {.temperature = 1, .seed = 3}, {0.1, 0.2, 0.3, 0.4});
}

TEST(Sampling, SharpensAtLowTemperature) {
  expect_frequencies(kLogits, {.temperature = 0.5F, .seed = 4},
                     {1 / 30.0, 4 / 30.0, 9 / 30.0, 16 / 30.0});
}

TEST(Sampling, KeepsTheTopK) {
  expect_frequencies(kLogits, {.temperature = 1, .top_k = 2, .seed = 5}, {0, 0, 3 / 7.0, 4 / 7.0});
}

TEST(Sampling, KeepsTheSmallestSetWithTheShareTopP) {
  expect_frequencies(kLogits, {.temperature = 1, .top_p = 0.69F, .seed = 6},
                     {0, 0, 3 / 7.0, 4 / 7.0});
  expect_frequencies(kLogits, {.temperature = 1, .top_p = 0.71F, .seed = 6},
                     {0, 2 / 9.0, 3 / 9.0, 4 / 9.0});
}

TEST(Sampling, MeasuresTopPWithinTheTopK) {
  // Of the three kept, 4/9 and 3/9 make 7/9 = 0.78.
  expect_frequencies(kLogits, {.temperature = 1, .top_k = 3, .top_p = 0.77F, .seed = 8},
                     {0, 0, 3 / 7.0, 4 / 7.0});
}

TEST(Sampling, KeepsEqualLogitsTogether) {
  const std::vector<float> logits = {1, 2, 2, 2, 0};
  EXPECT_EQ(sampling_threshold(logits, {.temperature = 1, .top_k = 2}), 2);
  expect_frequencies(logits, {.temperature = 1, .top_k = 2, .seed = 9},
                     {0, 1 / 3.0, 1 / 3.0, 1 / 3.0, 0});
}

TEST(Sampling, AlwaysKeepsTheLargest) {
  EXPECT_EQ(sampling_threshold(kLogits, {.temperature = 1, .top_p = 1e-6F}), kLogits[3]);
}

TEST(Sampling, RefusesOptionsOutsideTheirRanges) {
  using test::message_of;
  EXPECT_EQ(message_of([] { check_sampling({.temperature = -1}); }),
            "temperature must be a finite number from 0, is -1");
  EXPECT_EQ(message_of([] { check_sampling({.top_k = -1}); }), "top_k must be at least 0, is -1");
  EXPECT_EQ(message_of([] { check_sampling({.top_p = 0}); }),
            "top_p must be above 0 and at most 1, is 0");
}

}  // namespace
}  // namespace slipstream::model
