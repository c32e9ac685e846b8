#include "model/reference/moe.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <iterator>
#include <limits>
#include <map>

#include "model/reference/top_k.h"

namespace slipstream::model::reference {
namespace {

// Sets the scores of all groups but the best ones to minus infinity.
void keep_best_groups(const ModelConfig& config, std::vector<float>& scores) {
  if (config.n_group == 1) return;
  const size_t size = scores.size() / config.n_group;
  const auto members = [&](size_t group) { return std::span(scores).subspan(group * size, size); };
  std::vector<float> group_scores(config.n_group);
  for (size_t group = 0; group < group_scores.size(); ++group) {
    std::vector<float> sorted;
    std::ranges::transform(members(group), std::back_inserter(sorted), rank_of);
    std::partial_sort(sorted.begin(), sorted.begin() + 2, sorted.end(), std::greater<>());
    group_scores[group] = sorted[0] + sorted[1];
  }
  const std::vector<int> kept = top_k(group_scores, config.topk_group);
  for (size_t group = 0; group < group_scores.size(); ++group) {
    if (std::binary_search(kept.begin(), kept.end(), static_cast<int>(group))) continue;
    std::ranges::fill(members(group), -std::numeric_limits<float>::infinity());
  }
}

// Rows of x as a matrix of their own.
Matrix gather(const Matrix& x, std::span<const int> tokens) {
  Matrix result(static_cast<int>(tokens.size()), x.columns());
  for (int i = 0; i < result.rows(); ++i) {
    const auto row = x.row(tokens[i]);
    std::copy(row.begin(), row.end(), result.row(i).begin());
  }
  return result;
}

}  // namespace

std::vector<ExpertChoice> choose_experts(const ModelConfig& config,
                                         std::span<const float> router_logits,
                                         std::span<const float> correction_bias) {
  std::vector<float> scores;
  std::vector<float> corrected;
  for (size_t expert = 0; expert < router_logits.size(); ++expert) {
    const auto score = static_cast<float>(1 / (1 + std::exp(-double{router_logits[expert]})));
    scores.push_back(score);
    corrected.push_back(score + correction_bias[expert]);
  }
  keep_best_groups(config, corrected);
  const std::vector<int> experts = top_k(corrected, config.num_experts_per_tok);
  float total = 0;
  for (const int expert : experts) total += scores[expert];
  std::vector<ExpertChoice> choice;
  choice.reserve(experts.size());
  for (const int expert : experts) {
    choice.push_back({expert, config.routed_scaling_factor * scores[expert] / total});
  }
  return choice;
}

Matrix gated_mlp(const Numerics& numerics, const GatedMlpWeights& weights, const Matrix& x) {
  Matrix gated = linear(numerics, weights.gate, x);
  const Matrix up = linear(numerics, weights.up, x);
  for (size_t i = 0; i < gated.values().size(); ++i) {
    const float gate = gated.values()[i];
    const double silu = gate / (1 + std::exp(-double{gate}));
    gated.values()[i] = numerics.stored(static_cast<float>(silu * up.values()[i]));
  }
  return linear(numerics, weights.down, gated);
}

Matrix moe(const Model& model, const MoeWeights& weights, const Matrix& x) {
  const Matrix logits = linear_fp32(weights.router, x);
  std::map<int, std::vector<int>> tokens_of;  // expert -> tokens that chose it
  std::map<int, std::vector<float>> weights_of;
  for (int token = 0; token < x.rows(); ++token) {
    for (const auto& [expert, weight] :
         choose_experts(model.config, logits.row(token), weights.correction_bias)) {
      tokens_of[expert].push_back(token);
      weights_of[expert].push_back(weight);
    }
  }
  Matrix result = gated_mlp(model.numerics, weights.shared, x);
  for (const auto& [expert, tokens] : tokens_of) {
    const Matrix part = gated_mlp(model.numerics, weights.experts[expert], gather(x, tokens));
    for (int i = 0; i < part.rows(); ++i) {
      const auto target = result.row(tokens[i]);
      for (int column = 0; column < part.columns(); ++column) {
        target[column] += weights_of[expert][i] * part.row(i)[column];
      }
    }
  }
  for (float& value : result.values()) value = model.numerics.stored(value);
  return result;
}

}  // namespace slipstream::model::reference
