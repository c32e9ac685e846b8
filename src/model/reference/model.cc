#include "model/reference/model.h"

#include "model/reference/rope.h"
#include "model/tensor_specs.h"

namespace slipstream::model::reference {
namespace {

class Loader {
 public:
  Loader(const Checkpoint& checkpoint, const Numerics& numerics)
      : checkpoint_(checkpoint), config_(checkpoint.config()), numerics_(numerics) {}

  [[nodiscard]] LayerWeights layer(int index) const {
    const std::string prefix = layer_prefix(index);
    LayerWeights weights;
    weights.input_norm = checkpoint_.vector(prefix + "input_layernorm.weight");
    weights.attention = attention(index);
    weights.post_attention_norm = checkpoint_.vector(prefix + "post_attention_layernorm.weight");
    if (config_.mlp_type(index) == MlpType::kDense) {
      weights.dense = gated_mlp(prefix + "mlp.");
    } else {
      weights.moe = moe(index);
    }
    return weights;
  }

  [[nodiscard]] MtpWeights mtp() const {
    const std::string prefix = layer_prefix(config_.num_hidden_layers);
    return {.embedding_norm = checkpoint_.vector(prefix + "enorm.weight"),
            .hidden_norm = checkpoint_.vector(prefix + "hnorm.weight"),
            .eh_proj = load_linear(checkpoint_, prefix + "eh_proj.weight"),
            .head_norm = checkpoint_.vector(prefix + "shared_head.norm.weight")};
  }

 private:
  [[nodiscard]] AttentionWeights attention(int index) const {
    const std::string prefix = layer_prefix(index) + "self_attn.";
    AttentionWeights weights;
    weights.q_a = load_linear(checkpoint_, prefix + "q_a_proj.weight");
    weights.q_a_norm = checkpoint_.vector(prefix + "q_a_layernorm.weight");
    weights.q_b = load_linear(checkpoint_, prefix + "q_b_proj.weight");
    weights.kv_a = load_linear(checkpoint_, prefix + "kv_a_proj_with_mqa.weight");
    weights.kv_a_norm = checkpoint_.vector(prefix + "kv_a_layernorm.weight");
    weights.o = load_linear(checkpoint_, prefix + "o_proj.weight");
    load_absorbed(index, weights);
    if (config_.indexer_type(index) == IndexerType::kFull) {
      weights.indexer = indexer(prefix + "indexer.");
    }
    return weights;
  }

  void load_absorbed(int index, AttentionWeights& weights) const {
    const MatrixShare kv_b = checkpoint_.matrix(layer_prefix(index) + "self_attn.kv_b_proj.weight");
    const int head_rows = config_.qk_nope_head_dim + config_.v_head_dim;
    for (int64_t row = 0; row < kv_b.rows; ++row) {
      auto& target = row % head_rows < config_.qk_nope_head_dim ? weights.w_uk : weights.w_uv;
      for (int64_t column = 0; column < kv_b.columns; ++column) {
        target.push_back(numerics_.stored(kv_b.raw(row, column) * kv_b.scale(row, column)));
      }
    }
  }

  [[nodiscard]] IndexerWeights indexer(const std::string& prefix) const {
    return {.wq_b = load_linear(checkpoint_, prefix + "wq_b.weight"),
            .wk = load_linear(checkpoint_, prefix + "wk.weight"),
            .k_norm_weight = checkpoint_.vector(prefix + "k_norm.weight"),
            .k_norm_bias = checkpoint_.vector(prefix + "k_norm.bias"),
            .weights_proj = load_linear(checkpoint_, prefix + "weights_proj.weight")};
  }

  [[nodiscard]] GatedMlpWeights gated_mlp(const std::string& prefix) const {
    return {.gate = load_linear(checkpoint_, prefix + "gate_proj.weight"),
            .up = load_linear(checkpoint_, prefix + "up_proj.weight"),
            .down = load_linear(checkpoint_, prefix + "down_proj.weight")};
  }

  [[nodiscard]] MoeWeights moe(int index) const {
    const std::string prefix = layer_prefix(index) + "mlp.";
    MoeWeights weights{
        .router = load_linear(checkpoint_, prefix + "gate.weight"),
        .correction_bias = checkpoint_.vector(prefix + "gate.e_score_correction_bias"),
        .experts = {},
        .shared = gated_mlp(prefix + "shared_experts.")};
    for (int expert = 0; expert < config_.n_routed_experts; ++expert) {
      weights.experts.push_back(gated_mlp(expert_prefix(index, expert)));
    }
    return weights;
  }

  const Checkpoint& checkpoint_;
  const ModelConfig& config_;
  Numerics numerics_;
};

}  // namespace

Model load_model(const Checkpoint& checkpoint, const Numerics& numerics, bool with_mtp) {
  const Loader loader(checkpoint, numerics);
  Model model{.config = checkpoint.config(),
              .numerics = numerics,
              .local_heads = checkpoint.local_heads(),
              .embedding = load_linear(checkpoint, "model.embed_tokens.weight"),
              .layers = {},
              .mtp = {},
              .final_norm = checkpoint.vector("model.norm.weight"),
              .head = load_linear(checkpoint, "lm_head.weight"),
              .inverse_frequencies = inverse_frequencies(checkpoint.config())};
  const int layers = model.config.num_hidden_layers + (with_mtp ? 1 : 0);
  for (int layer = 0; layer < layers; ++layer) model.layers.push_back(loader.layer(layer));
  if (with_mtp) model.mtp = loader.mtp();
  return model;
}

}  // namespace slipstream::model::reference
