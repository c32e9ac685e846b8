// The stored goldens as tests use them: where they lie, measures of agreement, and the limits as
// expectations.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "model/reference/matrix.h"
#include "model/tiny/golden.h"

namespace slipstream::model::test {

using reference::Matrix;
using tiny::argmax_agreement;
using tiny::golden_names;
using tiny::GoldenPrompt;
using tiny::mean_cosine;
using tiny::Step;
using tiny::teacher_forced_logits;

class Golden : public tiny::Golden {
 public:
  explicit Golden(const std::string& name);
};

[[nodiscard]] double largest_difference(const Matrix& a, const Matrix& b);

// |a - b| / |b| of each row.
[[nodiscard]] std::vector<double> relative_errors(const Matrix& a, const Matrix& b);
[[nodiscard]] double quantile(std::vector<double> values, double share);

// Runs all prompts with `start`, which makes a fresh engine state and returns its step, and EXPECTs
// the pooled limits.
void expect_golden_logits(const Golden& golden, int chunk, const std::function<Step()>& start);

// EXPECTs the limits of one layer alone from its relative errors by position.
void expect_layer_errors(const Golden& golden, int layer, const std::vector<double>& errors);

// Of each row with a choice, the share of the exact list's entries that `lists` has. EXPECTs the
// other rows to be complete.
[[nodiscard]] std::vector<double> overlaps(const std::vector<std::vector<int>>& lists,
                                           const std::vector<std::vector<int>>& exact);
// EXPECTs their limits; a layer without lists has none.
void expect_overlaps(const Golden& golden, int layer, const std::vector<double>& shares);

// A checkpoint's name as a part of a test's name.
[[nodiscard]] std::string checkpoint_test_name(const testing::TestParamInfo<std::string>& info);

}  // namespace slipstream::model::test
