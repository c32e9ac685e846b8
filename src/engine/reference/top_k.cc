#include "engine/reference/top_k.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace slipstream::engine::reference {

std::vector<int> top_k(std::span<const float> scores, int k) {
  std::vector<int> positions(scores.size());
  std::iota(positions.begin(), positions.end(), 0);
  const auto rank = [&](int position) {
    const float score = scores[position];
    return std::isnan(score) ? -std::numeric_limits<float>::infinity() : score;
  };
  std::stable_sort(positions.begin(), positions.end(),
                   [&](int a, int b) { return rank(a) > rank(b); });
  positions.resize(std::min(scores.size(), static_cast<std::size_t>(k)));
  std::sort(positions.begin(), positions.end());
  return positions;
}

}  // namespace slipstream::engine::reference
