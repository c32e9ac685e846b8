// Reproducible random numbers for tests.
#pragma once

#include <random>

#include "model/reference/matrix.h"

namespace slipstream::model::test {

[[nodiscard]] inline reference::Matrix random_matrix(int rows, int columns, unsigned seed) {
  std::mt19937 generator(seed);
  reference::Matrix result(rows, columns);
  for (float& value : result.values()) {
    // Not std::normal_distribution, whose numbers differ between standard libraries.
    value = static_cast<float>(generator()) / 2147483648.0F - 1;
  }
  return result;
}

}  // namespace slipstream::model::test
