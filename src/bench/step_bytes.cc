#include "bench/step_bytes.h"

#include <algorithm>

#include "step/workspace.h"

namespace slipstream::bench {
namespace {

double bytes_of(const step::PackedMatrix& matrix) {
  return static_cast<double>(step::packed_bytes(matrix));
}

bool is_full(const step::LayerWeights& layer) {
  return layer.indexer_type == model::IndexerType::kFull;
}

}  // namespace

void StepBytes::describe(std::vector<StepLaunch>& launches,
                         const std::vector<int>& distinct_experts) const {
  int layer = 0;
  bool behind_attention = false;
  for (StepLaunch& launch : launches) {
    const int experts = layer < config_.num_hidden_layers ? distinct_experts[layer] : 0;
    const Stage stage = stage_of(launch.kernel, layer, behind_attention, experts);
    launch.stage = stage.name;
    launch.bytes = stage.bytes;
    launch.layer = layer;
    if (launch.kernel == "plain_linear") behind_attention = true;
    if (launch.kernel == "silu_linear" || launch.kernel == "expert_down") {
      behind_attention = false;
      ++layer;
    }
  }
}

StepBytes::Stage StepBytes::stage_of(const std::string& kernel, int layer, bool behind_attention,
                                     int experts) const {
  if (layer >= config_.num_hidden_layers) {
    if (kernel == "norm_linear") return head();
    if (kernel == "sample") return sample();
    return {kernel, 0};
  }
  const step::LayerWeights& weights = weights_.layers()[layer];
  if (kernel == "norm_linear") return behind_attention ? middle(weights) : hidden(weights);
  if (kernel == "project_latent") return latent(weights);
  if (kernel == "score_keys") return scores(weights);
  if (kernel == "select_keys") return select();
  if (kernel == "attend") return attend();
  if (kernel == "project_values") return values(weights);
  if (kernel == "plain_linear") return output(weights);
  if (kernel == "silu_linear") return dense(weights);
  if (kernel == "routed_experts") return routed(weights, experts);
  if (kernel == "expert_down") return down(weights, experts);
  return {kernel, 0};
}

StepBytes::Stage StepBytes::hidden(const step::LayerWeights& layer) const {
  double bytes = bytes_of(layer.q_a) + bytes_of(layer.kv_a) +
                 activations(3 * config_.hidden_size + layer.q_a.rows + layer.kv_a.rows);
  if (!is_full(layer)) return {"norm_linear: q_a kv_a", bytes};
  bytes += bytes_of(layer.indexer.wk) + bytes_of(layer.indexer.weights_proj) +
           activations(layer.indexer.wk.rows) + activations(layer.indexer.weights_proj.rows, 4);
  return {"norm_linear: q_a kv_a wk w", bytes};
}

StepBytes::Stage StepBytes::latent(const step::LayerWeights& layer) const {
  const double row = shape_.fp8_rows ? step::kernels::kFp8RowBytes : step::kernels::kLatentRow * 2;
  double bytes = bytes_of(layer.q_b) +
                 activations(layer.q_b.columns + layer.q_b.rows + layer.kv_a.rows) +
                 activations(row, 1);
  if (!is_full(layer)) return {"project_latent: q_b", bytes};
  bytes += bytes_of(layer.indexer.wq_b) + activations(layer.indexer.wq_b.rows) +
           activations(2 * step::kernels::kIndexWidth + step::kernels::kIndexWidth + 4, 1);
  return {"project_latent: q_b wq_b", bytes};
}

StepBytes::Stage StepBytes::scores(const step::LayerWeights& layer) const {
  const double bytes = bytes_of(layer.w_uk) + activations(layer.w_uk.rows + layer.q_b.rows);
  if (!is_full(layer)) return {"score_keys: w_uk", bytes};
  if (!selects()) return {"score_keys: w_uk keys", bytes};
  const double keys = activations(shape_.context * (step::kernels::kIndexWidth + 4.0), 1);
  return {"score_keys: w_uk keys",
          bytes + keys + activations(shape_.context, 4) + activations(layer.indexer.wq_b.rows)};
}

StepBytes::Stage StepBytes::select() const {
  const double scores = selects() ? activations(shape_.context, 4) : 0;
  return {"select_keys", scores + activations(std::min(shape_.context, config_.index_topk), 4)};
}

StepBytes::Stage StepBytes::attend() const {
  const double row = shape_.fp8_rows ? step::kernels::kFp8RowBytes : step::kernels::kLatentRow * 2;
  const int heads = shapes_.local_heads();
  return {"attend", activations(step::most_keys(config_, shape_.context) * (row + 4), 1) +
                        activations(heads * (step::kernels::kLatentRow + step::kernels::kLatent))};
}

StepBytes::Stage StepBytes::values(const step::LayerWeights& layer) const {
  const int heads = shapes_.local_heads();
  return {"project_values", bytes_of(layer.w_uv) + activations(heads * step::kernels::kLatent) +
                                activations(layer.w_uv.rows)};
}

StepBytes::Stage StepBytes::output(const step::LayerWeights& layer) const {
  return {"plain_linear: o", bytes_of(layer.o) + activations(layer.o.rows + layer.o.columns)};
}

StepBytes::Stage StepBytes::middle(const step::LayerWeights& layer) const {
  const double hidden = activations(3 * config_.hidden_size);
  if (layer.mlp_type == model::MlpType::kDense) {
    const step::PackedMatrix& gate_up = layer.dense.gate_up;
    return {"norm_linear: dense gate_up", hidden + bytes_of(gate_up) + activations(gate_up.rows)};
  }
  return {"norm_linear: router shared", hidden + bytes_of(layer.moe.router) +
                                            bytes_of(layer.moe.shared.gate_up) +
                                            activations(layer.moe.shared.gate_up.rows) +
                                            activations(config_.n_routed_experts, 4)};
}

StepBytes::Stage StepBytes::dense(const step::LayerWeights& layer) const {
  const step::PackedMatrix& down = layer.dense.down;
  return {"silu_linear: dense down", bytes_of(down) + activations(2 * down.columns + down.rows)};
}

StepBytes::Stage StepBytes::routed(const step::LayerWeights& layer, int experts) const {
  const step::PackedMatrix& gate_up = layer.moe.expert.gate_up;
  return {"routed_experts: gate_up",
          experts * bytes_of(gate_up) + activations(config_.n_routed_experts, 4) +
              activations(gate_up.columns + config_.num_experts_per_tok * gate_up.rows)};
}

StepBytes::Stage StepBytes::down(const step::LayerWeights& layer, int experts) const {
  const step::PackedMatrix& down = layer.moe.expert.down;
  return {"expert_down", experts * bytes_of(down) + bytes_of(layer.moe.shared.down) +
                             activations(2.0 * config_.num_experts_per_tok * down.columns +
                                         2.0 * layer.moe.shared.down.columns + down.rows)};
}

StepBytes::Stage StepBytes::head() const {
  return {"norm_linear: head", bytes_of(weights_.head()) + activations(3 * config_.hidden_size) +
                                   activations(weights_.head().rows, 4)};
}

StepBytes::Stage StepBytes::sample() const {
  return {"sample", activations(weights_.head().rows, 4)};
}

}  // namespace slipstream::bench
