#include "model/reference/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace slipstream::model::reference {
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

void rotate(std::span<float> x, std::span<const float> inverse_frequencies, int position,
            RopeLayout layout) {
  const size_t pairs = inverse_frequencies.size();
  for (size_t pair = 0; pair < pairs; ++pair) {
    const float angle = static_cast<float>(position) * inverse_frequencies[pair];
    const double cosine = std::cos(static_cast<double>(angle));
    const double sine = std::sin(static_cast<double>(angle));
    const bool interleaved = layout == RopeLayout::kInterleaved;
    float& first = x[interleaved ? 2 * pair : pair];
    float& second = x[interleaved ? 2 * pair + 1 : pair + pairs];
    const double rotated = first * cosine - second * sine;
    second = static_cast<float>(second * cosine + first * sine);
    first = static_cast<float>(rotated);
  }
}

void hadamard_transform(std::span<float> x) {
  for (size_t half = 1; half < x.size(); half *= 2) {
    for (size_t begin = 0; begin < x.size(); begin += 2 * half) {
      for (size_t i = begin; i < begin + half; ++i) {
        const float sum = x[i] + x[i + half];
        x[i + half] = x[i] - x[i + half];
        x[i] = sum;
      }
    }
  }
  const auto scale = static_cast<float>(1 / std::sqrt(static_cast<double>(x.size())));
  for (float& value : x) value *= scale;
}

}  // namespace slipstream::model::reference
