// Dense and mixture-of-experts MLPs (docs/model.md, 2.11).
#pragma once

#include <span>
#include <vector>

#include "model/reference/matrix.h"
#include "model/reference/model.h"

namespace slipstream::model::reference {

// One expert of one token's choice.
struct ExpertChoice {
  int expert = 0;
  float weight = 0;
};

// Chooses experts from router logits: sigmoid, the best groups by their two best corrected scores,
// then the best corrected scores; the weights are uncorrected, normalized and scaled. Ties go to
// the lower index. In ascending order of experts.
[[nodiscard]] std::vector<ExpertChoice> choose_experts(const ModelConfig& config,
                                                       std::span<const float> router_logits,
                                                       std::span<const float> correction_bias);

// down(silu(gate(x)) * up(x))
[[nodiscard]] Matrix gated_mlp(const Numerics& numerics, const GatedMlpWeights& weights,
                               const Matrix& x);

// Weighted experts plus the shared expert, added in fp32 and rounded once.
[[nodiscard]] Matrix moe(const Model& model, const MoeWeights& weights, const Matrix& x);

}  // namespace slipstream::model::reference
