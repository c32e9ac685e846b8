// `slipstream bench decode` on a model of a few hundred columns.
#include "cli/bench_decode.h"

#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "io/json_reader.h"
#include "pdl/device.h"
#include "slipstream/error.h"
#include "tests/bench/small_model.h"
#include "tests/model/support/tiny_files.h"

namespace slipstream::cli {
namespace {

std::string path(const std::string& name) {
  static const model::test::TemporaryDirectory kFolder;
  return kFolder.path(name);
}

nlohmann::json read_json(const std::string& file) {
  return io::parse_json_object(model::test::read_text(file), file);
}

BenchDecodeOptions small_options() {
  BenchDecodeOptions options;
  options.model = path("config.json");
  std::ofstream(options.model) << bench::test::kSmallModel;
  options.layers = 2;
  options.tp = 2;
  options.contexts = {200};
  options.replays = 1;
  options.bandwidth_megabytes = 1;
  return options;
}

std::string error_of(const BenchDecodeOptions& options) {
  try {
    run_bench_decode(options);
  } catch (const Error& error) {
    return error.what();
  }
  return "none";
}

TEST(BenchDecode, TimesWholeStepsAndEveryLaunch) {
  BenchDecodeOptions options = small_options();
  options.alone = true;
  options.json_file = path("figures.json");
  options.trace_file = path("trace.json");
  options.stamps_file = path("stamps.tsv");
  run_bench_decode(options);

  const nlohmann::json json = read_json(options.json_file);
  EXPECT_EQ(json["communication"], "left out");
  EXPECT_EQ(json["layers"], 2);
  ASSERT_EQ(json["steps"].size(), 1);
  const nlohmann::json& step = json["steps"][0];
  // A dense layer of nine launches, one with experts of ten, head and sampling.
  EXPECT_EQ(step["launches"], 21);
  EXPECT_GT(step["pdl_off"]["median_us"], 0.0);
  EXPECT_GT(step["pdl_on"]["median_us"], 0.0);
  int launches = 0;
  double bytes = 0;
  for (const nlohmann::json& stage : step["stages"]) {
    EXPECT_GT(stage["bytes"], 0.0) << stage;
    launches += stage["launches"].get<int>();
    bytes += stage["bytes"].get<double>();
  }
  EXPECT_EQ(launches, 21);
  EXPECT_DOUBLE_EQ(step["bytes"].get<double>(), bytes);
  // Two steps of two slices and a trigger for each launch, and two names.
  EXPECT_EQ(read_json(options.trace_file)["traceEvents"].size(), 2 * (21 * 3 + 1));
  double ctas = 0;
  for (const nlohmann::json& stage : step["stages"]) ctas += stage["ctas"].get<double>();
  std::ifstream stamps(options.stamps_file);
  std::string line;
  int lines = 0;
  while (std::getline(stamps, line)) ++lines;
  EXPECT_EQ(lines, static_cast<int>(ctas) + 1);
}

double experts_per_layer(double common_experts) {
  BenchDecodeOptions options = small_options();
  options.batches = {8};
  options.alone = true;
  options.steps_only = true;
  options.common_experts = common_experts;
  options.json_file = path("experts.json");
  run_bench_decode(options);
  return read_json(options.json_file)["steps"][0]["experts_per_layer"];
}

TEST(BenchDecode, LetsRowsHaveAsManyExpertsInCommonAsAskedFor) {
  EXPECT_GT(experts_per_layer(0), 8.0) << "random routing of eight rows, four of 16 experts each";
  EXPECT_LE(experts_per_layer(0.5), 8.0) << "the pool of which half of a row's are another's too";
}

std::set<std::string> keys_of(const nlohmann::json& object) {
  std::set<std::string> keys;
  for (const auto& [key, value] : object.items()) keys.insert(key);
  return keys;
}

TEST(BenchDecode, WritesTheKeysOfItsSchema) {
  using Keys = std::set<std::string>;
  BenchDecodeOptions options = small_options();
  options.layers = 1;
  options.batches = {2};
  options.alone = true;
  options.json_file = path("schema.json");
  run_bench_decode(options);
  const nlohmann::json json = read_json(options.json_file);
  EXPECT_EQ(json["schema"], 1);
  EXPECT_EQ(keys_of(json),
            (Keys{"schema", "device", "model", "layers", "model_layers", "tp", "communication",
                  "weights", "weight_bytes", "copy_bandwidth_bytes_per_second", "date", "steps"}));
  const nlohmann::json& step = json["steps"][0];
  EXPECT_EQ(keys_of(step), (Keys{"batch", "context", "drafts", "kv", "launches",
                                 "experts_per_layer", "bytes", "floor_us", "pdl_off", "pdl_on",
                                 "pdl_gain", "share_of_floor", "stages", "per_launch", "memory"}));
  ASSERT_EQ(step["memory"].size(), 1);
  EXPECT_EQ(keys_of(step["memory"][0]), (Keys{"gpu", "weight_bytes", "cache_bytes",
                                              "workspace_bytes", "window_bytes", "other_bytes"}));
  EXPECT_EQ(keys_of(step["pdl_on"]), (Keys{"median_us", "p10_us", "p90_us"}));
  EXPECT_EQ(keys_of(step["stages"][0]),
            (Keys{"stage", "launches", "ctas", "bytes", "floor_us", "pdl_off_us", "pdl_on_us",
                  "hand_over_us", "work_us", "cta_work_us", "sms", "share_of_floor"}));
  // A dense layer, head and sampling.
  ASSERT_EQ(step["per_launch"].size(), 11);
  EXPECT_EQ(keys_of(step["per_launch"][0]),
            (Keys{"layer", "stage", "kernel", "ctas", "bytes", "pdl_off_us", "pdl_on_us",
                  "hand_over_us", "work_us"}));
  EXPECT_EQ(step["per_launch"][10]["kernel"], "sample");
}

TEST(BenchDecode, TimesStepsOfAnyNumberOfDrafts) {
  BenchDecodeOptions options = small_options();
  std::string config = bench::test::kSmallModel;
  config.insert(1, "\"num_nextn_predict_layers\": 1,");
  std::ofstream(options.model) << config;
  options.layers = 1;
  options.alone = true;
  options.steps_only = true;
  options.drafts = {0, 4};
  options.acceptance = {0.8, 0.6, 0.5, 0.4};
  options.json_file = path("drafts.json");
  run_bench_decode(options);
  const nlohmann::json steps = read_json(options.json_file)["steps"];
  ASSERT_EQ(steps.size(), 2);
  EXPECT_EQ(steps[0]["launches"], 11);
  EXPECT_DOUBLE_EQ(steps[0]["tokens_per_step_as_given"].get<double>(), 1);
  EXPECT_EQ(steps[1]["drafts"], 4);
  // Ten and the verification; of each draft its input, ten of a layer, head and sampling.
  EXPECT_EQ(steps[1]["launches"], 10 + 1 + 4 * (1 + 10 + 2));
  EXPECT_DOUBLE_EQ(steps[1]["tokens_per_step_as_given"].get<double>(), 3.3);
}

TEST(BenchDecode, SaysThatCommunicationIsLeftOut) {
  BenchDecodeOptions options = small_options();
  options.alone = true;
  options.layers = 1;
  options.steps_only = true;
  testing::internal::CaptureStdout();
  run_bench_decode(options);
  const std::string text = testing::internal::GetCapturedStdout();
  EXPECT_NE(text.find("Communication between ranks is left out"), std::string::npos) << text;
}

TEST(BenchDecode, PrintsNothingButJsonWhereThatIsAskedFor) {
  BenchDecodeOptions options = small_options();
  options.layers = 1;
  options.steps_only = true;
  options.json_file = "-";
  testing::internal::CaptureStdout();
  run_bench_decode(options);
  const auto json = io::parse_json_object(testing::internal::GetCapturedStdout(), "text");
  EXPECT_EQ(json["steps"].size(), 1);
}

TEST(BenchDecode, NamesAPlaceThatFiguresCannotGoToBeforeItMeasures) {
  BenchDecodeOptions options = small_options();
  options.trace_file = path("none/trace.json");
  testing::internal::CaptureStdout();
  const std::string error = error_of(options);
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
  EXPECT_TRUE(error.starts_with(options.trace_file + ": cannot be written: ")) << error;
}

double bytes_of(const nlohmann::json& step, const std::string& stage) {
  for (const nlohmann::json& candidate : step["stages"]) {
    if (candidate["stage"] == stage) return candidate["bytes"];
  }
  return 0;
}

TEST(BenchDecode, CountsTheExpertsThatAreChosen) {
  BenchDecodeOptions options = small_options();
  options.batches = {1, 4};
  options.steps_only = true;
  options.json_file = path("experts.json");
  run_bench_decode(options);
  const nlohmann::json steps = read_json(options.json_file)["steps"];
  ASSERT_EQ(steps.size(), 2);
  // Gate and up of an expert of this rank: 256 x 256 codes, and scales for every 16 rows.
  constexpr double kExpert = 256 * 256 * (1 + 4.0 / (16 * 128));
  // One token takes four of the 16 experts; four tokens take more, and not all the same.
  const std::string stage = "routed_experts: gate_up";
  const double one = bytes_of(steps[0], stage);
  const double four = bytes_of(steps[1], stage);
  EXPECT_GT(one, 4 * kExpert);
  EXPECT_LT(one, 4.2 * kExpert);
  EXPECT_GT(four, 5 * kExpert);
  EXPECT_LT(four, 16.8 * kExpert);
}

TEST(BenchDecode, RefusesAModelThatItDoesNotKnow) {
  BenchDecodeOptions options = small_options();
  options.model = "deepseek-v9";
  EXPECT_EQ(error_of(options),
            "model must be deepseek-v3.2, glm-5, glm-5.2 or a config.json file, is deepseek-v9");
}

TEST(BenchDecode, TakesAsManyLayersAsFit) {
  BenchDecodeOptions options = small_options();
  options.layers = 0;
  options.fit = true;
  options.alone = true;
  options.steps_only = true;
  options.json_file = path("fit.json");
  run_bench_decode(options);
  EXPECT_EQ(read_json(options.json_file)["layers"], 3);
  EXPECT_EQ(read_json(options.json_file)["model_layers"], 3);
}

TEST(BenchDecode, RefusesMoreLayersThanThereAre) {
  BenchDecodeOptions options = small_options();
  options.layers = 4;
  EXPECT_EQ(error_of(options), "layers must be 1 to 3 for " + options.model + ", is 4");
}

TEST(BenchDecode, RefusesRanksThatDoNotDivideTheModel) {
  BenchDecodeOptions options = small_options();
  options.tp = 3;
  EXPECT_EQ(error_of(options), "tp must divide num_attention_heads = 4, is 3");
}

TEST(BenchDecode, ExchangesWithRanksWhereThereIsAGpuForEach) {
  if (pdl::device_count() < 2) GTEST_SKIP() << "needs 2 GPUs";
  BenchDecodeOptions options = small_options();
  options.json_file = path("ranks.json");
  run_bench_decode(options);
  const nlohmann::json json = read_json(options.json_file);
  EXPECT_EQ(json["communication"], "all ranks");
  // All ranks are traced.
  const nlohmann::json& step = json["steps"][0];
  EXPECT_EQ(step["memory"].size(), 2);
  EXPECT_EQ(step["ranks"]["lateness_us"].size(), 2);
  EXPECT_EQ(step["ranks"]["skew"].size(), step["stages"].size());
  EXPECT_EQ(step["ranks"]["slowest_stages"].size(), step["stages"].size());
  options.alone = true;
  options.steps_only = true;
  run_bench_decode(options);
  EXPECT_EQ(read_json(options.json_file)["communication"], "left out");
}

TEST(BenchDecode, HasOneGpuPlayAllOtherRanks) {
  BenchDecodeOptions options = small_options();
  options.json_file = path("peers.json");
  options.peers = 3;
  std::ofstream(options.model) << bench::test::small_model_of_four_ranks();
  options.steps_only = true;
  if (pdl::device_count() < 2) {
    EXPECT_EQ(error_of(options), "GPUs must be 2 for 4 ranks of which one plays, are 1");
    return;
  }
  run_bench_decode(options);
  const nlohmann::json json = read_json(options.json_file);
  EXPECT_EQ(json["communication"], "other ranks played by one GPU");
  EXPECT_EQ(json["tp"], 4);
}

TEST(BenchDecode, RefusesAContextBeyondTheModels) {
  BenchDecodeOptions options = small_options();
  options.contexts = {4097};
  EXPECT_EQ(error_of(options), "context must be 1 to 4096, is 4097");
}

TEST(BenchDecode, SaysWhatDoesNotFitIntoMemory) {
  BenchDecodeOptions options = small_options();
  options.model = "glm-5";
  options.layers = 0;
  options.tp = 1;
  EXPECT_NE(error_of(options).find("the weights must fit into device memory: "), std::string::npos);
}

}  // namespace
}  // namespace slipstream::cli
