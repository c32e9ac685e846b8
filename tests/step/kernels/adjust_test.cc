// Masks, bias, penalties, min-p and log probabilities in the sampling kernel, against the reference.

#include <gtest/gtest.h>

#include <cmath>

#include "pdl/stream.h"
#include "step/kernels/sample/launch.h"
#include "tests/model/support/random.h"
#include "tests/step/support/adjusted_rows.h"

namespace slipstream::step::test::adjust_test {
namespace {

using kernels::StepRow;
using model::reference::Matrix;

constexpr int kVocabulary = 777;
constexpr int kFirstPosition = 10;

Matrix random_logits(size_t rows, unsigned seed) {
  Matrix logits = model::test::random_matrix(static_cast<int>(rows), kVocabulary, seed);
  for (float& logit : logits.values()) logit *= 6;
  return logits;
}

struct Outcome {
  std::vector<int> tokens;
  std::vector<StepRow> rows;
  std::vector<uint32_t> words;
  std::vector<float> logits;  // afterwards
};

Outcome expect_reference(const Matrix& logits, const std::vector<AdjustedRow>& rows) {
  const pdl::Stream stream;
  std::vector<StepRow> step_rows;
  for (const AdjustedRow& row : rows) {
    step_rows.push_back(step_row(row, kFirstPosition + static_cast<int>(step_rows.size())));
  }
  const DeviceValues<float> device_logits(logits.values());
  const DeviceValues<StepRow> device_rows(step_rows);
  const DeviceValues<int> sampled(rows.size());
  const AdjustedRows adjusted(rows, kVocabulary, 0, kVocabulary);
  kernels::launch_sample({.logits = {device_logits.data()},
                          .vocabulary = kVocabulary,
                          .tokens = logits.rows(),
                          .rows = {device_rows.data()},
                          .sampled = {sampled.data()},
                          .extras = adjusted.params()},
                         {.stream = stream.get()});
  check_cuda(cudaStreamSynchronize(stream.get()), "cudaStreamSynchronize");
  const Outcome outcome{sampled.download(), device_rows.download(), adjusted.words(),
                        device_logits.download()};
  const std::vector<kernels::RowLogprobs> logprobs = adjusted.logprobs();
  for (size_t i = 0; i < rows.size(); ++i) {
    SCOPED_TRACE(i);
    const int row = static_cast<int>(i);
    test::expect_reference(rows[i], logits.row(row), kFirstPosition + row, outcome.tokens[i],
                           logprobs[i]);
  }
  return outcome;
}

TEST(AdjustedSampling, ChoosesAndReportsAsTheReferenceDoes) {
  const std::vector<AdjustedRow> rows = every_adjustment(kVocabulary);
  const Matrix logits = random_logits(rows.size(), 4);
  const Outcome outcome = expect_reference(logits, rows);
  EXPECT_EQ(outcome.logits, logits.values());
}

TEST(AdjustedSampling, CountsTheRowsOwnTokenOnceItWasSampled) {
  const SamplingOptions penalty{.presence_penalty = 1};
  const std::vector<AdjustedRow> rows = {
      {.options = penalty,
       .history = {.given = {}, .sampled = {kInputToken}},
       .counts_input = true},
      {.options = penalty, .history = {.given = {}, .sampled = {kInputToken}}}};
  const Outcome outcome = expect_reference(random_logits(2, 5), rows);
  for (const size_t row : {0, 1}) {
    EXPECT_EQ(outcome.words[row * kVocabulary + kInputToken], 1U);
    // What was sampled now is counted by the step that reads it.
    EXPECT_EQ(outcome.words[row * kVocabulary + outcome.tokens[row]],
              outcome.tokens[row] == kInputToken ? 1U : 0U);
    EXPECT_EQ(outcome.rows[row].flags, kernels::kAdjusted | kernels::kCountsInput);
  }
}

TEST(AdjustedSampling, KeepsAPlainRowPlain) {
  const Outcome outcome = expect_reference(random_logits(1, 6), {{.options = {.temperature = 1}}});
  EXPECT_EQ(outcome.rows[0].flags, 0U);
}

TEST(AdjustedSampling, ReportsTheLowerIdsAmongEqualLogits) {
  Matrix logits(3, kVocabulary);
  for (const int id : {5, 70, 400, 776}) {
    for (int row = 0; row < 3; ++row) logits.row(row)[id] = 2;
  }
  logits.row(1)[300] = 3;
  (void)expect_reference(
      logits,
      {{.options = {.logprobs = 2}}, {.options = {.logprobs = 4}}, {.options = {.logprobs = 20}}});
}

TEST(AdjustedSampling, ReportsWhatThereIsWhereFewTokensCanBeChosen) {
  Matrix logits = random_logits(3, 7);
  for (int id = 0; id < kVocabulary; ++id) {
    if (id % 300 != 10) logits.row(0)[id] = id % 2 == 0 ? -INFINITY : NAN;
    if (id % 300 == 20) logits.row(1)[id] = INFINITY;
    logits.row(2)[id] = NAN;
  }
  std::vector<uint32_t> one((kVocabulary + 31) / 32);
  one[3] = 1;
  (void)expect_reference(logits, {{.options = {.logprobs = 20}},
                                  {.options = {.temperature = 1, .logprobs = 3}},
                                  {.options = {.logprobs = 3}}});
  (void)expect_reference(random_logits(1, 8), {{.options = {.logprobs = 5}, .mask = one}});
}

TEST(AdjustedSampling, KeepsByMinPWhatReachesItsShareOfTheLargest) {
  std::vector<AdjustedRow> rows;
  for (uint64_t seed = 0; seed < 6; ++seed) {
    rows.push_back({.options = {.temperature = 3, .seed = seed, .min_p = 0.5F}});
  }
  rows.push_back({.options = {.temperature = 3, .seed = 9, .min_p = 1}});
  const Matrix logits = random_logits(rows.size(), 9);
  const Outcome outcome = expect_reference(logits, rows);
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto row = logits.row(static_cast<int>(i));
    const float largest = *std::max_element(row.begin(), row.end());
    EXPECT_GE(std::exp((row[outcome.tokens[i]] - largest) / 3), rows[i].options.min_p * 0.9999F);
  }
}

}  // namespace
}  // namespace slipstream::step::test::adjust_test
