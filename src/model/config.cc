#include "model/config.h"

#include <fmt/core.h>

#include <cmath>
#include <cstddef>
#include <limits>

#include "io/json_reader.h"
#include "slipstream/error.h"

namespace slipstream::model {
namespace {

constexpr int kBlock =
    128;  // quantization blocks; every matrix dimension but the vocabulary is made of them
constexpr int kLatent = 512;
constexpr int kRope = 64;
constexpr int kIndexHeadDim = 128;
constexpr int kMaxIndexHeads = 64;
constexpr int kMaxTopK = 2048;
constexpr int kMaxExperts = 512;
constexpr int kMaxGroups = 32;
constexpr int kMaxExpertsPerToken = 32;
constexpr int kMaxWidth = 1 << 17;
constexpr int kMaxLayers = 1024;

int block_multiple(const io::JsonReader& json, const std::string& key) {
  const std::string must_be =
      fmt::format("a multiple of {} from {} to {}", kBlock, kBlock, kMaxWidth);
  if (!json.has(key)) json.fail(key, must_be);
  const int64_t value = json.integer(key);
  if (value < kBlock || value > kMaxWidth || value % kBlock != 0) json.fail(key, must_be);
  return static_cast<int>(value);
}

double positive(const io::JsonReader& json, const std::string& key) {
  const double value = json.number(key);
  if (value <= 0) json.fail(key, "above 0");
  return value;
}

// The same as fp32, which must neither overflow nor vanish.
float positive_float(const io::JsonReader& json, const std::string& key) {
  const double value = positive(json, key);
  if (value > std::numeric_limits<float>::max() || value < std::numeric_limits<float>::min()) {
    json.fail(key, "a positive fp32 number");
  }
  return static_cast<float>(value);
}

// A key that may be absent, but not different.
void only(const io::JsonReader& json, const std::string& key, int64_t value) {
  if (json.integer_or(key, value) != value) json.fail(key, fmt::format("{} (or absent)", value));
}

void only(const io::JsonReader& json, const std::string& key, bool value) {
  if (json.boolean_or(key, value) != value) json.fail(key, fmt::format("{} (or absent)", value));
}

void only(const io::JsonReader& json, const std::string& key, const char* value) {
  if (json.text_or(key, value) != value) json.fail(key, fmt::format("\"{}\" (or absent)", value));
}

ModelType read_model_type(const io::JsonReader& json) {
  const std::string type = json.text("model_type");
  if (type == "deepseek_v3") return ModelType::kDeepseekV3;
  if (type == "deepseek_v32") return ModelType::kDeepseekV32;
  if (type == "glm_moe_dsa") return ModelType::kGlmMoeDsa;
  json.fail("model_type", "deepseek_v3, deepseek_v32 or glm_moe_dsa");
}

void read_sizes(const io::JsonReader& json, ModelConfig& config) {
  config.vocab_size = json.count("vocab_size", 1, 1 << 24);
  config.hidden_size = block_multiple(json, "hidden_size");
  config.num_hidden_layers = json.count("num_hidden_layers", 1, kMaxLayers);
  config.num_nextn_predict_layers =
      json.has("num_nextn_predict_layers") ? json.count("num_nextn_predict_layers", 0, 16) : 0;
  config.max_position_embeddings = json.count("max_position_embeddings", 1, 1 << 30);
  for (const int64_t id : json.integers("eos_token_id")) {
    if (id < 0 || id > (1 << 24)) json.fail("eos_token_id", "token ids");
    config.eos_token_ids.push_back(static_cast<int>(id));
  }
  config.rms_norm_eps = positive_float(json, "rms_norm_eps");
  config.lora_norm_eps = config.rms_norm_eps;
  only(json, "tie_word_embeddings", false);
}

void read_attention(const io::JsonReader& json, ModelConfig& config) {
  config.num_attention_heads = json.count("num_attention_heads", 1, 1024);
  only(json, "num_key_value_heads", int64_t{config.num_attention_heads});
  only(json, "attention_bias", false);
  config.q_lora_rank = block_multiple(json, "q_lora_rank");
  config.kv_lora_rank = json.count("kv_lora_rank", kLatent, kLatent);
  config.qk_rope_head_dim = json.count("qk_rope_head_dim", kRope, kRope);
  config.qk_nope_head_dim = static_cast<int>(json.integer("qk_nope_head_dim"));
  config.v_head_dim = static_cast<int>(json.integer("v_head_dim"));
  const bool deepseek = config.qk_nope_head_dim == 128 && config.v_head_dim == 128;
  const bool glm = config.qk_nope_head_dim == 192 && config.v_head_dim == 256;
  if (!deepseek && !glm) {
    json.fail("qk_nope_head_dim and v_head_dim", "128 and 128, or 192 and 256",
              fmt::format("{} and {}", config.qk_nope_head_dim, config.v_head_dim));
  }
  // head_dim is not read on purpose: in GLM's configs it is a decoy (64 or 192, neither of them a
  // head's size).
  only(json, "qk_head_dim", int64_t{config.qk_head_dim()});
}

std::vector<IndexerType> types_from_list(const io::JsonReader& json,
                                         const std::vector<std::string>& names) {
  std::vector<IndexerType> types;
  for (const std::string& name : names) {
    if (name != "full" && name != "shared") {
      json.fail("indexer_types", R"(a list of "full" and "shared")", '"' + name + '"');
    }
    types.push_back(name == "full" ? IndexerType::kFull : IndexerType::kShared);
  }
  return types;
}

std::vector<IndexerType> types_from_pattern(const io::JsonReader& json,
                                            const std::string& pattern) {
  std::vector<IndexerType> types;
  for (const char letter : pattern) {
    if (letter != 'F' && letter != 'S') json.fail("index_topk_pattern", "made of F and S");
    types.push_back(letter == 'F' ? IndexerType::kFull : IndexerType::kShared);
  }
  return types;
}

std::vector<IndexerType> types_from_rule(const io::JsonReader& json, int layers) {
  const auto frequency =
      json.has("index_topk_freq") ? json.count("index_topk_freq", 1, kMaxLayers) : 1;
  const auto offset =
      json.has("index_skip_topk_offset") ? json.count("index_skip_topk_offset", 0, kMaxLayers) : 2;
  std::vector<IndexerType> types;
  for (int layer = 0; layer < layers; ++layer) {
    const bool full = std::max(layer - offset + 1, 0) % frequency == 0;
    types.push_back(full ? IndexerType::kFull : IndexerType::kShared);
  }
  return types;
}

// The explicit list is the truth, then the pattern, then the rule.
std::vector<IndexerType> read_indexer_types(const io::JsonReader& json, int layers) {
  const auto list = json.texts("indexer_types");
  const std::string pattern = json.text_or("index_topk_pattern", "");
  const char* key = list ? "indexer_types" : "index_topk_pattern";
  std::vector<IndexerType> types;
  if (list) {
    types = types_from_list(json, *list);
    if (!pattern.empty() && types_from_pattern(json, pattern) != types) {
      json.fail("index_topk_pattern", "what indexer_types says");
    }
  } else {
    types = pattern.empty() ? types_from_rule(json, layers) : types_from_pattern(json, pattern);
  }
  if (types.size() != static_cast<size_t>(layers)) {
    json.fail(key, fmt::format("one entry for each of num_hidden_layers = {} layers", layers),
              fmt::format("{} entries", types.size()));
  }
  if (types.front() == IndexerType::kShared) {
    json.fail(key, "\"full\" for layer 0, which has nobody to share with", "\"shared\"");
  }
  return types;
}

void read_indexer(const io::JsonReader& json, ModelConfig& config) {
  if (config.model_type == ModelType::kDeepseekV3) {
    for (const char* key : {"index_n_heads", "index_head_dim", "index_topk"}) {
      if (json.has(key)) json.fail(key, "absent for model_type deepseek_v3, which has no indexer");
    }
    config.indexer_types.assign(config.num_hidden_layers, IndexerType::kNone);
    return;
  }
  config.index_n_heads = json.count("index_n_heads", 1, kMaxIndexHeads);
  config.index_head_dim = json.count("index_head_dim", kIndexHeadDim, kIndexHeadDim);
  config.index_topk = json.count("index_topk", 1, kMaxTopK);
  config.indexer_types = read_indexer_types(json, config.num_hidden_layers);
  config.index_share_for_mtp_iteration = json.boolean_or("index_share_for_mtp_iteration", false);
}

std::vector<MlpType> read_mlp_types(const io::JsonReader& json, int layers) {
  only(json, "moe_layer_freq", int64_t{1});
  const auto list = json.texts("mlp_layer_types");
  std::vector<MlpType> types;
  if (list) {
    for (const std::string& name : *list) {
      if (name != "dense" && name != "sparse") {
        json.fail("mlp_layer_types", R"(a list of "dense" and "sparse")", '"' + name + '"');
      }
      types.push_back(name == "dense" ? MlpType::kDense : MlpType::kSparse);
    }
    if (types.size() != static_cast<size_t>(layers)) {
      json.fail("mlp_layer_types",
                fmt::format("one entry for each of num_hidden_layers = {} layers", layers),
                fmt::format("{} entries", types.size()));
    }
    if (!json.has("first_k_dense_replace")) return types;
  }
  // Models that are dense throughout still say so with a number of layers at least as large as
  // theirs.
  const int dense = json.count("first_k_dense_replace", 0, kMaxLayers);
  std::vector<MlpType> by_count;
  by_count.reserve(layers);
  for (int layer = 0; layer < layers; ++layer) {
    by_count.push_back(layer < dense ? MlpType::kDense : MlpType::kSparse);
  }
  if (list && by_count != types) {
    json.fail("first_k_dense_replace", "what mlp_layer_types says");
  }
  return by_count;
}

void read_groups(const io::JsonReader& json, ModelConfig& config) {
  config.n_group = json.has("n_group") ? json.count("n_group", 1, kMaxGroups) : 1;
  config.topk_group = json.has("topk_group") ? json.count("topk_group", 1, kMaxExperts) : 1;
  if (config.n_routed_experts % config.n_group != 0) {
    json.fail("n_group",
              fmt::format("a divisor of n_routed_experts = {}", config.n_routed_experts));
  }
  if (config.topk_group > config.n_group) {
    json.fail("topk_group", fmt::format("at most n_group = {}", config.n_group));
  }
  const int group_size = config.n_routed_experts / config.n_group;
  if (config.n_group > 1 && group_size < 2) {
    json.fail("n_group", "small enough for two experts per group, whose scores rank the group");
  }
  const int candidates = group_size * config.topk_group;
  if (config.num_experts_per_tok > candidates) {
    json.fail("num_experts_per_tok",
              fmt::format("at most {}, the experts of topk_group = {} groups", candidates,
                          config.topk_group));
  }
}

void read_mlp(const io::JsonReader& json, ModelConfig& config) {
  only(json, "hidden_act", "silu");
  only(json, "topk_method", "noaux_tc");
  only(json, "scoring_func", "sigmoid");
  only(json, "norm_topk_prob", true);
  config.intermediate_size = block_multiple(json, "intermediate_size");
  config.moe_intermediate_size = block_multiple(json, "moe_intermediate_size");
  config.mlp_types = read_mlp_types(json, config.num_hidden_layers);
  config.n_routed_experts = json.count("n_routed_experts", 1, kMaxExperts);
  config.n_shared_experts = json.count("n_shared_experts", 1, 8);
  config.num_experts_per_tok = json.count("num_experts_per_tok", 1, kMaxExpertsPerToken);
  config.routed_scaling_factor = positive_float(json, "routed_scaling_factor");
  read_groups(json, config);
}

Yarn read_yarn(const io::JsonReader& rope) {
  Yarn yarn{.factor = rope.number("factor"),
            .beta_fast = positive(rope, "beta_fast"),
            .beta_slow = positive(rope, "beta_slow"),
            .mscale_all_dim = positive(rope, "mscale_all_dim"),
            .original_max_position_embeddings = positive(rope, "original_max_position_embeddings")};
  if (yarn.factor < 1) rope.fail("factor", "at least 1");
  // Their quotient would scale cos and sin; the released models make it 1.
  if (rope.number("mscale") != yarn.mscale_all_dim) {
    rope.fail("mscale", fmt::format("mscale_all_dim = {}", yarn.mscale_all_dim));
  }
  if (yarn.beta_fast <= yarn.beta_slow) rope.fail("beta_fast", "above beta_slow");
  return yarn;
}

double read_rope_theta(const io::JsonReader& json, const io::JsonReader* parameters) {
  const bool inside = parameters != nullptr && parameters->has("rope_theta");
  if (!inside) return positive(json, "rope_theta");
  const double theta = positive(*parameters, "rope_theta");
  if (json.has("rope_theta") && json.number("rope_theta") != theta) {
    json.fail("rope_theta", fmt::format("rope_parameters.rope_theta = {}", theta));
  }
  return theta;
}

// DeepSeek: rope_theta at the top and YaRN in rope_scaling; GLM: both in rope_parameters, which
// recent versions of transformers write for every model.
void read_rope(const io::JsonReader& json, ModelConfig& config) {
  if (json.has("rope_parameters") && json.has("rope_scaling")) {
    json.fail("rope_scaling", "absent where rope_parameters is given");
  }
  const char* key = json.has("rope_parameters") ? "rope_parameters" : "rope_scaling";
  std::optional<io::JsonReader> parameters;
  if (json.has(key)) parameters = json.object(key);
  config.rope_theta = read_rope_theta(json, parameters ? &*parameters : nullptr);

  std::string type = "default";
  if (parameters) {
    const char* type_key = parameters->has("rope_type") ? "rope_type" : "type";
    type = parameters->text_or(type_key, "default");
    const bool yarn_allowed = config.model_type != ModelType::kGlmMoeDsa;
    if (type != "default" && !(type == "yarn" && yarn_allowed)) {
      parameters->fail(type_key, yarn_allowed ? R"("yarn" or "default")" : "\"default\"");
    }
  }
  if (type == "yarn") config.yarn = read_yarn(*parameters);

  only(json, "rope_interleave", true);
  const bool glm = config.model_type == ModelType::kGlmMoeDsa;
  config.indexer_rope = json.boolean_or("indexer_rope_interleave", glm) ? RopeLayout::kInterleaved
                                                                        : RopeLayout::kHalfSplit;
}

void read_quantization(const io::JsonReader& json, ModelConfig& config) {
  if (!json.has("quantization_config")) return;
  const io::JsonReader quantization = json.object("quantization_config");
  if (quantization.text("quant_method") != "fp8") quantization.fail("quant_method", "\"fp8\"");
  only(quantization, "fmt", "e4m3");
  only(quantization, "activation_scheme", "dynamic");
  if (quantization.integers("weight_block_size") != std::vector<int64_t>{kBlock, kBlock}) {
    quantization.fail("weight_block_size", "[128, 128]");
  }
  only(quantization, "scale_fmt", "ue8m0");
  // modules_to_not_convert is not read: it names modules that do not exist. A weight_scale_inv
  // next to a weight decides.
  config.ue8m0_activations = quantization.has("scale_fmt");
}

ModelConfig interpret(const io::JsonReader& json) {
  ModelConfig config;
  config.model_type = read_model_type(json);
  read_sizes(json, config);
  read_attention(json, config);
  read_indexer(json, config);
  read_mlp(json, config);
  read_rope(json, config);
  read_quantization(json, config);
  return config;
}

}  // namespace

IndexerType ModelConfig::indexer_type(int layer) const {
  if (layer < num_hidden_layers) return indexer_types.at(layer);
  return has_indexer() ? IndexerType::kFull : IndexerType::kNone;
}

MlpType ModelConfig::mlp_type(int layer) const {
  return layer < num_hidden_layers ? mlp_types.at(layer) : MlpType::kSparse;
}

double ModelConfig::softmax_scale() const {
  const double scale = 1 / std::sqrt(static_cast<double>(qk_head_dim()));
  if (!yarn) return scale;
  const double mscale = 0.1 * yarn->mscale_all_dim * std::log(yarn->factor) + 1;
  return scale * mscale * mscale;
}

ModelConfig parse_model_config(const std::string& text, const std::string& file) {
  return interpret(io::JsonReader::parse(text, file));
}

ModelConfig read_model_config(const std::string& file) {
  return interpret(io::JsonReader::read(file));
}

std::string to_string(ModelType type) {
  switch (type) {
    case ModelType::kDeepseekV3:
      return "deepseek_v3";
    case ModelType::kDeepseekV32:
      return "deepseek_v32";
    case ModelType::kGlmMoeDsa:
      return "glm_moe_dsa";
  }
  return "unknown";
}

}  // namespace slipstream::model
