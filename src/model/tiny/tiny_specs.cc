#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "io/json_reader.h"
#include "model/tiny/tiny_checkpoint.h"
#include "slipstream/error.h"

namespace slipstream::model::tiny {
namespace {

using Json = nlohmann::ordered_json;

Json common() {
  return {{"dtype", "bfloat16"},
          {"hidden_size", 256},
          {"vocab_size", 512},
          {"num_hidden_layers", 3},
          {"num_nextn_predict_layers", 1},
          {"q_lora_rank", 128},
          {"kv_lora_rank", 512},
          {"qk_rope_head_dim", 64},
          {"intermediate_size", 384},
          {"moe_intermediate_size", 128},
          {"moe_layer_freq", 1},
          {"first_k_dense_replace", 1},
          {"n_shared_experts", 1},
          {"num_experts_per_tok", 4},
          {"topk_method", "noaux_tc"},
          {"scoring_func", "sigmoid"},
          {"norm_topk_prob", true},
          {"routed_scaling_factor", 2.5},
          {"hidden_act", "silu"},
          {"attention_bias", false},
          {"tie_word_embeddings", false},
          {"bos_token_id", 0},
          {"eos_token_id", 1}};
}

void add_indexer(Json& config, int heads) {
  config.update({{"index_head_dim", 128}, {"index_n_heads", heads}, {"index_topk", 64}});
}

void add_quantization(Json& config, bool ue8m0) {
  Json quantization = {{"quant_method", "fp8"},
                       {"fmt", "e4m3"},
                       {"activation_scheme", "dynamic"},
                       {"weight_block_size", {128, 128}}};
  if (ue8m0) quantization["scale_fmt"] = "ue8m0";
  config["quantization_config"] = quantization;
}

Json deepseek(const char* model_type, const char* architecture) {
  Json config = common();
  config.update({{"model_type", model_type},
                 {"architectures", {architecture}},
                 {"num_attention_heads", 8},
                 {"num_key_value_heads", 8},
                 {"qk_nope_head_dim", 128},
                 {"v_head_dim", 128},
                 {"n_routed_experts", 24},
                 {"n_group", 8},
                 {"topk_group", 4},
                 {"rms_norm_eps", 1e-6},
                 {"max_position_embeddings", 163840},
                 {"rope_theta", 10000.0},
                 {"rope_scaling",
                  {{"type", "yarn"},
                   {"factor", 40},
                   {"beta_fast", 32},
                   {"beta_slow", 1},
                   {"mscale", 1.0},
                   {"mscale_all_dim", 1.0},
                   {"original_max_position_embeddings", 4096}}}});
  return config;
}

Json glm(double rope_theta, int decoy_head_dim) {
  Json config = common();
  config.update({{"model_type", "glm_moe_dsa"},
                 {"architectures", {"GlmMoeDsaForCausalLM"}},
                 {"num_attention_heads", 4},
                 {"num_key_value_heads", 4},
                 {"qk_nope_head_dim", 192},
                 {"v_head_dim", 256},
                 {"head_dim", decoy_head_dim},
                 {"n_routed_experts", 16},
                 {"n_group", 1},
                 {"topk_group", 1},
                 {"rms_norm_eps", 1e-5},
                 {"max_position_embeddings", 202752},
                 {"rope_parameters", {{"rope_type", "default"}, {"rope_theta", rope_theta}}},
                 {"rope_interleave", true},
                 {"indexer_rope_interleave", true}});
  add_indexer(config, 32);
  return config;
}

TinySpec deepseek_v32() {
  Json config = deepseek("deepseek_v32", "DeepseekV32ForCausalLM");
  add_indexer(config, 64);
  add_quantization(config, true);
  return {"deepseek-v32-tiny", config.dump(1), 11, true, -1.2};
}

TinySpec glm_5() {
  Json config = glm(1e6, 64);
  add_quantization(config, false);
  return {"glm-5-tiny", config.dump(1), 12, true, 0};
}

TinySpec glm_52_bf16() {
  Json config = glm(8e6, 192);
  config["num_hidden_layers"] = 4;
  config["indexer_types"] = {"full", "shared", "full", "shared"};
  return {"glm-5.2-tiny-bf16", config.dump(1), 13, false, 0};
}

// Sizes that 2, 4 and 8 ranks can share, and vocabularies that they cannot share equally.
Json ranks_sizes(int vocab_size) {
  return {{"num_attention_heads", 8},      {"num_key_value_heads", 8}, {"intermediate_size", 1024},
          {"moe_intermediate_size", 1024}, {"n_routed_experts", 8},    {"num_experts_per_tok", 3},
          {"vocab_size", vocab_size}};
}

TinySpec deepseek_v32_ranks() {
  Json config = deepseek("deepseek_v32", "DeepseekV32ForCausalLM");
  add_indexer(config, 64);
  add_quantization(config, true);
  config.update(ranks_sizes(523));
  config.update({{"num_hidden_layers", 2}, {"n_group", 4}, {"topk_group", 2}});
  return {"deepseek-v32-ranks-tiny", config.dump(1), 14, true, -1.2};
}

TinySpec glm_52_ranks() {
  Json config = glm(8e6, 192);
  add_quantization(config, false);
  config.update(ranks_sizes(517));
  config["indexer_types"] = {"full", "shared", "full"};
  return {"glm-5.2-ranks-tiny", config.dump(1), 15, true, 0};
}

// The model before sparse attention: no indexer, and activation scales as they come.
TinySpec deepseek_v3() {
  Json config = deepseek("deepseek_v3", "DeepseekV3ForCausalLM");
  add_quantization(config, false);
  return {"deepseek-v3-tiny", config.dump(1), 14, true, -1.2};
}

// For acceptance of drafts.
TinySpec counting() {
  Json config = glm(8e6, 192);
  config["num_hidden_layers"] = 2;
  config["indexer_types"] = {"full", "shared"};
  config["index_share_for_mtp_iteration"] = true;
  config.update({{"num_attention_heads", 2},
                 {"num_key_value_heads", 2},
                 {"index_n_heads", 8},
                 {"n_routed_experts", 4},
                 {"num_experts_per_tok", 2}});
  return {"counting-tiny", config.dump(1), 16, false, 0, true};
}

}  // namespace

const std::vector<TinySpec>& tiny_specs() {
  static const std::vector<TinySpec> kSpecs = {
      deepseek_v32(),       glm_5(),        glm_52_bf16(), deepseek_v3(),
      deepseek_v32_ranks(), glm_52_ranks(), counting()};
  return kSpecs;
}

const TinySpec& tiny_spec(const std::string& name) {
  const auto& specs = tiny_specs();
  const auto found = std::find_if(specs.begin(), specs.end(),
                                  [&](const TinySpec& spec) { return spec.name == name; });
  if (found != specs.end()) return *found;
  std::string names;
  for (const TinySpec& spec : specs) names += (names.empty() ? "" : ", ") + spec.name;
  throw InvalidArgument(fmt::format("tiny checkpoint must be one of {}, is {}", names, name));
}

TinySpec with_changes(const TinySpec& spec, const std::string& name, const std::string& changes) {
  Json config = Json::parse(spec.config);
  const nlohmann::json replacements = io::parse_json_object(changes, "changes of " + name);
  for (const auto& [key, value] : replacements.items()) config[key] = value;
  TinySpec result = spec;
  result.name = name;
  result.config = config.dump(1);
  return result;
}

}  // namespace slipstream::model::tiny
