#include "model/sampling.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "model/random.h"
#include "slipstream/error.h"

namespace slipstream::model {
namespace {

// The score of a token that cannot be chosen.
constexpr double kNoCandidate = std::numeric_limits<double>::quiet_NaN();

// The first token with the largest score; 0 if there is no candidate.
template <class Score>
int best(size_t tokens, const Score& score) {
  int result = 0;
  double largest = kNoCandidate;
  for (size_t token = 0; token < tokens; ++token) {
    const double value = score(static_cast<int>(token));
    if (std::isnan(value)) continue;
    if (std::isnan(largest) || value > largest) {
      largest = value;
      result = static_cast<int>(token);
    }
  }
  return result;
}

void require_finite(const char* name, float value) {
  if (!std::isfinite(value)) {
    throw InvalidArgument(fmt::format("{} must be a finite number, is {}", name, value));
  }
}

// Logits that steps 1 and 2 keep, largest first.
std::vector<float> min_p_and_top_k_logits(std::span<const float> logits,
                                          const SamplingOptions& options) {
  std::vector<float> sorted;
  std::copy_if(logits.begin(), logits.end(), std::back_inserter(sorted),
               [](float logit) { return !std::isnan(logit); });
  std::sort(sorted.begin(), sorted.end(), std::greater<>());
  const int k = options.top_k;
  if (options.min_p > 0 && !sorted.empty()) {
    const float border = sorted.front() + min_p_distance(options);
    sorted.erase(std::upper_bound(sorted.begin(), sorted.end(), border, std::greater<>()),
                 sorted.end());
  }
  if (k > 0 && static_cast<size_t>(k) < sorted.size()) {
    const float border = sorted[k - 1];
    sorted.erase(std::upper_bound(sorted.begin(), sorted.end(), border, std::greater<>()),
                 sorted.end());
  }
  return sorted;
}

}  // namespace

void check_sampling(const SamplingOptions& options) {
  if (!(options.temperature >= 0) || std::isinf(options.temperature)) {
    throw InvalidArgument(
        fmt::format("temperature must be a finite number from 0, is {}", options.temperature));
  }
  if (options.top_k < 0) {
    throw InvalidArgument(fmt::format("top_k must be at least 0, is {}", options.top_k));
  }
  if (!(options.top_p > 0 && options.top_p <= 1)) {
    throw InvalidArgument(fmt::format("top_p must be above 0 and at most 1, is {}", options.top_p));
  }
  if (!(options.min_p >= 0 && options.min_p <= 1)) {
    throw InvalidArgument(fmt::format("min_p must be from 0 to 1, is {}", options.min_p));
  }
  if (!(options.repetition_penalty > 0) || std::isinf(options.repetition_penalty)) {
    throw InvalidArgument(fmt::format("repetition_penalty must be a finite number above 0, is {}",
                                      options.repetition_penalty));
  }
  require_finite("presence_penalty", options.presence_penalty);
  require_finite("frequency_penalty", options.frequency_penalty);
  if (options.logprobs < -1 || options.logprobs > kMaxLogprobs) {
    throw InvalidArgument(fmt::format("logprobs must be from -1 (none) to {}, are {}", kMaxLogprobs,
                                      options.logprobs));
  }
}

float min_p_distance(const SamplingOptions& options) {
  return static_cast<float>(double{options.temperature} * std::log(double{options.min_p}));
}

float sampling_threshold(std::span<const float> logits, const SamplingOptions& options) {
  const std::vector<float> kept = min_p_and_top_k_logits(logits, options);
  if (kept.empty()) return -std::numeric_limits<float>::infinity();
  if (options.top_p >= 1) return kept.back();
  std::vector<double> mass;  // cumulative, from the largest logit on
  double total = 0;
  for (const float logit : kept) {
    // The largest weighs 1, also where it is infinite.
    const double distance = logit == kept.front() ? 0 : double{logit} - kept.front();
    total += std::exp(distance / options.temperature);
    mass.push_back(total);
  }
  const auto enough = std::lower_bound(mass.begin(), mass.end(), options.top_p * total);
  return kept[std::min<size_t>(enough - mass.begin(), kept.size() - 1)];
}

int sample(std::span<const float> logits, const SamplingOptions& options, int64_t position) {
  check_sampling(options);
  if (options.temperature == 0) {
    return best(logits.size(), [&](int token) { return logits[token]; });
  }
  const float threshold = sampling_threshold(logits, options);
  return best(logits.size(), [&](int token) -> double {
    if (!(logits[token] >= threshold)) return kNoCandidate;
    const double uniform = token_uniform(options.seed, position, token);
    return double{logits[token]} / options.temperature - std::log(-std::log(uniform));
  });
}

}  // namespace slipstream::model
