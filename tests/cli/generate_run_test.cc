// `slipstream generate` from end to end, on tiny checkpoints.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <nlohmann/json.hpp>

#include "cli/generate.h"
#include "engine/safetensors.h"
#include "slipstream/engine.h"
#include "slipstream/launch.h"
#include "tests/engine/support/engine_runner.h"
#include "tests/engine/support/shapes.h"
#include "tests/engine/support/tiny_files.h"

namespace slipstream::cli {
namespace {

using engine::OutputTensor;
using engine::test::message_of;
using engine::test::Shape;
using engine::test::TemporaryDirectory;

// A dense layer and one with experts.
const std::string& checkpoint() {
  return Shape{"TwoLayers", "deepseek-v32-tiny",
               R"({"num_hidden_layers": 2, "max_position_embeddings": 40,
                   "rope_scaling": null, "vocab_size": 301, "intermediate_size": 512,
                   "moe_intermediate_size": 256, "n_routed_experts": 16})"}
      .directory();
}

constexpr int kVocabulary = 301;
constexpr int kHidden = 256;

// Layer 1 shares the index list of layer 0.
const std::string& sharing_checkpoint() {
  return Shape{"Sharing", "glm-5.2-tiny-bf16",
               R"({"num_hidden_layers": 2, "indexer_types": ["full", "shared"]})"}
      .directory();
}

GenerateOptions options() {
  GenerateOptions result;
  result.model = checkpoint();
  result.prompt_ids = "3,1,4,1,5";
  result.count = 3;
  result.ignore_eos = true;
  result.json = true;
  return result;
}

std::string output_of(const GenerateOptions& options) {
  testing::internal::CaptureStdout();
  try {
    run_generate(options);
  } catch (...) {
    (void)testing::internal::GetCapturedStdout();
    throw;
  }
  return testing::internal::GetCapturedStdout();
}

std::vector<int> tokens_of(const GenerateOptions& options) {
  return nlohmann::json::parse(output_of(options)).at("tokens").get<std::vector<int>>();
}

std::string error_of(const GenerateOptions& options) {
  return message_of([&] { (void)output_of(options); });
}

std::vector<float> floats_of(const engine::StoredTensor& tensor) {
  std::vector<float> values(tensor.numel());
  std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
  return values;
}

class Generate : public testing::Test {
 protected:
  // Whatever a command switched stays switched.
  ~Generate() override { pdl::set_enabled(std::nullopt); }

  [[nodiscard]] std::string path(const std::string& name) const { return directory_.path(name); }

  // Writes `hidden` [rows, columns] and, if there are any, lists, and returns the options for them.
  [[nodiscard]] GenerateOptions layer_options(std::int64_t rows, std::int64_t columns) const {
    hidden_.resize(rows * columns);
    for (std::size_t i = 0; i < hidden_.size(); ++i) {
      hidden_[i] = static_cast<float>(static_cast<int>(i * 37 % 101) - 50) / 64;
    }
    const std::array tensors = {
        OutputTensor::of("hidden", {rows, columns}, std::span<const float>(hidden_))};
    GenerateOptions result;
    result.model = checkpoint();
    result.layer_in = path("hidden.safetensors");
    result.layer = 1;
    engine::write_safetensors(result.layer_in, tensors);
    return result;
  }

  mutable std::vector<float> hidden_;
  TemporaryDirectory directory_;
};

TEST_F(Generate, WritesTheLogitsThatItsTokensAreChosenFrom) {
  GenerateOptions request = options();
  request.logits_file = path("logits.safetensors");
  const std::vector<int> tokens = tokens_of(request);
  const auto store = engine::TensorStore::open_file(request.logits_file);
  const engine::StoredTensor& logits = store.at("logits");
  EXPECT_EQ(logits.type, engine::StoredType::kF32);
  ASSERT_EQ(logits.shape, (std::vector<std::int64_t>{3, kVocabulary}));
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
  EXPECT_EQ(floats_of(engine::TensorStore::open_file(forced.logits_file).at("logits")),
            floats_of(engine::TensorStore::open_file(request.logits_file).at("logits")));
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
  const auto a = floats_of(engine::TensorStore::open_file(request.logits_file).at("logits"));
  const auto b = floats_of(engine::TensorStore::open_file(other.logits_file).at("logits"));
  EXPECT_TRUE(std::equal(a.begin(), a.begin() + 2 * kVocabulary, b.begin()));
  EXPECT_FALSE(std::equal(a.begin() + 2 * kVocabulary, a.end(), b.begin() + 2 * kVocabulary));
}

TEST_F(Generate, GivesTheSameTokensFromAFileAndWithoutPdl) {
  engine::test::write_text(path("prompt"), "3 1 4 1 5\n");
  GenerateOptions request = options();
  const std::vector<int> tokens = tokens_of(request);
  request.prompt_ids.clear();
  request.prompt_file = path("prompt");
  request.pdl = "off";
  EXPECT_EQ(tokens_of(request), tokens);
}

TEST_F(Generate, ShowsTokensTimeAndMemoryToPeople) {
  GenerateOptions request = options();
  request.json = false;
  request.force_ids = "7,8";
  request.count = 2;
  const std::string text = output_of(request);
  EXPECT_EQ(text.find("7 8\n"), 0U);
  for (const char* part : {"time to first token", "tokens/s", "MiB weights"}) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  }
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
  const auto store = engine::TensorStore::open_file(request.logits_file);
  EXPECT_EQ(store.at("logits").shape, (std::vector<std::int64_t>{2, kVocabulary / 2}));
}

