// Synthetic weights and the released models' sizes.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "bench/fill.h"
#include "bench/synthetic_weights.h"
#include "model/float_formats.h"
#include "model/released_models.h"
#include "pdl/stream.h"
#include "tests/model/support/tiny_files.h"

namespace slipstream::bench::test {
namespace {

using bench::ValueTable;

std::vector<uint8_t> filled(int64_t bytes, uint64_t seed, const ValueTable& table) {
  const pdl::Stream stream;
  const DeviceBuffer buffer(bytes);
  bench::launch_fill(buffer.data(), bytes, seed, table, {.stream = stream.get()});
  check_cuda(cudaStreamSynchronize(stream.get()), "cudaStreamSynchronize");
  std::vector<uint8_t> result(bytes);
  buffer.copy_to_host(result.data(), result.size());
  return result;
}

TEST(SyntheticFill, DrawsCodesThatAreNormalAndNeverNaN) {
  const std::vector<uint8_t> codes = filled(1 << 14, 3, bench::normal_e4m3(128));
  double sum = 0;
  double squares = 0;
  for (const uint8_t code : codes) {
    const float value = model::e4m3_to_float(code);
    ASSERT_FALSE(std::isnan(value));
    sum += value;
    squares += value * value;
  }
  const auto count = static_cast<double>(codes.size());
  EXPECT_NEAR(sum / count, 0, 5);
  EXPECT_NEAR(std::sqrt(squares / count), 128, 5);
}

TEST(SyntheticFill, GivesOtherSeedsOtherValues) {
  const ValueTable table = bench::normal_e4m3(128);
  EXPECT_EQ(filled(4096, 1, table), filled(4096, 1, table));
  EXPECT_NE(filled(4096, 1, table), filled(4096, 2, table));
}

TEST(SyntheticFill, WritesFloatsAtTheirPlacesOnly) {
  const pdl::Stream stream;
  DeviceBuffer buffer(10 * sizeof(float));
  std::vector<float> values(10, 1.0F);
  buffer.copy_from_host(values.data(), buffer.bytes());
  bench::launch_fill_floats({.target = {static_cast<float*>(buffer.data())},
                             .count = 10,
                             .period = 5,
                             .begin = 2,
                             .end = 4,
                             .value = 3},
                            {.stream = stream.get()});
  check_cuda(cudaStreamSynchronize(stream.get()), "cudaStreamSynchronize");
  buffer.copy_to_host(values.data(), buffer.bytes());
  EXPECT_EQ(values, (std::vector<float>{1, 1, 3, 3, 1, 1, 1, 3, 3, 1}));
}

// Every matrix of a layer, by its sizes and its format.
std::vector<std::string> shapes_of(const step::Weights& weights) {
  std::vector<std::string> result;
  const auto add = [&](const step::PackedMatrix& matrix) {
    result.push_back(
        fmt::format("{}x{}{}", matrix.rows, matrix.columns, matrix.is_fp8 ? " fp8" : ""));
  };
  add(weights.head());
  const auto add_mlp = [&](const step::GatedMlpWeights& mlp) {
    add(mlp.gate_up);
    add(mlp.down);
  };
  for (const step::LayerWeights& layer : weights.layers()) {
    for (const step::PackedMatrix* matrix :
         {&layer.q_a, &layer.kv_a, &layer.q_b, &layer.w_uk, &layer.w_uv, &layer.o}) {
      add(*matrix);
    }
    if (layer.indexer) {
      add(layer.indexer->wq_b);
      add(layer.indexer->wk);
      add(layer.indexer->weights_proj);
    }
    if (const auto* moe = std::get_if<step::MoeWeights>(&layer.mlp)) {
      add(moe->router);
      add_mlp(moe->expert);
      add_mlp(moe->shared);
    } else {
      add_mlp(std::get<step::GatedMlpWeights>(layer.mlp));
    }
  }
  return result;
}

TEST(SyntheticWeights, HaveTheShapesOfACheckpoints) {
  const pdl::Stream stream;
  const model::tiny::TinySpec spec =
      model::tiny::with_changes(model::tiny::tiny_spec("deepseek-v32-tiny"), "two-ranks",
                                R"({"intermediate_size": 512, "moe_intermediate_size": 256})");
  const model::Checkpoint checkpoint =
      model::Checkpoint::open(model::test::tiny_checkpoint(spec), {2, 0});
  const model::Checkpoint shapes = model::Checkpoint::without_tensors(checkpoint.config(), {2, 0});
  const step::Weights expected(checkpoint);
  const step::Weights weights(shapes.config(), bench::synthetic_weights(shapes, stream.get()));
  EXPECT_EQ(shapes_of(weights), shapes_of(expected));
  EXPECT_EQ(weights.bytes(), expected.bytes());
  EXPECT_EQ(bench::synthetic_weight_bytes(shapes), weights.bytes());
}

TEST(ReleasedModels, HaveTheLayersOfTheirRelease) {
  const model::ModelConfig deepseek = model::model_shape("deepseek-v3.2", 0);
  EXPECT_EQ(deepseek.num_hidden_layers, 61);
  EXPECT_EQ(std::ranges::count(deepseek.mlp_types, model::MlpType::kDense), 3);
  const model::ModelConfig glm5 = model::model_shape("glm-5", 0);
  EXPECT_EQ(std::ranges::count(glm5.indexer_types, model::IndexerType::kFull), 78);
  const model::ModelConfig glm52 = model::model_shape("glm-5.2", 0);
  EXPECT_EQ(std::ranges::count(glm52.indexer_types, model::IndexerType::kFull), 21);
  EXPECT_EQ(std::ranges::count(glm52.indexer_types, model::IndexerType::kShared), 57);
}

TEST(ReleasedModels, KeepTheirFirstLayersOnRequest) {
  const model::ModelConfig config = model::model_shape("glm-5.2", 7);
  EXPECT_EQ(config.num_hidden_layers, 7);
  EXPECT_EQ(config.indexer_type(6), model::IndexerType::kFull);
  EXPECT_EQ(config.indexer_type(5), model::IndexerType::kShared);
}

TEST(ReleasedModels, FitOneH200AtEightRanks) {
  for (const std::string& name : model::released_models()) {
    const model::Checkpoint shapes =
        model::Checkpoint::without_tensors(model::model_shape(name, 0), {8, 0});
    const auto gigabytes = static_cast<double>(bench::synthetic_weight_bytes(shapes)) * 1e-9;
    EXPECT_GT(gigabytes, 80) << name;
    EXPECT_LT(gigabytes, 110) << name;
  }
}

}  // namespace
}  // namespace slipstream::bench::test
