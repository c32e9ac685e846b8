// Normalizations (docs/model.md, 2.2 and 2.7).
#pragma once

#include <span>
#include <vector>

#include "model/reference/matrix.h"
#include "model/reference/numerics.h"

namespace slipstream::model::reference {

// w * x / sqrt(mean(x^2) + eps), rounded once.
void rms_norm(const Numerics& numerics, std::span<const float> x, std::span<const float> weight,
              float eps, std::span<float> result);
[[nodiscard]] Matrix rms_norm(const Numerics& numerics, const Matrix& x,
                              std::span<const float> weight, float eps);

// (x - mean) / sqrt(variance + eps) * w + b with the population variance, rounded once.
void layer_norm(const Numerics& numerics, std::span<const float> x, std::span<const float> weight,
                std::span<const float> bias, float eps, std::span<float> result);

}  // namespace slipstream::model::reference
