// The sampling kernel against the reference.

#include <gtest/gtest.h>

#include "engine/kernels/sample/launch.h"
#include "engine/sampling.h"
#include "tests/engine/kernels/device_values.h"
#include "tests/engine/support/engine_runner.h"
#include "tests/engine/support/random.h"

namespace slipstream::engine::test {
namespace {

using kernels::StepRow;

constexpr int kVocabulary = 777;

Matrix some_logits(int rows, unsigned seed) {
  Matrix logits = random_matrix(rows, kVocabulary, seed);
  for (float& logit : logits.values()) logit *= 6;
  return logits;
}

struct Sampled {
  std::vector<int> tokens;
  std::vector<StepRow> rows;
};

// One row per entry of `options`, at positions 10, 11, ...
Sampled sample_on_device(const Matrix& logits, const std::vector<SamplingOptions>& options) {
  const EngineStream stream;
  std::vector<StepRow> rows;
  for (std::size_t i = 0; i < options.size(); ++i) {
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

void expect_reference(const std::vector<SamplingOptions>& options) {
  const Matrix logits = some_logits(static_cast<int>(options.size()), 4);
  const Sampled result = sample_on_device(logits, options);
  for (std::size_t i = 0; i < options.size(); ++i) {
    EXPECT_EQ(result.tokens[i],
              sample(logits.row(static_cast<int>(i)), options[i], 10 + static_cast<int>(i)))
        << "row " << i;
  }
}

std::vector<SamplingOptions> seeds(SamplingOptions options) {
  std::vector<SamplingOptions> result;
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    options.seed = seed * 0x9E3779B97F4A7C15U;
    result.push_back(options);
  }
  return result;
}

TEST(SampleKernel, TakesTheLargestLogitAtTemperatureZero) { expect_reference(seeds({})); }

TEST(SampleKernel, TakesTheLowerIdAmongEqualLogits) {
  Matrix logits(1, kVocabulary);
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

TEST(SampleKernel, MakesTheNextStepsInputOfTheToken) {
  const Sampled result = sample_on_device(some_logits(2, 5), {{}, {}});
  EXPECT_EQ(result.rows[1].token, result.tokens[1]);
  EXPECT_EQ(result.rows[1].position, 12);
  EXPECT_EQ(result.rows[1].sequence, 3);
}

}  // namespace
}  // namespace slipstream::engine::test
