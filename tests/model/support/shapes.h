// Sizes that the goldens' checkpoints do not have.
#pragma once

#include <string>
#include <vector>

namespace slipstream::model::test {

struct Shape {
  std::string name;
  std::string base;     // tiny checkpoint that it changes
  std::string changes;  // JSON object

  // Its checkpoint, written at the first call.
  [[nodiscard]] const std::string& directory() const;
};

[[nodiscard]] std::vector<Shape> other_shapes();

}  // namespace slipstream::model::test
