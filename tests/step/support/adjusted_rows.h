// Rows that ask for masks, penalties, min-p or log probabilities: what the sampling kernel reads of
// them on one rank, and what the reference makes of them.
#pragma once

#include <gtest/gtest.h>

#include <bit>
#include <vector>

#include "model/logit_adjustment.h"
#include "model/logprobs.h"
#include "model/reference/matrix.h"
#include "model/sampling.h"
#include "step/kernels/sample/params.h"
#include "tests/step/kernels/device_values.h"

namespace slipstream::step::test {

struct AdjustedRow {
  SamplingOptions options = {};
  std::vector<LogitBias> bias = {};
  model::TokenHistory history = {};
  std::vector<uint32_t> mask = {};
  // The row's own token, of those sampled, is not in the device's history yet.
  bool counts_input = false;

  [[nodiscard]] bool has_history() const { return model::has_adjustment(options, bias); }
};

inline constexpr int kInputToken = 5;  // of all rows

inline kernels::StepRow step_row(const AdjustedRow& row, int position) {
  kernels::StepRow result{
      kInputToken,       position,        3, row.options.temperature, row.options.top_k,
      row.options.top_p, row.options.seed};
  if (!row.mask.empty()) result.flags |= kernels::kMasked;
  if (row.has_history()) result.flags |= kernels::kAdjusted;
  if (row.options.min_p > 0) result.flags |= kernels::kMinP;
  if (row.options.logprobs >= 0) result.flags |= kernels::kWantsLogprobs;
  if (row.counts_input) result.flags |= kernels::kCountsInput;
  return result;
}

class AdjustedRows {
 public:
  // Of a rank that has `count` tokens from `first` on, out of `vocabulary`.
  AdjustedRows(const std::vector<AdjustedRow>& rows, int vocabulary, int first, int count)
      : vocabulary_(count),
        first_(first),
        mask_words_((vocabulary + 31) / 32),
        extras_(extras_of(rows)),
        masks_(masks_of(rows)),
        words_(words_of(rows)),
        biases_(biases_of(rows)),
        adjusted_(rows.size() * count),
        logprobs_(rows.size()) {}

  [[nodiscard]] kernels::SampleExtras params() const {
    return {.extras = {extras_.data()},
            .masks = {masks_.data()},
            .mask_words = mask_words_,
            .histories = {.words = {words_.data()},
                          .biases = {biases_.data()},
                          .vocabulary = vocabulary_,
                          .first_token = first_},
            .adjusted = {adjusted_.data()},
            .logprobs = {logprobs_.data()}};
  }
  [[nodiscard]] std::vector<kernels::RowLogprobs> logprobs() const { return logprobs_.download(); }
  // [rows, tokens of the rank]
  [[nodiscard]] std::vector<uint32_t> words() const { return words_.download(); }

 private:
  [[nodiscard]] static std::vector<kernels::RowExtras> extras_of(
      const std::vector<AdjustedRow>& rows) {
    std::vector<kernels::RowExtras> result;
    for (const AdjustedRow& row : rows) {
      result.push_back({.min_p_distance = model::min_p_distance(row.options),
                        .repetition = row.options.repetition_penalty,
                        .presence = row.options.presence_penalty,
                        .frequency = row.options.frequency_penalty,
                        .history = static_cast<int>(result.size()),
                        .logprobs = row.options.logprobs});
    }
    return result;
  }
  [[nodiscard]] std::vector<uint32_t> masks_of(const std::vector<AdjustedRow>& rows) const {
    std::vector<uint32_t> result;
    for (const AdjustedRow& row : rows) {
      std::vector<uint32_t> mask = row.mask;
      mask.resize(mask_words_);
      result.insert(result.end(), mask.begin(), mask.end());
    }
    return result;
  }
  // Calls visit(index) where the rank has the token of a row.
  template <class Visit>
  void at_token(size_t row, int token, const Visit& visit) const {
    const int local = token - first_;
    if (local >= 0 && local < vocabulary_) visit(row * vocabulary_ + local);
  }
  [[nodiscard]] std::vector<uint32_t> words_of(const std::vector<AdjustedRow>& rows) const {
    std::vector<uint32_t> result(rows.size() * vocabulary_);
    for (size_t row = 0; row < rows.size(); ++row) {
      const auto& [given, sampled] = rows[row].history;
      for (const int token : given) {
        at_token(row, token, [&](size_t i) { result[i] |= kernels::kGiven; });
      }
      for (const int token : sampled) at_token(row, token, [&](size_t i) { ++result[i]; });
      if (rows[row].counts_input) at_token(row, kInputToken, [&](size_t i) { --result[i]; });
    }
    return result;
  }
  [[nodiscard]] std::vector<float> biases_of(const std::vector<AdjustedRow>& rows) const {
    std::vector<float> result(rows.size() * vocabulary_);
    for (size_t row = 0; row < rows.size(); ++row) {
      for (const LogitBias& entry : rows[row].bias) {
        at_token(row, entry.token, [&](size_t i) { result[i] = entry.bias; });
      }
    }
    return result;
  }

