// The stored goldens as tests use them: where they lie, measures of agreement, and the limits as
// expectations.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/tiny/golden.h"

namespace slipstream::engine::test {

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

}  // namespace slipstream::engine::test