TEST_F(Generate, RunsOneLayerAsTheEngineDoes) {
  GenerateOptions request = layer_options(5, kHidden);
  EXPECT_EQ(output_of(request), request.layer_in + ".out.safetensors\n");
  engine::test::EngineRunner runner(checkpoint(), engine::KvFormat::kBf16, 64);
  const engine::LayerResult expected = runner.engine().run_layer(1, hidden_);
  const auto store = engine::TensorStore::open_file(request.layer_in + ".out.safetensors");
  ASSERT_EQ(store.at("hidden").shape, (std::vector<std::int64_t>{5, kHidden}));
  EXPECT_EQ(floats_of(store.at("hidden")), expected.hidden);
  ASSERT_EQ(store.at("index_lists").shape, (std::vector<std::int64_t>{5, 5}));
  std::array<std::int32_t, 25> lists{};
  std::memcpy(lists.data(), store.at("index_lists").bytes.data(), sizeof(lists));
  for (int row = 0; row < 5; ++row) {
    for (int i = 0; i < 5; ++i) EXPECT_EQ(lists.at(row * 5 + i), i <= row ? i : -1);
  }
}

TEST_F(Generate, HandsListsFromALayerToTheOneThatSharesThem) {
  GenerateOptions first = layer_options(3, kHidden);
  first.model = sharing_checkpoint();
  first.layer = 0;
  first.layer_out = path("first.safetensors");
  (void)output_of(first);
  GenerateOptions second = first;
  second.layer = 1;
  // Takes `hidden` and `index_lists` as they were written.
  second.layer_in = first.layer_out;
  second.layer_out = path("second.safetensors");
  (void)output_of(second);
  const auto store = engine::TensorStore::open_file(second.layer_out);
  EXPECT_EQ(store.at("hidden").shape, (std::vector<std::int64_t>{3, kHidden}));
  second.layer_in = first.layer_in;
  EXPECT_EQ(error_of(second), "lists of layer 1 must be 3, are 0");
}

TEST_F(Generate, NamesAMissingModel) {
  GenerateOptions request = options();
  request.model = path("none");
  EXPECT_NE(error_of(request).find(path("none") + "/config.json"), std::string::npos);
}

TEST_F(Generate, NamesAPlaceThatLogitsCannotGoTo) {
  GenerateOptions request = options();
  request.logits_file = path("none/logits.safetensors");
  try {
    (void)output_of(request);
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(request.logits_file), std::string::npos);
  }
}

TEST_F(Generate, RejectsIdsOutsideTheVocabulary) {
  GenerateOptions request = options();
  request.prompt_ids = "3,301";
  EXPECT_EQ(error_of(request),
            "--prompt-ids must be token ids from 0 to vocab_size - 1 = 300, has 301");
  request = options();
  request.count.reset();
  request.force_ids = "1,999";
  EXPECT_EQ(error_of(request),
            "--force-ids must be token ids from 0 to vocab_size - 1 = 300, has 999");
}

TEST_F(Generate, RejectsMoreTokensThanTheModelHasPositions) {
  GenerateOptions request = options();
  request.count = 37;
  EXPECT_EQ(error_of(request),
            "prompt and -n must need at most max_position_embeddings = 40 positions, need 41");
}

TEST_F(Generate, RejectsARankThatIsNone) {
  GenerateOptions request = options();
  request.tp = 2;
  request.rank = 2;
  EXPECT_EQ(error_of(request), "rank must be from 0 to tp - 1, is 2 with tp = 2");
}

TEST_F(Generate, NamesALayersInputThatIsMissing) {
  GenerateOptions request = layer_options(2, kHidden);
  request.layer_in = path("none.safetensors");
  EXPECT_NE(error_of(request).find(request.layer_in), std::string::npos);
}

TEST_F(Generate, RejectsALayersInputWithoutHiddenStates) {
  GenerateOptions request = layer_options(2, kHidden);
  const std::array tensors = {
      OutputTensor::of("other", {1, 2}, std::span<const float>(hidden_).first(2))};
  engine::write_safetensors(request.layer_in, tensors);
  EXPECT_EQ(error_of(request), request.layer_in + ": tensor hidden must be there, is missing");
}

TEST_F(Generate, RejectsALayersInputOfTheWrongShape) {
  GenerateOptions request = layer_options(4, kHidden / 2);
  EXPECT_EQ(error_of(request),
            request.layer_in + ": tensor hidden must have hidden_size = 256 columns, has 128");
  request = layer_options(0, kHidden);
  EXPECT_EQ(error_of(request),
            request.layer_in + ": tensor hidden must have at least one row, has none");
  const std::array tensors = {OutputTensor::of("hidden", {2}, std::array{1.0F, 2.0F})};
  engine::write_safetensors(request.layer_in, tensors);
  EXPECT_EQ(error_of(request),
            request.layer_in + ": tensor hidden must be F32 with two axes, is F32[2]");
}

TEST_F(Generate, RejectsALayerThatTheModelHasNot) {
  GenerateOptions request = layer_options(2, kHidden);
  request.layer = 2;
  EXPECT_EQ(error_of(request), "layer must be from 0 to 1, is 2");
}

TEST_F(Generate, RejectsAPromptForALayer) {
  GenerateOptions request = layer_options(2, kHidden);
  request.prompt_file = request.layer_in;
  EXPECT_EQ(error_of(request), "--layer takes no prompt, has one");
}

}  // namespace
}  // namespace slipstream::cli
