#include "model/reference/norms.h"

#include <cmath>

namespace slipstream::model::reference {

void rms_norm(const Numerics& numerics, std::span<const float> x, std::span<const float> weight,
              float eps, std::span<float> result) {
  double squares = 0;
  for (const float value : x) squares += static_cast<double>(value) * value;
  const double inverse = 1 / std::sqrt(squares / static_cast<double>(x.size()) + eps);
  for (size_t i = 0; i < x.size(); ++i) {
    result[i] = numerics.stored(static_cast<float>(weight[i] * (x[i] * inverse)));
  }
}

Matrix rms_norm(const Numerics& numerics, const Matrix& x, std::span<const float> weight,
                float eps) {
  Matrix result(x.rows(), x.columns());
  for (int token = 0; token < x.rows(); ++token) {
    rms_norm(numerics, x.row(token), weight, eps, result.row(token));
  }
  return result;
}

void layer_norm(const Numerics& numerics, std::span<const float> x, std::span<const float> weight,
                std::span<const float> bias, float eps, std::span<float> result) {
  const auto size = static_cast<double>(x.size());
  double sum = 0;
  for (const float value : x) sum += value;
  const double mean = sum / size;
  double squares = 0;
  for (const float value : x) squares += (value - mean) * (value - mean);
  const double inverse = 1 / std::sqrt(squares / size + eps);
  for (size_t i = 0; i < x.size(); ++i) {
    const double normal = (x[i] - mean) * inverse;
    result[i] = numerics.stored(static_cast<float>(normal * weight[i] + bias[i]));
  }
}

}  // namespace slipstream::model::reference
