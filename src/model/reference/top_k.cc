#include "model/reference/top_k.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace slipstream::model::reference {

float rank_of(float score) {
  return std::isnan(score) ? -std::numeric_limits<float>::infinity() : score;
}

std::vector<int> top_k(std::span<const float> scores, int k) {
  std::vector<int> positions(scores.size());
  std::iota(positions.begin(), positions.end(), 0);
  std::stable_sort(positions.begin(), positions.end(),
                   [&](int a, int b) { return rank_of(scores[a]) > rank_of(scores[b]); });
  positions.resize(std::min(scores.size(), static_cast<size_t>(k)));
  std::sort(positions.begin(), positions.end());
  return positions;
}

}  // namespace slipstream::model::reference
