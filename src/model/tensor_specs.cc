#include "model/tensor_specs.h"

#include <utility>

namespace slipstream::model {
namespace {

class SpecList {
 public:
  void linear(std::string name, int64_t rows, int64_t columns, TensorCut cut,
              int64_t cut_unit = 1) {
    specs_.push_back({std::move(name), TensorKind::kLinear, {rows, columns}, cut, false, cut_unit});
  }
  void matrix(std::string name, int64_t rows, int64_t columns,
              TensorCut cut = TensorCut::kReplicate, bool optional = false, int64_t cut_unit = 1) {
    specs_.push_back(
        {std::move(name), TensorKind::kMatrix, {rows, columns}, cut, optional, cut_unit});
  }
  void vector(std::string name, int64_t size) {
    specs_.push_back({std::move(name), TensorKind::kVector, {size}});
  }
  std::vector<TensorSpec> take() { return std::move(specs_); }

 private:
  std::vector<TensorSpec> specs_;
};

void add_indexer(const ModelConfig& config, const std::string& attention, SpecList& list) {
  const std::string prefix = attention + "indexer.";
  list.linear(prefix + "wq_b.weight", int64_t{config.index_n_heads} * config.index_head_dim,
              config.q_lora_rank, TensorCut::kReplicate);
  list.linear(prefix + "wk.weight", config.index_head_dim, config.hidden_size,
              TensorCut::kReplicate);
  list.vector(prefix + "k_norm.weight", config.index_head_dim);
  list.vector(prefix + "k_norm.bias", config.index_head_dim);
  list.matrix(prefix + "weights_proj.weight", config.index_n_heads, config.hidden_size);
}

void add_attention(const ModelConfig& config, int layer, SpecList& list) {
  const std::string prefix = layer_prefix(layer) + "self_attn.";
  const int64_t heads = config.num_attention_heads;
  list.linear(prefix + "q_a_proj.weight", config.q_lora_rank, config.hidden_size,
              TensorCut::kReplicate);
  list.vector(prefix + "q_a_layernorm.weight", config.q_lora_rank);
  list.linear(prefix + "q_b_proj.weight", heads * config.qk_head_dim(), config.q_lora_rank,
              TensorCut::kRows, config.qk_head_dim());
  list.linear(prefix + "kv_a_proj_with_mqa.weight", config.latent_width(), config.hidden_size,
              TensorCut::kReplicate);
  list.vector(prefix + "kv_a_layernorm.weight", config.kv_lora_rank);
  const int64_t kv_rows = config.qk_nope_head_dim + config.v_head_dim;
  list.linear(prefix + "kv_b_proj.weight", heads * kv_rows, config.kv_lora_rank, TensorCut::kRows,
              kv_rows);
  list.linear(prefix + "o_proj.weight", config.hidden_size, heads * config.v_head_dim,
              TensorCut::kColumns, config.v_head_dim);
  if (config.indexer_type(layer) == IndexerType::kFull) add_indexer(config, prefix, list);
}

void add_gated_mlp(const ModelConfig& config, const std::string& prefix, int64_t width,
                   SpecList& list) {
  list.linear(prefix + "gate_proj.weight", width, config.hidden_size, TensorCut::kRows, kMlpUnit);
  list.linear(prefix + "up_proj.weight", width, config.hidden_size, TensorCut::kRows, kMlpUnit);
  list.linear(prefix + "down_proj.weight", config.hidden_size, width, TensorCut::kColumns,
              kMlpUnit);
}

void add_moe(const ModelConfig& config, int layer, SpecList& list) {
  const std::string prefix = layer_prefix(layer) + "mlp.";
  list.matrix(prefix + "gate.weight", config.n_routed_experts, config.hidden_size);
  list.vector(prefix + "gate.e_score_correction_bias", config.n_routed_experts);
  for (int expert = 0; expert < config.n_routed_experts; ++expert) {
    add_gated_mlp(config, expert_prefix(layer, expert), config.moe_intermediate_size, list);
  }
  add_gated_mlp(config, shared_expert_prefix(layer),
                int64_t{config.moe_intermediate_size} * config.n_shared_experts, list);
}

void add_mtp(const ModelConfig& config, int layer, SpecList& list) {
  const std::string prefix = layer_prefix(layer);
  list.vector(prefix + "enorm.weight", config.hidden_size);
  list.vector(prefix + "hnorm.weight", config.hidden_size);
  list.matrix(prefix + "eh_proj.weight", config.hidden_size, 2LL * config.hidden_size,
              TensorCut::kRows, /*optional=*/false, kTileUnit);
  list.vector(prefix + "shared_head.norm.weight", config.hidden_size);
  // Copies of the main model's, which DeepSeek stores and GLM does not.
  list.matrix(prefix + "embed_tokens.weight", config.vocab_size, config.hidden_size,
              TensorCut::kReplicate, true);
  list.matrix(prefix + "shared_head.head.weight", config.vocab_size, config.hidden_size,
              TensorCut::kVocabulary, true);
}

}  // namespace

std::string layer_prefix(int layer) { return "model.layers." + std::to_string(layer) + "."; }

std::string expert_prefix(int layer, int expert) {
  return layer_prefix(layer) + "mlp.experts." + std::to_string(expert) + ".";
}

std::string shared_expert_prefix(int layer) { return layer_prefix(layer) + "mlp.shared_experts."; }

std::vector<TensorSpec> layer_tensors(const ModelConfig& config, int layer) {
  SpecList list;
  const std::string prefix = layer_prefix(layer);
  list.vector(prefix + "input_layernorm.weight", config.hidden_size);
  add_attention(config, layer, list);
  list.vector(prefix + "post_attention_layernorm.weight", config.hidden_size);
  if (config.mlp_type(layer) == MlpType::kDense) {
    add_gated_mlp(config, prefix + "mlp.", config.intermediate_size, list);
  } else {
    add_moe(config, layer, list);
  }
  if (layer >= config.num_hidden_layers) add_mtp(config, layer, list);
  return list.take();
}

std::vector<TensorSpec> outer_tensors(const ModelConfig& config) {
  SpecList list;
  list.matrix("model.embed_tokens.weight", config.vocab_size, config.hidden_size);
  list.vector("model.norm.weight", config.hidden_size);
  list.matrix("lm_head.weight", config.vocab_size, config.hidden_size, TensorCut::kVocabulary);
  return list.take();
}

}  // namespace slipstream::model
