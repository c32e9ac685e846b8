// A row-major matrix of floats, one row per token.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace slipstream::model {

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

}  // namespace slipstream::model
