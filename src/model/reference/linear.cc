#include "model/reference/linear.h"

#include <algorithm>
#include <cmath>

#include "model/float_formats.h"

namespace slipstream::model::reference {
namespace {

// x split into groups of 128: values to multiply and a scale per group.
struct Operand {
  Matrix values;
  Matrix scales;  // [rows of x, groups]
};

Operand plain(const Matrix& x) {
  Operand result{x, Matrix(x.rows(), (x.columns() + kBlock - 1) / kBlock)};
  std::fill(result.scales.values().begin(), result.scales.values().end(), 1.0F);
  return result;
}

Operand quantized(const Matrix& x, bool ue8m0) {
  Operand result = plain(x);
  for (int token = 0; token < x.rows(); ++token) {
    for (int group = 0; group < result.scales.columns(); ++group) {
      const auto values = result.values.row(token).subspan(size_t{kBlock} * group, kBlock);
      const QuantizedGroup coded = quantize_group(values, ue8m0);
      std::transform(coded.codes.begin(), coded.codes.end(), values.begin(), e4m3_to_float);
      result.scales.row(token)[group] = coded.scale;
    }
  }
  return result;
}

float product(const Linear& weights, int row, const Operand& x, int token) {
  const auto w = weights.row(row);
  const auto values = x.values.row(token);
  const auto scales = x.scales.row(token);
  double total = 0;
  for (int group = 0; group < x.scales.columns(); ++group) {
    const int begin = group * kBlock;
    const int size = std::min(kBlock, weights.columns - begin);
    const float block = dot(w.subspan(begin, size), values.subspan(begin, size));
    total += block * scales[group] * weights.scale(row, group);
  }
  return static_cast<float>(total);
}

Matrix multiply(const Linear& weights, const Operand& x) {
  Matrix result(x.values.rows(), weights.rows);
  for (int row = 0; row < weights.rows; ++row) {
    for (int token = 0; token < result.rows(); ++token) {
      result.row(token)[row] = product(weights, row, x, token);
    }
  }
  return result;
}

}  // namespace

float Linear::scale(int row, int block) const {
  if (!fp8) return 1;
  return scales[((first_row + row) / kBlock) * ((columns + kBlock - 1) / kBlock) + block];
}

Linear load_linear(const Checkpoint& checkpoint, const std::string& name) {
  const MatrixShare share = checkpoint.matrix(name);
  Linear result{.rows = static_cast<int>(share.rows),
                .columns = static_cast<int>(share.columns),
                .fp8 = share.is_fp8(),
                .values = {},
                .scales = share.scales,
                .first_row = static_cast<int>(share.scale_row_offset)};
  result.values.reserve(share.rows * share.columns);
  for (int64_t row = 0; row < share.rows; ++row) {
    for (int64_t column = 0; column < share.columns; ++column) {
      result.values.push_back(share.raw(row, column));
    }
  }
  return result;
}

QuantizedGroup quantize_group(std::span<const float> x, bool ue8m0) {
  constexpr float kSmallestAmax = 1e-4F;
  float amax = kSmallestAmax;
  for (const float value : x) amax = std::max(amax, std::fabs(value));
  QuantizedGroup result;
  result.scale = amax / kLargestE4M3;
  if (ue8m0) result.scale = round_up_to_power_of_two(result.scale);
  for (const float value : x) result.codes.push_back(float_to_e4m3(value / result.scale));
  return result;
}

Matrix linear(const Numerics& numerics, const Linear& weights, const Matrix& x) {
  const bool quantize = weights.fp8 && !numerics.exact;
  Matrix result = multiply(weights, quantize ? quantized(x, numerics.ue8m0) : plain(x));
  for (float& value : result.values()) value = numerics.stored(value);
  return result;
}

Matrix linear_fp32(const Linear& weights, const Matrix& x) { return multiply(weights, plain(x)); }

}  // namespace slipstream::model::reference
