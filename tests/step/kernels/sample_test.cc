// The sampling kernel against the reference.

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "model/sampling.h"
#include "pdl/stream.h"
#include "step/kernels/sample/launch.h"
#include "tests/step/kernels/device_values.h"
#include "tests/step/support/sampling_ways.h"

namespace slipstream::step::test::sample_test {
namespace {

using kernels::StepRow;

constexpr int kVocabulary = 777;

struct Sampled {
  std::vector<int> tokens;
  std::vector<StepRow> rows;
};

// One row per entry of `options`, at positions 10, 11, ...
Sampled sample_on_device(const model::reference::Matrix& logits,
                         const std::vector<SamplingOptions>& options) {
  const pdl::Stream stream;
  std::vector<StepRow> rows;
  for (size_t i = 0; i < options.size(); ++i) {
    rows.push_back({5, 10 + static_cast<int>(i), 3, options[i].temperature, options[i].top_k,
                    options[i].top_p, options[i].seed});
  }
  const DeviceValues<float> device_logits(logits.values());
  const DeviceValues<StepRow> device_rows(rows);
  const DeviceValues<int> sampled(rows.size());
  kernels::launch_sample({.logits = {device_logits.data()},
                          .vocabulary = kVocabulary,
                          .tokens = logits.rows(),
                          .rows = {device_rows.data()},
                          .sampled = {sampled.data()}},
                         {.stream = stream.get()});
  check_cuda(cudaStreamSynchronize(stream.get()), "cudaStreamSynchronize");
  return {sampled.download(), device_rows.download()};
}

void expect_reference(const model::reference::Matrix& logits,
                      const std::vector<SamplingOptions>& options) {
  const Sampled result = sample_on_device(logits, options);
  for (size_t i = 0; i < options.size(); ++i) {
    EXPECT_EQ(result.tokens[i],
              model::sample(logits.row(static_cast<int>(i)), options[i], 10 + static_cast<int>(i)))
        << "row " << i;
  }
}

void expect_reference(const std::vector<SamplingOptions>& options) {
  expect_reference(some_logits(static_cast<int>(options.size()), kVocabulary, 4), options);
}

TEST(SampleKernel, TakesTheLargestLogitAtTemperatureZero) { expect_reference(seeds({})); }

TEST(SampleKernel, TakesTheLowerIdAmongEqualLogits) {
  model::reference::Matrix logits(1, kVocabulary);
  logits.row(0)[700] = 2;
  logits.row(0)[300] = 2;
  EXPECT_EQ(sample_on_device(logits, {{}}).tokens.front(), 300);
}

TEST(SampleKernel, DrawsAsTheReferenceDoes) { expect_reference(seeds({.temperature = 0.8F})); }

TEST(SampleKernel, DrawsFromTheTopK) { expect_reference(seeds({.temperature = 2.0F, .top_k = 5})); }

TEST(SampleKernel, DrawsFromTheTopP) {
  expect_reference(seeds({.temperature = 2.0F, .top_p = 0.4F}));
}

TEST(SampleKernel, DrawsFromTheTopPOfTheTopK) {
  expect_reference(seeds({.temperature = 2.0F, .top_k = 20, .top_p = 0.7F}));
}

// `some_logits` for each of every_way(), changed by change(id, logit).
template <class Change>
model::reference::Matrix changed_logits(const Change& change) {
  model::reference::Matrix logits =
      some_logits(static_cast<int>(every_way().size()), kVocabulary, 7);
  for (int row = 0; row < logits.rows(); ++row) {
    for (int id = 0; id < kVocabulary; ++id) change(id, logits.row(row)[id]);
  }
  return logits;
}

TEST(SampleKernel, NeverTakesNaN) {
  expect_reference(changed_logits([](int id, float& logit) {
                     if (id % 3 != 1) logit = id % 2 == 0 ? NAN : -NAN;
                   }),
                   every_way());
}

TEST(SampleKernel, TakesAnInfiniteLogitWhereThereIsOne) {
  expect_reference(changed_logits([](int id, float& logit) {
                     if (id == 500 || id == 600) logit = INFINITY;
                     if (id % 7 == 0) logit = -INFINITY;
                   }),
                   every_way());
}

TEST(SampleKernel, TakesTheFirstWhereNoLogitIsANumber) {
  const model::reference::Matrix nothing = changed_logits([](int, float& logit) { logit = NAN; });
  EXPECT_EQ(sample_on_device(nothing, every_way()).tokens, std::vector<int>(5, 0));
  // Minus infinity is a number.
  const model::reference::Matrix little = changed_logits(
      [](int id, float& logit) { logit = id == 123 || id == 700 ? -INFINITY : NAN; });
  EXPECT_EQ(sample_on_device(little, every_way()).tokens, std::vector<int>(5, 123));
  expect_reference(little, every_way());
}

TEST(SampleKernel, IsGreedyWithTopKOfOneAndWithAVanishingTopP) {
  const model::reference::Matrix logits = some_logits(3, kVocabulary, 8);
  const auto greedy = sample_on_device(logits, {{}, {}, {}}).tokens;
  EXPECT_EQ(sample_on_device(logits, std::vector(3, SamplingOptions{.temperature = 5, .top_k = 1}))
                .tokens,
            greedy);
  EXPECT_EQ(
      sample_on_device(logits, std::vector(3, SamplingOptions{.temperature = 5, .top_p = 1e-30F}))
          .tokens,
      greedy);
}

TEST(SampleKernel, DrawsFromEveryTokenWithLimitsThatAreNone) {
  const model::reference::Matrix logits = some_logits(6, kVocabulary, 4);
  const auto all = sample_on_device(logits, seeds({.temperature = 3})).tokens;
  EXPECT_EQ(sample_on_device(logits, seeds({.temperature = 3, .top_k = kVocabulary})).tokens, all);
  EXPECT_EQ(sample_on_device(logits, seeds({.temperature = 3, .top_k = 1 << 30})).tokens, all);
}

TEST(SampleKernel, FollowsTheReferenceAtExtremeTemperatures) {
  for (const float temperature : {1e-40F, 1e-6F, 1e30F}) {
    expect_reference(seeds({.temperature = temperature}));
    expect_reference(seeds({.temperature = temperature, .top_p = 0.5F}));
  }
}

TEST(SampleKernel, KeepsTiedLogitsTogether) {
  model::reference::Matrix logits(6, kVocabulary);
  for (int row = 0; row < 6; ++row) {
    for (const int id : {20, 400, 776}) logits.row(row)[id] = 9;
  }
  const auto tokens = sample_on_device(logits, seeds({.temperature = 1, .top_k = 2})).tokens;
  expect_reference(logits, seeds({.temperature = 1, .top_k = 2}));
  EXPECT_GT(std::set(tokens.begin(), tokens.end()).size(), 1U);
}

TEST(SampleKernel, MakesTheNextStepsInputOfTheToken) {
  const Sampled result = sample_on_device(some_logits(2, kVocabulary, 5), {{}, {}});
  EXPECT_EQ(result.rows[1].token, result.tokens[1]);
  EXPECT_EQ(result.rows[1].position, 12);
  EXPECT_EQ(result.rows[1].sequence, 3);
}

}  // namespace
}  // namespace slipstream::step::test::sample_test
