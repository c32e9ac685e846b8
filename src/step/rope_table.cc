#include "step/rope_table.h"

#include <cmath>

#include "model/rope.h"

namespace slipstream::step {

std::vector<float> rope_table(const model::ModelConfig& config, int positions) {
  const std::vector<float> frequencies = model::inverse_frequencies(config);
  const size_t pairs = frequencies.size();
  std::vector<float> table(2 * pairs * positions);
  for (int position = 0; position < positions; ++position) {
    float* row = table.data() + 2 * pairs * position;
    for (size_t pair = 0; pair < pairs; ++pair) {
      const double angle = static_cast<float>(position) * frequencies[pair];
      row[pair] = static_cast<float>(std::cos(angle));
      row[pairs + pair] = static_cast<float>(std::sin(angle));
    }
  }
  return table;
}

}  // namespace slipstream::step
