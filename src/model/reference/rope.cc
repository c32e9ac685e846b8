#include "model/reference/rope.h"

#include <cmath>

namespace slipstream::model::reference {
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
