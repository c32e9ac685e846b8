#include "model/released_models.h"

#include <fmt/format.h>

#include <filesystem>

#include "slipstream/error.h"

namespace slipstream::model {
namespace {

constexpr const char* kDeepseekV32 = R"({
  "model_type": "deepseek_v32",
  "vocab_size": 129280,
  "hidden_size": 7168,
  "num_hidden_layers": 61,
  "num_nextn_predict_layers": 1,
  "num_attention_heads": 128,
  "num_key_value_heads": 128,
  "q_lora_rank": 1536,
  "kv_lora_rank": 512,
  "qk_nope_head_dim": 128,
  "qk_rope_head_dim": 64,
  "v_head_dim": 128,
  "index_n_heads": 64,
  "index_head_dim": 128,
  "index_topk": 2048,
  "intermediate_size": 18432,
  "moe_intermediate_size": 2048,
  "first_k_dense_replace": 3,
  "moe_layer_freq": 1,
  "n_routed_experts": 256,
  "n_shared_experts": 1,
  "num_experts_per_tok": 8,
  "n_group": 8,
  "topk_group": 4,
  "topk_method": "noaux_tc",
  "scoring_func": "sigmoid",
  "norm_topk_prob": true,
  "routed_scaling_factor": 2.5,
  "hidden_act": "silu",
  "rms_norm_eps": 1e-6,
  "tie_word_embeddings": false,
  "max_position_embeddings": 163840,
  "rope_theta": 10000,
  "rope_scaling": {
    "type": "yarn", "factor": 40, "original_max_position_embeddings": 4096,
    "beta_fast": 32, "beta_slow": 1, "mscale": 1.0, "mscale_all_dim": 1.0
  },
  "eos_token_id": 1,
  "quantization_config": {
    "quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic",
    "weight_block_size": [128, 128], "scale_fmt": "ue8m0"
  }
})";

// GLM-5 and 5.1; {} is what 5.2 changes.
constexpr const char* kGlm5 = R"({{
  "model_type": "glm_moe_dsa",
  "vocab_size": 154880,
  "hidden_size": 6144,
  "num_hidden_layers": 78,
  "num_nextn_predict_layers": 1,
  "num_attention_heads": 64,
  "num_key_value_heads": 64,
  "q_lora_rank": 2048,
  "kv_lora_rank": 512,
  "qk_nope_head_dim": 192,
  "qk_rope_head_dim": 64,
  "v_head_dim": 256,
  "index_n_heads": 32,
  "index_head_dim": 128,
  "index_topk": 2048,
  "indexer_rope_interleave": true,
  "rope_interleave": true,
  "intermediate_size": 12288,
  "moe_intermediate_size": 2048,
  "first_k_dense_replace": 3,
  "moe_layer_freq": 1,
  "n_routed_experts": 256,
  "n_shared_experts": 1,
  "num_experts_per_tok": 8,
  "n_group": 1,
  "topk_group": 1,
  "topk_method": "noaux_tc",
  "scoring_func": "sigmoid",
  "norm_topk_prob": true,
  "routed_scaling_factor": 2.5,
  "hidden_act": "silu",
  "rms_norm_eps": 1e-5,
  "tie_word_embeddings": false,
  "eos_token_id": [154820, 154827, 154829],
  {},
  "quantization_config": {{
    "quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic",
    "weight_block_size": [128, 128]
  }}
}})";
constexpr const char* kGlm5Part = R"("max_position_embeddings": 202752,
  "rope_parameters": {"rope_type": "default", "rope_theta": 1000000})";
constexpr const char* kGlm52Part = R"("max_position_embeddings": 1048576,
  "rope_parameters": {"rope_type": "default", "rope_theta": 8000000},
  "index_topk_freq": 4,
  "index_skip_topk_offset": 3,
  "index_share_for_mtp_iteration": true)";

ModelConfig read_model(const std::string& name) {
  const std::string file = name + "/config.json";
  if (name == "deepseek-v3.2") return parse_model_config(kDeepseekV32, file);
  if (name == "glm-5") return parse_model_config(fmt::format(fmt::runtime(kGlm5), kGlm5Part), file);
  if (name == "glm-5.2") {
    return parse_model_config(fmt::format(fmt::runtime(kGlm5), kGlm52Part), file);
  }
  if (std::filesystem::is_regular_file(name)) return read_model_config(name);
  throw InvalidArgument(fmt::format("model must be {} or a config.json file, is {}",
                                    fmt::join(released_models(), ", "), name));
}

}  // namespace

std::vector<std::string> released_models() { return {"deepseek-v3.2", "glm-5", "glm-5.2"}; }

ModelConfig model_shape(const std::string& name_or_file, int layers) {
  ModelConfig config = read_model(name_or_file);
  if (layers == 0) return config;
  if (layers < 1 || layers > config.num_hidden_layers) {
    throw InvalidArgument(fmt::format("layers must be 1 to {} for {}, is {}",
                                      config.num_hidden_layers, name_or_file, layers));
  }
  config.num_hidden_layers = layers;
  config.indexer_types.resize(layers);
  config.mlp_types.resize(layers);
  return config;
}

}  // namespace slipstream::model
