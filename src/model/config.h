// What config.json says about a model of the DeepSeek-V3.2 / GLM-5 family, checked and with every
// default filled in.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace slipstream::model {

enum class ModelType { kDeepseekV3, kDeepseekV32, kGlmMoeDsa };

// Which pairs a rotary embedding turns: (2i, 2i + 1) or (i, i + 32). A property of each module, not
// of the model.
enum class RopeLayout { kInterleaved, kHalfSplit };

// A full layer computes its own index list, a shared one reuses the list of the last full layer
// before it.
enum class IndexerType { kNone, kFull, kShared };

enum class MlpType { kDense, kSparse };

// Context extension of DeepSeek's checkpoints.
struct Yarn {
  double factor = 0;
  double beta_fast = 0;
  double beta_slow = 0;
  double mscale_all_dim = 0;
  double original_max_position_embeddings = 0;
};

// Names are config.json's own where it has one.
struct ModelConfig {
  ModelType model_type = ModelType::kDeepseekV32;
  int vocab_size = 0;
  int hidden_size = 0;
  int num_hidden_layers = 0;
  int num_nextn_predict_layers = 0;  // MTP layers, stored after the others
  int max_position_embeddings = 0;
  std::vector<int> eos_token_ids;

  int num_attention_heads = 0;
  int q_lora_rank = 0;
  int kv_lora_rank = 0;
  int qk_nope_head_dim = 0;
  int qk_rope_head_dim = 0;
  int v_head_dim = 0;

  int index_n_heads = 0;  // these three are 0 for a model without an indexer
  int index_head_dim = 0;
  int index_topk = 0;
  std::vector<IndexerType> indexer_types;  // [num_hidden_layers]; an MTP layer is always full
  // Drafts after a round's first take the MTP layer's index list from it.
  bool index_share_for_mtp_iteration = false;

  int intermediate_size = 0;  // dense layers
  int moe_intermediate_size = 0;
  std::vector<MlpType> mlp_types;  // [num_hidden_layers]; an MTP layer is always sparse
  int n_routed_experts = 0;
  int n_shared_experts = 0;
  int num_experts_per_tok = 0;
  int n_group = 0;
  int topk_group = 0;
  float routed_scaling_factor = 0;

  float rms_norm_eps = 0;
  // The q_a and kv_a norms. The field disagrees for GLM: vLLM takes rms_norm_eps (as here),
  // transformers 1e-6.
  float lora_norm_eps = 0;
  float layer_norm_eps = 1e-6F;  // the indexer's key norm, in every model
  // Index queries and keys are transformed before they are quantized; not for caches that other
  // engines fill.
  bool index_hadamard = true;

  double rope_theta = 0;
  std::optional<Yarn> yarn;
  RopeLayout mla_rope = RopeLayout::kInterleaved;
  RopeLayout indexer_rope = RopeLayout::kHalfSplit;

  // Activation scales of fp8 linears are rounded up to powers of two.
  bool ue8m0_activations = false;

  [[nodiscard]] bool has_indexer() const { return index_topk > 0; }
  [[nodiscard]] int qk_head_dim() const { return qk_nope_head_dim + qk_rope_head_dim; }
  // One row of the latent cache: [latent | rotated key].
  [[nodiscard]] int latent_width() const { return kv_lora_rank + qk_rope_head_dim; }
  [[nodiscard]] IndexerType indexer_type(int layer) const;
  [[nodiscard]] MlpType mlp_type(int layer) const;
  // Multiplies q.k in attention: (nope + rope)^-0.5, with YaRN's mscale squared where there is
  // YaRN.
  [[nodiscard]] double softmax_scale() const;
};

// Reads `file` (a config.json). Throws InvalidArgument that names file, key, what the value must be
// and what it is for unknown model types, unsupported geometry and values that contradict each
// other.
[[nodiscard]] ModelConfig read_model_config(const std::string& file);
// The same from text in memory; `file` names it in errors.
[[nodiscard]] ModelConfig parse_model_config(const std::string& text, const std::string& file);

[[nodiscard]] std::string to_string(ModelType type);

}  // namespace slipstream::model
