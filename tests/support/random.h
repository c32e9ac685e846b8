// Deterministic inputs: the same seed gives the same bytes on every machine.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include "slipstream/tensor.h"

namespace slipstream::test {

class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}

  [[nodiscard]] uint64_t bits() { return engine_(); }
  // Uniform in [low, high].
  [[nodiscard]] int64_t integer(int64_t low, int64_t high);
  // Uniform in [0, 1).
  [[nodiscard]] double unit() { return static_cast<double>(bits() >> 11) * 0x1.0p-53; }
  // Any sign, magnitudes spread evenly over `octaves` powers of two below `largest`.
  [[nodiscard]] float value(double largest = 4.0, double octaves = 12.0);
  // `count` different integers from [0, limit) in random order.
  [[nodiscard]] std::vector<int64_t> distinct(int64_t count, int64_t limit);

 private:
  std::mt19937_64 engine_;
};

// What an array of floats is filled with.
struct FloatFill {
  double largest = 4.0;
  double octaves = 12.0;
  bool edges =
      true;  // now and then zeros of both signs, subnormals, the smallest and largest numbers
  bool nonfinite = false;  // now and then infinities and NaN
};

// The bytes of `count` floats of `dtype` (float32, bfloat16 or float16).
[[nodiscard]] std::vector<uint8_t> random_floats(Random& random, DType dtype, int64_t count,
                                                 const FloatFill& fill = {});

}  // namespace slipstream::test
