#include "model/config.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "io/json_reader.h"
#include "tests/model/support/tiny_files.h"

namespace slipstream::model::test {
namespace {

using nlohmann::json;

json config_of(const std::string& name) {
  return io::parse_json_object(tiny::tiny_spec(name).config, "text");
}

ModelConfig parse(const json& config) { return parse_model_config(config.dump(), "config.json"); }

// The published GLM-5.2 keys that decide about sharing.
json glm_52() {
  json config = config_of("glm-5-tiny");
  config.update(json{{"num_hidden_layers", 78}, {"first_k_dense_replace", 3}});
  config.update(json{{"index_topk_freq", 4}, {"index_skip_topk_offset", 3}});
  config["index_topk_pattern"] = nullptr;
  return config;
}

std::vector<int> full_layers(const ModelConfig& config) {
  std::vector<int> full;
  for (int layer = 0; layer < config.num_hidden_layers; ++layer) {
    if (config.indexer_type(layer) == IndexerType::kFull) full.push_back(layer);
  }
  return full;
}

void expect_rejected(const json& config, const std::string& message) {
  EXPECT_EQ(message_of([&] { (void)parse(config); }), message);
}

void expect_rejected_with(const std::string& key, const json& value, const std::string& message) {
  json config = config_of("glm-5-tiny");
  config[key] = value;
  expect_rejected(config, message);
}

TEST(Config, ReadsDeepseekV32) {
  const ModelConfig config = parse(config_of("deepseek-v32-tiny"));
  EXPECT_EQ(config.model_type, ModelType::kDeepseekV32);
  EXPECT_EQ(config.hidden_size, 256);
  EXPECT_EQ(config.qk_head_dim(), 192);
  EXPECT_EQ(config.latent_width(), 576);
  EXPECT_EQ(config.index_n_heads, 64);
  EXPECT_EQ(config.n_group, 8);
  EXPECT_EQ(config.topk_group, 4);
  EXPECT_TRUE(config.ue8m0_activations);
  EXPECT_EQ(config.eos_token_ids, std::vector<int>{1});
}

TEST(Config, RotatesHalvesInDeepseeksIndexerAndPairsEverywhereElse) {
  EXPECT_EQ(parse(config_of("deepseek-v32-tiny")).indexer_rope, RopeLayout::kHalfSplit);
  EXPECT_EQ(parse(config_of("deepseek-v32-tiny")).mla_rope, RopeLayout::kInterleaved);
  EXPECT_EQ(parse(config_of("glm-5-tiny")).indexer_rope, RopeLayout::kInterleaved);
  json silent = config_of("glm-5-tiny");
  silent.erase("indexer_rope_interleave");
  EXPECT_EQ(parse(silent).indexer_rope, RopeLayout::kInterleaved);
}

TEST(Config, FollowsAnExplicitIndexerLayout) {
  json config = config_of("glm-5-tiny");
  config["indexer_rope_interleave"] = false;
  EXPECT_EQ(parse(config).indexer_rope, RopeLayout::kHalfSplit);
}

TEST(Config, FindsGlmsThetaInsideRopeParameters) {
  EXPECT_DOUBLE_EQ(parse(config_of("glm-5-tiny")).rope_theta, 1e6);
  EXPECT_DOUBLE_EQ(parse(config_of("glm-5.2-tiny-bf16")).rope_theta, 8e6);
  EXPECT_FALSE(parse(config_of("glm-5-tiny")).yarn.has_value());
}

TEST(Config, ReadsYarnFromRopeParametersAsWell) {
  json config = config_of("deepseek-v32-tiny");
  json rope = config["rope_scaling"];
  rope.erase("type");
  rope.update(json{{"rope_type", "yarn"}, {"rope_theta", 10000.0}});
  config.erase("rope_scaling");
  config.erase("rope_theta");
  config["rope_parameters"] = rope;
  EXPECT_DOUBLE_EQ(parse(config).yarn.value().factor, 40);
  EXPECT_DOUBLE_EQ(parse(config).rope_theta, 10000);
}

TEST(Config, IgnoresTheDecoyHeadDim) {
  json config = config_of("glm-5.2-tiny-bf16");
  config["head_dim"] = 7;
  EXPECT_EQ(parse(config).qk_head_dim(), 256);
}

TEST(Config, ScalesAttentionByHeadWidthAndYarnsMscaleSquared) {
  EXPECT_NEAR(parse(config_of("deepseek-v32-tiny")).softmax_scale(), 0.1352337789, 1e-10);
  EXPECT_DOUBLE_EQ(parse(config_of("glm-5-tiny")).softmax_scale(), 0.0625);
}

TEST(Config, GivesTheLoraNormsTheModelsEpsilonButTheIndexerItsOwn) {
  const ModelConfig config = parse(config_of("glm-5-tiny"));
  EXPECT_FLOAT_EQ(config.lora_norm_eps, 1e-5F);
  EXPECT_FLOAT_EQ(config.layer_norm_eps, 1e-6F);
}

TEST(Config, KeepsPlainActivationScalesWithoutScaleFmt) {
  EXPECT_FALSE(parse(config_of("glm-5-tiny")).ue8m0_activations);
  EXPECT_FALSE(parse(config_of("glm-5.2-tiny-bf16")).ue8m0_activations);
}

TEST(Config, GivesDeepseekV3NoIndexer) {
  const ModelConfig config = parse(config_of("deepseek-v3-tiny"));
  EXPECT_FALSE(config.has_indexer());
  EXPECT_EQ(config.indexer_type(0), IndexerType::kNone);
  EXPECT_EQ(config.indexer_type(config.num_hidden_layers), IndexerType::kNone);
}

TEST(Config, SharesIndexListsByTheRuleWhereThereIsNoList) {
  const std::vector<int> full = full_layers(parse(glm_52()));
  ASSERT_EQ(full.size(), 21U);
  EXPECT_EQ(std::vector<int>(full.begin(), full.begin() + 5), (std::vector<int>{0, 1, 2, 6, 10}));
  EXPECT_EQ(full.back(), 74);
}

TEST(Config, HasFullLayersOnlyWithTheRulesDefaults) {
  EXPECT_EQ(full_layers(parse(config_of("glm-5-tiny"))).size(), 3U);
}

TEST(Config, PrefersThePatternToTheRule) {
  json config = glm_52();
  config["index_topk_pattern"] = std::string("FF").append(76, 'S');
  EXPECT_EQ(full_layers(parse(config)), (std::vector<int>{0, 1}));
}

TEST(Config, PrefersTheListToTheRule) {
  json config = config_of("glm-5.2-tiny-bf16");
  config["index_topk_freq"] = 1;
  EXPECT_EQ(full_layers(parse(config)), (std::vector<int>{0, 2}));
}

TEST(Config, MakesTheMtpLayerFullAndSparse) {
  const ModelConfig config = parse(config_of("glm-5.2-tiny-bf16"));
  EXPECT_EQ(config.indexer_type(4), IndexerType::kFull);
  EXPECT_EQ(config.mlp_type(4), MlpType::kSparse);
}

TEST(Config, TakesTheMlpTypesFromTheirList) {
  json config = config_of("glm-5-tiny");
  config.erase("first_k_dense_replace");
  config["mlp_layer_types"] = {"dense", "sparse", "dense"};
  EXPECT_EQ(parse(config).mlp_type(1), MlpType::kSparse);
  EXPECT_EQ(parse(config).mlp_type(2), MlpType::kDense);
}

TEST(Config, RejectsUnknownModelTypes) {
  expect_rejected_with("model_type", "glm_moe_dsa_flash",
                       "config.json: model_type must be deepseek_v3, deepseek_v32 or glm_moe_dsa, "
                       "is \"glm_moe_dsa_flash\"");
}

TEST(Config, RejectsHeadsOfOtherShapes) {
  expect_rejected_with("qk_nope_head_dim", 128,
                       "config.json: qk_nope_head_dim and v_head_dim must be 128 and 128, or 192 "
                       "and 256, is 128 and 256");
  expect_rejected_with("kv_lora_rank", 256, "config.json: kv_lora_rank must be 512, is 256");
  expect_rejected_with("qk_rope_head_dim", 32, "config.json: qk_rope_head_dim must be 64, is 32");
  expect_rejected_with("index_head_dim", 64, "config.json: index_head_dim must be 128, is 64");
  expect_rejected_with("qk_head_dim", 192,
                       "config.json: qk_head_dim must be 256 (or absent), is 192");
}

TEST(Config, RejectsSizesThatAreNotMadeOfBlocks) {
  expect_rejected_with("hidden_size", 320,
                       "config.json: hidden_size must be a multiple of 128 from 128 to 131072, is "
                       "320");
  expect_rejected_with("moe_intermediate_size", 0,
                       "config.json: moe_intermediate_size must be a multiple of 128 from 128 to "
                       "131072, is 0");
  expect_rejected_with("q_lora_rank", 131072 + 128,
                       "config.json: q_lora_rank must be a multiple of 128 from 128 to 131072, is "
                       "131200");
}

TEST(Config, RejectsNumbersBeyondTheirLimits) {
  expect_rejected_with("num_attention_heads", 0,
                       "config.json: num_attention_heads must be an integer from 1 to 1024, is 0");
  expect_rejected_with("index_topk", 2049,
                       "config.json: index_topk must be an integer from 1 to 2048, is 2049");
  expect_rejected_with("index_topk", 0,
                       "config.json: index_topk must be an integer from 1 to 2048, is 0");
  expect_rejected_with("n_routed_experts", 513,
                       "config.json: n_routed_experts must be an integer from 1 to 512, is 513");
  expect_rejected_with("rms_norm_eps", 1e-300,
                       "config.json: rms_norm_eps must be a positive fp32 number, is 1e-300");
  expect_rejected_with(
      "routed_scaling_factor", 1e39,
      "config.json: routed_scaling_factor must be a positive fp32 number, is 1e+39");
  expect_rejected_with("index_n_heads", 65,
                       "config.json: index_n_heads must be an integer from 1 to 64, is 65");
}

TEST(Config, RejectsMissingAndMistypedKeys) {
  json config = config_of("glm-5-tiny");
  config.erase("index_topk");
  expect_rejected(config, "config.json: index_topk must be an integer from 1 to 2048, is absent");
  expect_rejected_with("hidden_size", "256",
                       "config.json: hidden_size must be an integer, is "
                       "\"256\"");
}

TEST(Config, RejectsGroupsThatCannotHoldTheChoice) {
  json config = config_of("deepseek-v32-tiny");
  config["topk_group"] = 1;
  expect_rejected(config,
                  "config.json: num_experts_per_tok must be at most 3, the experts of topk_group "
                  "= 1 groups, is 4");
  config["topk_group"] = 9;
  expect_rejected(config, "config.json: topk_group must be at most n_group = 8, is 9");
  config["n_group"] = 5;
  expect_rejected(config, "config.json: n_group must be a divisor of n_routed_experts = 24, is 5");
}

TEST(Config, RejectsContradictions) {
  expect_rejected_with("num_key_value_heads", 2,
                       "config.json: num_key_value_heads must be 4 (or absent), is 2");
  expect_rejected_with("rope_theta", 10000.0,
                       "config.json: rope_theta must be rope_parameters.rope_theta = 1000000, is "
                       "10000.0");
  expect_rejected_with("mlp_layer_types", {"sparse", "sparse", "sparse"},
                       "config.json: first_k_dense_replace must be what mlp_layer_types says, is "
                       "1");
  json config = config_of("glm-5.2-tiny-bf16");
  config["index_topk_pattern"] = "FFFF";
  expect_rejected(config,
                  "config.json: index_topk_pattern must be what indexer_types says, is \"FFFF\"");
}

TEST(Config, RejectsListsOfTheWrongLength) {
  json config = config_of("glm-5.2-tiny-bf16");
  config["indexer_types"] = {"full", "shared"};
  expect_rejected(config,
                  "config.json: indexer_types must be one entry for each of num_hidden_layers = 4 "
                  "layers, is 2 entries");
}

TEST(Config, RejectsAFirstLayerThatShares) {
  json config = config_of("glm-5.2-tiny-bf16");
  config["indexer_types"] = {"shared", "full", "full", "full"};
  expect_rejected(config,
                  "config.json: indexer_types must be \"full\" for layer 0, which has nobody to "
                  "share with, is \"shared\"");
}

TEST(Config, RejectsYarnThatWouldScaleTheRotations) {
  json config = config_of("deepseek-v32-tiny");
  config["rope_scaling"]["mscale"] = 0.707;
  expect_rejected(config, "config.json: rope_scaling.mscale must be mscale_all_dim = 1, is 0.707");
  config["rope_scaling"].erase("mscale_all_dim");
  expect_rejected(config, "config.json: rope_scaling.mscale_all_dim must be a number, is absent");
}

TEST(Config, RejectsYarnInGlm) {
  expect_rejected_with("rope_parameters", {{"rope_type", "yarn"}, {"rope_theta", 1e6}},
                       "config.json: rope_parameters.rope_type must be \"default\", is \"yarn\"");
}

TEST(Config, RejectsOtherQuantizations) {
  json config = config_of("glm-5-tiny");
  config["quantization_config"]["weight_block_size"] = {1, 128};
  expect_rejected(config,
                  "config.json: quantization_config.weight_block_size must be [128, 128], is "
                  "[1,128]");
  config["quantization_config"] = {{"quant_method", "awq"}};
  expect_rejected(config,
                  "config.json: quantization_config.quant_method must be \"fp8\", is \"awq\"");
}

TEST(Config, RejectsAnIndexerInDeepseekV3) {
  json config = config_of("deepseek-v3-tiny");
  config["index_topk"] = 64;
  expect_rejected(config,
                  "config.json: index_topk must be absent for model_type deepseek_v3, which has no "
                  "indexer, is 64");
}

TEST(Config, NamesTheFileThatIsMissingOrBroken) {
  const TemporaryDirectory directory;
  const std::string file = directory.path("config.json");
  EXPECT_EQ(message_of([&] { (void)read_model_config(file); }),
            file + ": must be a readable regular file, No such file or directory");
  write_text(file, "{\"model_type\": ");
  EXPECT_NE(message_of([&] { (void)read_model_config(file); }).find(file + ": must be JSON"),
            std::string::npos);
  write_text(file, "[1]");
  EXPECT_EQ(message_of([&] { (void)read_model_config(file); }),
            file + ": must be a JSON object, is [1]");
  write_text(file, R"({"hidden_size": 1, "hidden_size": 2})");
  EXPECT_EQ(message_of([&] { (void)read_model_config(file); }),
            file + ": the key \"hidden_size\" must be unique in its object, is repeated");
  write_text(file, R"({"rope_scaling": )" + std::string(1000000, '['));
  EXPECT_EQ(message_of([&] { (void)read_model_config(file); }),
            file + ": must be JSON of at most 32 levels, is deeper");
}

// Every value of another type, out of range, or gone: an InvalidArgument, or a config.
TEST(Config, SurvivesAnyValue) {
  for (const char* name : {"deepseek-v32-tiny", "glm-5.2-tiny-bf16"}) {
    const json original = config_of(name);
    for (const auto& [key, value] : original.items()) {
      for (const json& other : {json(), json(-1), json(0), json(1e300), json(1.5), json(2147483648),
                                json(18446744073709551615U), json("x"), json(true), json::array(),
                                json::array({-7}), json::object()}) {
        json changed = original;
        changed[key] = other;
        try {
          (void)parse_model_config(changed.dump(), "config.json");
        } catch (const InvalidArgument& error) {
          EXPECT_TRUE(std::string(error.what()).starts_with("config.json: ")) << error.what();
        }
      }
    }
  }
}

}  // namespace
}  // namespace slipstream::model::test
