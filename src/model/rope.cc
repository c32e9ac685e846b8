#include "model/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace slipstream::model {
namespace {

// The pair (a real number) that turns `rotations` times within the original context.
double pair_with_rotations(const ModelConfig& config, double rotations) {
  const double context = config.yarn->original_max_position_embeddings;
  return config.qk_rope_head_dim * std::log(context / (2 * std::numbers::pi * rotations)) /
         (2 * std::log(config.rope_theta));
}

// Fast pairs keep their frequency, slow ones are stretched by the factor, those between are mixed.
double stretched(const ModelConfig& config, double frequency, int pair) {
  const int last = config.qk_rope_head_dim - 1;
  const double low = std::max(std::floor(pair_with_rotations(config, config.yarn->beta_fast)), 0.0);
  const double high =
      std::min<double>(std::ceil(pair_with_rotations(config, config.yarn->beta_slow)), last);
  const double width = high > low ? high - low : 0.001;
  const double ramp = std::clamp((pair - low) / width, 0.0, 1.0);
  return frequency / config.yarn->factor * ramp + frequency * (1 - ramp);
}

}  // namespace

std::vector<float> inverse_frequencies(const ModelConfig& config) {
  const int pairs = config.qk_rope_head_dim / 2;
  std::vector<float> result;
  for (int pair = 0; pair < pairs; ++pair) {
    const double exponent = -2.0 * pair / config.qk_rope_head_dim;
    const double frequency = std::pow(config.rope_theta, exponent);
    result.push_back(
        static_cast<float>(config.yarn ? stretched(config, frequency, pair) : frequency));
  }
  return result;
}

}  // namespace slipstream::model
