// A row-major matrix of floats, one row per token.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace slipstream::model::reference {

class Matrix {
 public:
  Matrix() = default;
  Matrix(int rows, int columns)
      : rows_(rows), columns_(columns), values_(static_cast<size_t>(rows) * columns) {}

  [[nodiscard]] int rows() const { return rows_; }
  [[nodiscard]] int columns() const { return columns_; }
  [[nodiscard]] std::span<float> row(int index) {
    return {values_.data() + static_cast<size_t>(index) * columns_, static_cast<size_t>(columns_)};
  }
  [[nodiscard]] std::span<const float> row(int index) const {
    return {values_.data() + static_cast<size_t>(index) * columns_, static_cast<size_t>(columns_)};
  }
  [[nodiscard]] std::vector<float>& values() { return values_; }
  [[nodiscard]] const std::vector<float>& values() const { return values_; }

 private:
  int rows_ = 0;
  int columns_ = 0;
  std::vector<float> values_;
};

// Inner product; several partial sums, so that a compiler can vectorise it.
[[nodiscard]] inline float dot(std::span<const float> a, std::span<const float> b) {
  constexpr size_t kLanes = 16;
  float sums[kLanes] = {};
  size_t i = 0;
  for (; i + kLanes <= a.size(); i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) sums[lane] += a[i + lane] * b[i + lane];
  }
  float total = 0;
  for (; i < a.size(); ++i) total += a[i] * b[i];
  for (const float sum : sums) total += sum;
  return total;
}

}  // namespace slipstream::model::reference
