#include "tests/model/support/golden.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <iterator>
#include <numeric>

namespace slipstream::model::test {

Golden::Golden(const std::string& name) : tiny::Golden(SLIPSTREAM_GOLDENS_DIR, name) {}

double largest_difference(const Matrix& a, const Matrix& b) {
  double largest = 0;
  for (size_t i = 0; i < a.values().size(); ++i) {
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
  const auto below = static_cast<size_t>(place);
  const size_t above = std::min(below + 1, values.size() - 1);
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

void expect_layer_errors(const Golden& golden, int layer, const std::vector<double>& errors) {
  const std::string name = "layer" + std::to_string(layer);
  const double p50 = quantile(errors, 0.50);
  const double p75 = quantile(errors, 0.75);
  EXPECT_LE(p50, golden.limits().layer_error_p50) << name;
  EXPECT_LE(p75, golden.limits().layer_error_p75) << name;
  testing::Test::RecordProperty(name + "_p50", std::to_string(p50));
  testing::Test::RecordProperty(name + "_p75", std::to_string(p75));
}

std::vector<double> overlaps(const std::vector<std::vector<int>>& lists,
                             const std::vector<std::vector<int>>& exact) {
  std::vector<double> shares;
  for (size_t row = 0; row < exact.size(); ++row) {
    std::vector<int> common;
    std::set_intersection(lists[row].begin(), lists[row].end(), exact[row].begin(),
                          exact[row].end(), std::back_inserter(common));
    EXPECT_EQ(lists[row].size(), exact[row].size());
    if (row < Golden::kIndexTopK) {
      EXPECT_EQ(common.size(), row + 1);
    } else {
      shares.push_back(static_cast<double>(common.size()) / Golden::kIndexTopK);
    }
  }
  return shares;
}

void expect_overlaps(const Golden& golden, int layer, const std::vector<double>& shares) {
  if (shares.empty()) return;
  const std::string name = "layer" + std::to_string(layer);
  const double mean =
      std::accumulate(shares.begin(), shares.end(), 0.0) / static_cast<double>(shares.size());
  const double worst = *std::min_element(shares.begin(), shares.end());
  EXPECT_GE(mean, golden.limits().overlap_layer_mean) << name;
  EXPECT_GE(worst, golden.limits().overlap_worst_row) << name;
  testing::Test::RecordProperty(name + "_overlap_mean", std::to_string(mean));
  testing::Test::RecordProperty(name + "_overlap_worst", std::to_string(worst));
}

std::string checkpoint_test_name(const testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return std::isalnum(c) == 0; }, '_');
  return name;
}

}  // namespace slipstream::model::test
