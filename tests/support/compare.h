// The comparisons of the operator tests.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <span>

namespace slipstream::test {

// Equal byte for byte; the message names the first byte that differs and how many do.
[[nodiscard]] testing::AssertionResult same_bytes(std::span<const uint8_t> actual,
                                                  std::span<const uint8_t> expected);

// Equal bit for bit, but any NaN equals any NaN.
[[nodiscard]] testing::AssertionResult same_floats(std::span<const float> actual,
                                                   std::span<const float> expected);

// |actual - expected| <= absolute + relative * |expected| for every element; NaN only where NaN is
// expected.
struct Tolerance {
  double absolute;
  double relative;
};
[[nodiscard]] testing::AssertionResult close_elementwise(std::span<const float> actual,
                                                         std::span<const float> expected,
                                                         Tolerance tolerance);

// norm(actual - expected) <= limit * norm(expected), in fp64.
[[nodiscard]] testing::AssertionResult close_in_norm(std::span<const float> actual,
                                                     std::span<const float> expected, double limit);

}  // namespace slipstream::test
