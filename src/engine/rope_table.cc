#include "engine/rope_table.h"

#include <cmath>

#include "engine/reference/rope.h"

namespace slipstream::engine {

std::vector<float> rope_table(const ModelConfig& config, int positions) {
  const std::vector<float> frequencies = reference::inverse_frequencies(config);
  const std::size_t pairs = frequencies.size();
  std::vector<float> table(2 * pairs * positions);
  for (int position = 0; position < positions; ++position) {
    float* row = table.data() + 2 * pairs * position;
    for (std::size_t pair = 0; pair < pairs; ++pair) {
      const double angle = static_cast<float>(position) * frequencies[pair];
      row[pair] = static_cast<float>(std::cos(angle));
      row[pairs + pair] = static_cast<float>(std::sin(angle));
    }
  }
  return table;
}

}  // namespace slipstream::engine
