#include "model/logprobs.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

namespace slipstream::model {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();

double distance_from(float largest, float logit) {
  // The largest weighs 1, also where it is infinite.
  return logit == largest ? 0 : double{logit} - largest;
}

}  // namespace

TokenLogprobs token_logprobs(std::span<const float> logits, int token, int count) {
  std::vector<float> values(logits.begin(), logits.end());
  for (float& value : values) {
    if (std::isnan(value)) value = kNever;
  }
  const float largest = *std::max_element(values.begin(), values.end());
  constexpr double kUnit = 1LL << 40;
  uint64_t total = 0;
  for (const float value : values) {
    total += static_cast<uint64_t>(std::nearbyint(std::exp(distance_from(largest, value)) * kUnit));
  }
  const double log_sum = std::log(static_cast<double>(total) / kUnit);
  const auto logprob = [&](int id) {
    return static_cast<float>(distance_from(largest, values[id]) - log_sum);
  };

  TokenLogprobs result;
  result.logprob = logprob(token);
  result.rank = static_cast<int>(std::count_if(
      values.begin(), values.end(), [&](float value) { return value >= values[token]; }));
  result.ids.resize(values.size());
  std::iota(result.ids.begin(), result.ids.end(), 0);
  std::erase_if(result.ids, [&](int id) { return values[id] == kNever; });
  std::stable_sort(result.ids.begin(), result.ids.end(),
                   [&](int a, int b) { return values[a] > values[b]; });
  if (result.ids.size() > static_cast<size_t>(count)) result.ids.resize(count);
  for (const int id : result.ids) result.logprobs.push_back(logprob(id));
  return result;
}

}  // namespace slipstream::model
