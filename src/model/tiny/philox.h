// Philox4x64-10, the counter-based generator of Salmon, Moraes, Dror and Shaw (SC 2011), in NumPy's
// order of outputs.
#pragma once

#include <array>
#include <cstdint>

namespace slipstream::model::tiny {

class Philox {
 public:
  using Block = std::array<uint64_t, 4>;

  explicit Philox(std::array<uint64_t, 2> key) : key_(key) {}

  // The next four 64-bit words. The counter is raised before it is used, so the first block is that
  // of counter 1.
  Block next();

 private:
  std::array<uint64_t, 2> key_;
  Block counter_{};
};

}  // namespace slipstream::model::tiny
