#include "support/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <functional>

namespace slipstream::test {
namespace {

// Success if no element differs, else a message with the first that does.
testing::AssertionResult compare(
    size_t actual_size, size_t expected_size, const std::function<bool(size_t)>& same,
    const std::function<void(testing::AssertionResult&, size_t)>& show) {
  if (actual_size != expected_size) {
    return testing::AssertionFailure() << actual_size << " elements, must be " << expected_size;
  }
  size_t different = 0;
  size_t first = 0;
  for (size_t i = 0; i < actual_size; ++i) {
    if (same(i)) continue;
    if (different++ == 0) first = i;
  }
  if (different == 0) return testing::AssertionSuccess();
  testing::AssertionResult failure = testing::AssertionFailure();
  failure << different << " of " << actual_size << " differ; element " << first << " is ";
  show(failure, first);
  return failure;
}

testing::AssertionResult compare_floats(std::span<const float> actual,
                                        std::span<const float> expected,
                                        const std::function<bool(size_t)>& same) {
  return compare(actual.size(), expected.size(), same,
                 [&](testing::AssertionResult& failure, size_t i) {
                   failure << fmt::format("{:.9g}, must be {:.9g}", actual[i], expected[i]);
                 });
}

}  // namespace

testing::AssertionResult same_bytes(std::span<const uint8_t> actual,
                                    std::span<const uint8_t> expected) {
  return compare(
      actual.size(), expected.size(), [&](size_t i) { return actual[i] == expected[i]; },
      [&](testing::AssertionResult& failure, size_t i) {
        failure << fmt::format("{:#04x}, must be {:#04x}", actual[i], expected[i]);
      });
}

testing::AssertionResult same_floats(std::span<const float> actual,
                                     std::span<const float> expected) {
  return compare_floats(actual, expected, [&](size_t i) {
    return std::bit_cast<uint32_t>(actual[i]) == std::bit_cast<uint32_t>(expected[i]) ||
           (std::isnan(actual[i]) && std::isnan(expected[i]));
  });
}

testing::AssertionResult close_elementwise(std::span<const float> actual,
                                           std::span<const float> expected, Tolerance tolerance) {
  return compare_floats(actual, expected, [&](size_t i) {
    const double a = actual[i];
    const double e = expected[i];
    if (std::isnan(e) || std::isinf(e))
      return std::isnan(a) == std::isnan(e) && (std::isnan(e) || a == e);
    return std::abs(a - e) <= tolerance.absolute + tolerance.relative * std::abs(e);
  });
}

testing::AssertionResult close_in_norm(std::span<const float> actual,
                                       std::span<const float> expected, double limit) {
  if (actual.size() != expected.size()) {
    return testing::AssertionFailure() << actual.size() << " elements, must be " << expected.size();
  }
  double difference = 0.0;
  double norm = 0.0;
  for (size_t i = 0; i < actual.size(); ++i) {
    const double delta = static_cast<double>(actual[i]) - expected[i];
    difference += delta * delta;
    norm += static_cast<double>(expected[i]) * expected[i];
  }
  const double error = std::sqrt(difference) / std::max(std::sqrt(norm), 1e-300);
  if (error <= limit) return testing::AssertionSuccess();
  return testing::AssertionFailure()
         << "relative error in norm is " << error << ", must be at most " << limit;
}

}  // namespace slipstream::test
