// `slipstream generate` from end to end, on tiny checkpoints.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "engine/inspection.h"
#include "io/json_reader.h"
#include "slipstream/engine.h"
#include "tests/cli/generate_fixture.h"
#include "tests/engine/support/engine_runner.h"

namespace slipstream::cli {
namespace {

TEST_F(Generate, WritesTheLogitsThatItsTokensAreChosenFrom) {
  GenerateOptions request = options();
  request.logits_file = path("logits.safetensors");
  const std::vector<int> tokens = tokens_of(request);
  const auto store = model::TensorStore::open_file(request.logits_file);
  const model::StoredTensor& logits = store.at("logits");
  EXPECT_EQ(logits.type, model::StoredType::kF32);
  ASSERT_EQ(logits.shape, (std::vector<int64_t>{3, kVocabulary}));
  const std::vector<float> values = floats_of(logits);
  for (int row = 0; row < 3; ++row) {
    const auto first = values.begin() + row * kVocabulary;
    EXPECT_EQ(std::max_element(first, first + kVocabulary) - first, tokens[row]);
  }
}

TEST_F(Generate, GivesTheSameLogitsWhenItsOwnTokensAreForced) {
  GenerateOptions request = options();
  request.logits_file = path("free.safetensors");
  const std::vector<int> tokens = tokens_of(request);
  GenerateOptions forced = options();
  forced.count.reset();
  forced.logits_file = path("forced.safetensors");
  for (const int token : tokens) forced.force_ids += std::to_string(token) + ",";
  EXPECT_EQ(tokens_of(forced), tokens);
  EXPECT_EQ(floats_of(model::TensorStore::open_file(forced.logits_file).at("logits")),
            floats_of(model::TensorStore::open_file(request.logits_file).at("logits")));
}

TEST_F(Generate, FollowsForcedIds) {
  GenerateOptions request = options();
  request.count.reset();
  request.force_ids = "7 8 9";
  request.logits_file = path("a.safetensors");
  EXPECT_EQ(tokens_of(request), (std::vector<int>{7, 8, 9}));
  // The last id is only compared with, never processed.
  GenerateOptions other = request;
  other.force_ids = "7 18 9";
  other.logits_file = path("b.safetensors");
  (void)tokens_of(other);
  const auto a = floats_of(model::TensorStore::open_file(request.logits_file).at("logits"));
  const auto b = floats_of(model::TensorStore::open_file(other.logits_file).at("logits"));
  EXPECT_TRUE(std::equal(a.begin(), a.begin() + 2 * kVocabulary, b.begin()));
  EXPECT_FALSE(std::equal(a.begin() + 2 * kVocabulary, a.end(), b.begin() + 2 * kVocabulary));
}

TEST_F(Generate, GivesTheSameTokensFromAFileAndWithoutPdl) {
  model::test::write_text(path("prompt"), "3 1 4 1 5\n");
  GenerateOptions request = options();
  const std::vector<int> tokens = tokens_of(request);
  request.prompt_ids.clear();
  request.prompt_file = path("prompt");
  request.pdl = "off";
  EXPECT_EQ(tokens_of(request), tokens);
}

TEST_F(Generate, ShowsTokensTimeAndMemoryToPeople) {
  GenerateOptions request = options();
  request.json_file.clear();
  request.force_ids = "7,8";
  request.count = 2;
  const std::string text = output_of(request);
  EXPECT_EQ(text.find("7 8\n"), 0U);
  for (const char* part : {"time to first token", "tokens/s", "MiB weights"}) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  }
}

TEST_F(Generate, WritesJsonToAFileNextToTheText) {
  GenerateOptions request = options();
  request.json_file = path("tokens.json");
  request.force_ids = "7,8";
  request.count = 2;
  EXPECT_EQ(output_of(request).find("7 8\n"), 0U);
  const auto json = io::parse_json_object(model::test::read_text(request.json_file), "text");
  EXPECT_EQ(json["tokens"], nlohmann::json({7, 8}));
  EXPECT_GT(json["memory"]["weight_bytes"], 0);
}

TEST_F(Generate, RunsOneRanksShare) {
  GenerateOptions request = options();
  request.tp = 2;
  request.rank = 1;
  request.count = 2;
  request.logits_file = path("logits.safetensors");
  testing::internal::CaptureStderr();
  (void)tokens_of(request);
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "slipstream: rank 1 of 2 alone: results are its partial sums\n");
  const auto store = model::TensorStore::open_file(request.logits_file);
  EXPECT_EQ(store.at("logits").shape, (std::vector<int64_t>{2, kVocabulary / 2}));
}

TEST_F(Generate, RunsOneLayerAsTheEngineDoes) {
  GenerateOptions request = layer_options(5, kHidden);
  EXPECT_EQ(output_of(request), request.layer_in + ".out.safetensors\n");
  engine::test::EngineRunner runner(checkpoint(), engine::KvFormat::kBf16, 64);
  const engine::LayerResult expected = engine::Inspection(runner.engine()).run_layer(1, hidden_);
  const auto store = model::TensorStore::open_file(request.layer_in + ".out.safetensors");
  ASSERT_EQ(store.at("hidden").shape, (std::vector<int64_t>{5, kHidden}));
  EXPECT_EQ(floats_of(store.at("hidden")), expected.hidden);
  ASSERT_EQ(store.at("index_lists").shape, (std::vector<int64_t>{5, 5}));
  std::array<int32_t, 25> lists{};
  std::memcpy(lists.data(), store.at("index_lists").bytes.data(), sizeof(lists));
  for (int row = 0; row < 5; ++row) {
    for (int i = 0; i < 5; ++i) EXPECT_EQ(lists.at(row * 5 + i), i <= row ? i : -1);
  }
}

TEST_F(Generate, HandsListsFromALayerToTheOneThatSharesThem) {
  GenerateOptions first = layer_options(3, kHidden);
  first.model = sharing_checkpoint();
  EXPECT_EQ(shape_after_two_layers(first), (std::vector<int64_t>{3, kHidden}));
}

TEST_F(Generate, LetsALayerWithAnIndexerOfItsOwnPassOverListsInItsInput) {
  EXPECT_EQ(shape_after_two_layers(layer_options(3, kHidden)), (std::vector<int64_t>{3, kHidden}));
}

}  // namespace
}  // namespace slipstream::cli
