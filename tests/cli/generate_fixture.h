// What the tests that run `slipstream generate` share: tiny checkpoints, requests and their output.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/generate.h"
#include "io/json_reader.h"
#include "model/safetensors.h"
#include "slipstream/launch.h"
#include "tests/model/support/shapes.h"
#include "tests/model/support/tiny_files.h"

namespace slipstream::cli {

using model::OutputTensor;
using model::test::Shape;
using model::test::TemporaryDirectory;

// A dense layer and one with experts.
inline const std::string& checkpoint() {
  return model::test::Shape{"TwoLayers", "deepseek-v32-tiny",
                            R"({"num_hidden_layers": 2, "max_position_embeddings": 40,
                   "rope_scaling": null, "vocab_size": 301, "intermediate_size": 512,
                   "moe_intermediate_size": 256, "n_routed_experts": 16})"}
      .directory();
}

inline constexpr int kVocabulary = 301;
inline constexpr int kHidden = 256;

// Layer 1 shares the index list of layer 0.
inline const std::string& sharing_checkpoint() {
  return model::test::Shape{"Sharing", "glm-5.2-tiny-bf16",
                            R"({"num_hidden_layers": 2, "indexer_types": ["full", "shared"]})"}
      .directory();
}

inline GenerateOptions options() {
  GenerateOptions result;
  result.model = checkpoint();
  result.prompt_ids = "3,1,4,1,5";
  result.count = 3;
  result.ignore_eos = true;
  result.json_file = "-";
  return result;
}

inline std::string output_of(const GenerateOptions& options) {
  testing::internal::CaptureStdout();
  try {
    run_generate(options);
  } catch (...) {
    (void)testing::internal::GetCapturedStdout();
    throw;
  }
  return testing::internal::GetCapturedStdout();
}

inline std::vector<int> tokens_of(const GenerateOptions& options) {
  return io::parse_json_object(output_of(options), "text").at("tokens").get<std::vector<int>>();
}

inline std::string error_of(const GenerateOptions& options) {
  return model::test::message_of([&] { (void)output_of(options); });
}

inline std::vector<float> floats_of(const model::StoredTensor& tensor) {
  std::vector<float> values(tensor.numel());
  std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
  return values;
}

class Generate : public testing::Test {
 protected:
  // Whatever a command switched stays switched.
  ~Generate() override { pdl::set_enabled(std::nullopt); }

  [[nodiscard]] std::string path(const std::string& name) const { return directory_.path(name); }

  // Writes `hidden` [rows, columns] and returns the options that take it through layer 1.
  [[nodiscard]] GenerateOptions layer_options(int64_t rows, int64_t columns) const {
    hidden_.resize(rows * columns);
    for (size_t i = 0; i < hidden_.size(); ++i) {
      hidden_[i] = static_cast<float>(static_cast<int>(i * 37 % 101) - 50) / 64;
    }
    const std::array tensors = {
        model::OutputTensor::of("hidden", {rows, columns}, std::span<const float>(hidden_))};
    GenerateOptions result;
    result.model = checkpoint();
    result.layer_in = path("hidden.safetensors");
    result.layer = 1;
    model::write_safetensors(result.layer_in, tensors);
    return result;
  }

  // Of what leaves layer 1 if it takes the file that layer 0 wrote, as it was written.
  [[nodiscard]] std::vector<int64_t> shape_after_two_layers(GenerateOptions request) const {
    request.layer = 0;
    request.layer_out = path("first.safetensors");
    (void)output_of(request);
    request.layer = 1;
    request.layer_in = request.layer_out;
    request.layer_out = path("second.safetensors");
    (void)output_of(request);
    return model::TensorStore::open_file(request.layer_out).at("hidden").shape;
  }

  mutable std::vector<float> hidden_;
  model::test::TemporaryDirectory directory_;
};

}  // namespace slipstream::cli