  int vocabulary_;
  int first_;
  int mask_words_;
  DeviceValues<kernels::RowExtras> extras_;
  DeviceValues<uint32_t> masks_;
  DeviceValues<uint32_t> words_;
  DeviceValues<float> biases_;
  DeviceValues<float> adjusted_;
  DeviceValues<kernels::RowLogprobs> logprobs_;
};

inline void expect_reference(const AdjustedRow& row, std::span<const float> logits, int position,
                             int token, const kernels::RowLogprobs& reported) {
  const std::vector<float> masked = model::masked_logits(logits, row.mask);
  EXPECT_EQ(token, model::sample(model::adjusted_logits(masked, row.options, row.bias, row.history),
                                 row.options, position));
  if (row.options.logprobs < 0) return;
  const TokenLogprobs expected = model::token_logprobs(masked, token, row.options.logprobs);
  EXPECT_FLOAT_EQ(reported.chosen, expected.logprob);
  EXPECT_EQ(reported.rank, expected.rank);
  ASSERT_EQ(reported.count, std::ssize(expected.ids));
  for (int i = 0; i < reported.count; ++i) {
    EXPECT_EQ(reported.ids[i], expected.ids[i]) << i;
    EXPECT_FLOAT_EQ(reported.logprobs[i], expected.logprobs[i]) << i;
  }
}

// Tokens that the mask of every_adjustment() allows.
inline std::vector<uint32_t> every_fifth(int vocabulary) {
  std::vector<uint32_t> mask((vocabulary + 31) / 32);
  for (int token = 3; token < vocabulary; token += 5) mask[token / 32] |= 1U << token % 32;
  return mask;
}

// Each adjustment alone and with others, for a vocabulary of at least 130 tokens.
inline std::vector<AdjustedRow> every_adjustment(int vocabulary) {
  const std::vector<uint32_t> mask = every_fifth(vocabulary);
  const SamplingOptions penalties{.temperature = 2,
                                  .seed = 3,
                                  .repetition_penalty = 1.25F,
                                  .presence_penalty = 0.7F,
                                  .frequency_penalty = 0.3F};
  const model::TokenHistory history{.given = {1, 2, 100, 100},
                                    .sampled = {2, 7, vocabulary - 1, 5, 7, 7}};
  std::vector<AdjustedRow> rows = {
      {.options = {.logprobs = 0}},
      {.options = {.temperature = 1.5F, .seed = 1, .logprobs = 20}},
      {.options = {.logprobs = 5}, .mask = mask},
      {.options = {.temperature = 2, .top_k = 9, .top_p = 0.8F, .seed = 2, .logprobs = 20},
       .mask = mask},
      {.options = penalties, .history = history},
      {.options = penalties, .history = history, .counts_input = true},
      {.options = {.temperature = 1, .seed = 4}, .bias = {{0, 3.5F}, {vocabulary - 1, 20}}},
      {.options = {.temperature = 4, .seed = 5, .min_p = 0.1F}},
      {.options = {.temperature = 4, .top_k = 30, .top_p = 0.9F, .seed = 6, .min_p = 0.05F}},
      {.options = penalties, .bias = {{7, 30}}, .history = history, .mask = mask}};
  rows.back().options.logprobs = 20;
  rows.back().options.min_p = 0.001F;
  return rows;
}

}  // namespace slipstream::step::test
