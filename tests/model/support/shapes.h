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

// A model that counts (counting-tiny), with an MLP that two ranks can share.
[[nodiscard]] inline Shape counting_in_two() {
  return {"CountingInTwo", "counting-tiny", R"({"moe_intermediate_size": 384})"};
}

}  // namespace slipstream::model::test
