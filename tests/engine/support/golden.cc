#include "tests/engine/support/golden.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace slipstream::engine::test {

Golden::Golden(const std::string& name) : tiny::Golden(SLIPSTREAM_GOLDENS_DIR, name) {}

double largest_difference(const Matrix& a, const Matrix& b) {
  double largest = 0;
  for (std::size_t i = 0; i < a.values().size(); ++i) {
    const double difference = std::fabs(a.values()[i] - b.values()[i]);
    largest = std::isnan(difference) ? INFINITY : std::max(largest, difference);
  }
  return largest;
}

std::vector<double> relative_errors(const Matrix& a, const Matrix& b) {
  std::vector<double> errors;
  for (int row = 0; row < a.rows(); ++row) {
    double difference = 0;
    double norm = 0;
    for (int column = 0; column < a.columns(); ++column) {
      difference += std::pow(a.row(row)[column] - b.row(row)[column], 2);
      norm += std::pow(b.row(row)[column], 2);
    }
    errors.push_back(std::sqrt(difference / norm));
  }
  return errors;
}

double quantile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  const double place = share * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (place - static_cast<double>(below)) * (values[above] - values[below]);
}

void expect_golden_logits(const Golden& golden, int chunk, const std::function<Step()>& start) {
  double cosine_drop = 0;
  double argmax_drop = 0;
  const auto count = static_cast<double>(golden.prompts().size());
  for (const GoldenPrompt& prompt : golden.prompts()) {
    const Matrix logits = teacher_forced_logits(prompt, chunk, start());
    cosine_drop += (prompt.engine_cosine_mean - mean_cosine(logits, prompt.logits)) / count;
    argmax_drop +=
        (prompt.engine_argmax_agreement - argmax_agreement(logits, prompt.logits)) / count;
  }
  EXPECT_LE(cosine_drop, golden.limits().cosine_drop) << golden.name();
  EXPECT_LE(argmax_drop, golden.limits().argmax_drop) << golden.name();
  testing::Test::RecordProperty(golden.name() + "_cosine_drop", std::to_string(cosine_drop));
  testing::Test::RecordProperty(golden.name() + "_argmax_drop", std::to_string(argmax_drop));
}

}  // namespace slipstream::engine::test
