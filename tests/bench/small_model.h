// A model of a few hundred columns, as the bench reads its config.
#pragma once

#include <string>

namespace slipstream::bench::test {

inline constexpr const char* kSmallModel = R"({
  "model_type": "deepseek_v32", "vocab_size": 504, "hidden_size": 256, "num_hidden_layers": 3,
  "num_attention_heads": 4, "num_key_value_heads": 4, "q_lora_rank": 128, "kv_lora_rank": 512,
  "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128,
  "index_n_heads": 2, "index_head_dim": 128, "index_topk": 128,
  "intermediate_size": 512, "moe_intermediate_size": 256, "first_k_dense_replace": 1,
  "n_routed_experts": 16, "n_shared_experts": 1, "num_experts_per_tok": 4,
  "n_group": 4, "topk_group": 2, "norm_topk_prob": true, "routed_scaling_factor": 2.5,
  "rms_norm_eps": 1e-6, "max_position_embeddings": 4096, "rope_theta": 10000, "eos_token_id": 1,
  "quantization_config": {
    "quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic",
    "weight_block_size": [128, 128], "scale_fmt": "ue8m0"
  }
})";

// Wide enough for four ranks.
inline std::string small_model_of_four_ranks() {
  std::string config = kSmallModel;
  config.replace(config.find("\"moe_intermediate_size\": 256"), 28,
                 "\"moe_intermediate_size\": 512");
  return config;
}

}  // namespace slipstream::bench::test
