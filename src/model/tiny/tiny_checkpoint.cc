#include "model/tiny/tiny_checkpoint.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <map>
#include <numbers>
#include <utility>

#include "io/file.h"
#include "model/config.h"
#include "model/float_formats.h"
#include "model/safetensors.h"
#include "model/tensor_specs.h"
#include "model/tiny/counting.h"
#include "model/tiny/philox.h"
#include "model/tiny/sha256.h"

namespace slipstream::model::tiny {
namespace {

constexpr int64_t kBlock = 128;

struct Tensor {
  StoredType type;
  std::vector<int64_t> shape;
  std::vector<std::byte> bytes;
};
using Tensors = std::map<std::string, Tensor>;

template <class T>
Tensor pack(StoredType type, std::vector<int64_t> shape, const std::vector<T>& values) {
  const auto bytes = std::as_bytes(std::span(values));
  return {type, std::move(shape), {bytes.begin(), bytes.end()}};
}

// Random bytes that belong to a name.
std::vector<uint8_t> random_bytes(uint64_t seed, const std::string& name, size_t count) {
  const std::string label = fmt::format("{}/{}", seed, name);
  const Digest digest = sha256(std::as_bytes(std::span(label)));
  std::array<uint64_t, 2> key{};
  std::memcpy(key.data(), digest.data(), sizeof key);
  Philox generator(key);
  std::vector<uint8_t> bytes;
  bytes.reserve(count + sizeof(Philox::Block));
  while (bytes.size() < count) {
    const auto words = generator.next();
    const auto* first = reinterpret_cast<const uint8_t*>(words.data());
    bytes.insert(bytes.end(), first, first + sizeof words);
  }
  bytes.resize(count);
  return bytes;
}

int64_t element_count(const std::vector<int64_t>& shape) {
  int64_t count = 1;
  for (const int64_t extent : shape) count *= extent;
  return count;
}

// Nearly normal numbers: the centred sum of four random bytes, over its standard deviation.
std::vector<float> random_normal(uint64_t seed, const std::string& name, int64_t count) {
  const auto inverse_deviation = static_cast<float>(1 / 147.80);
  const auto bytes = random_bytes(seed, name, 4 * count);
  std::vector<float> values(count);
  for (int64_t i = 0; i < count; ++i) {
    const int sum = bytes[4 * i] + bytes[4 * i + 1] + bytes[4 * i + 2] + bytes[4 * i + 3];
    values[i] = static_cast<float>(sum - 510) * inverse_deviation;
  }
  return values;
}

// x with P(normal < x) = probability, by Newton's method.
double normal_quantile(double probability) {
  double x = 0;
  for (int step = 0; step < 60; ++step) {
    const double error = 0.5 * std::erfc(-x / std::numbers::sqrt2) - probability;
    const double density = std::exp(-x * x / 2) / std::sqrt(2 * std::numbers::pi);
    x -= std::clamp(error / density, -0.5, 0.5);
  }
  return x;
}

// The largest of the 256 quantiles that stand for a normal distribution in one byte.
double largest_quantile() {
  static const double kValue = normal_quantile(255.5 / 256);
  return kValue;
}

// A random byte becomes the e4m3 code of its quantile, so that a block's largest value is 448.
const std::array<uint8_t, 256>& quantile_codes() {
  static const auto kCodes = [] {
    std::array<uint8_t, 256> codes{};
    for (size_t i = 0; i < codes.size(); ++i) {
      const double quantile = normal_quantile((static_cast<double>(i) + 0.5) / 256);
      codes[i] = float_to_e4m3(static_cast<float>(quantile / largest_quantile() * kLargestE4M3));
    }
    return codes;
  }();
  return kCodes;
}

class Builder {
 public:
  explicit Builder(const TinySpec& spec)
      : spec_(spec), config_(parse_model_config(spec.config, spec.name + "/config.json")) {}

  Tensors build() {
    for (const TensorSpec& tensor : outer_tensors(config_)) add(tensor);
    const int layers = config_.num_hidden_layers + config_.num_nextn_predict_layers;
    for (int layer = 0; layer < layers; ++layer) {
      for (const TensorSpec& tensor : layer_tensors(config_, layer)) add(tensor);
      if (layer >= config_.num_hidden_layers && deepseek()) add_copies(layer);
    }
    return std::move(tensors_);
  }

 private:
  [[nodiscard]] bool deepseek() const { return config_.model_type != ModelType::kGlmMoeDsa; }

  // Wide enough that activations keep their size from layer to layer and logits differ clearly.
  static double deviation(const TensorSpec& tensor) {
    const std::string& name = tensor.name;
    const double fan_in = std::sqrt(static_cast<double>(tensor.shape.back()));
    if (name == "model.embed_tokens.weight") return 1;
    if (name == "lm_head.weight") return 3 / fan_in;
    if (name.ends_with("mlp.gate.weight")) return 2 / fan_in;
    if (name.ends_with("e_score_correction_bias")) return 0.1;
    if (name.ends_with("k_norm.bias")) return 0.2;
    const bool adds_to_residual =
        name.ends_with("down_proj.weight") || name.ends_with("o_proj.weight");
    return (adds_to_residual ? 0.25 : 1) / fan_in;
  }

  void add(const TensorSpec& tensor) {
    if (tensor.optional) return;
    if (spec_.counts) {
      if (const auto values = counting_values(config_, tensor)) {
        return add_floats(tensor, *values, false);
      }
    }
    if (tensor.kind == TensorKind::kLinear && spec_.fp8) {
      add_fp8(tensor);
    } else if (tensor.kind == TensorKind::kVector) {
      add_vector(tensor);
    } else {
      const auto scale = static_cast<float>(deviation(tensor));
      auto values = random_normal(spec_.seed, tensor.name, element_count(tensor.shape));
      for (float& value : values) value *= scale;
      add_floats(tensor, values, false);
    }
  }

  void add_fp8(const TensorSpec& tensor) {
    const auto count = static_cast<size_t>(element_count(tensor.shape));
    auto codes = random_bytes(spec_.seed, tensor.name, count);
    for (uint8_t& code : codes) code = quantile_codes()[code];
    tensors_[tensor.name] = pack(StoredType::kF8E4M3, tensor.shape, codes);

    const std::vector<int64_t> shape = {(tensor.shape[0] + kBlock - 1) / kBlock,
                                        (tensor.shape[1] + kBlock - 1) / kBlock};
    const auto jitter = random_bytes(spec_.seed, tensor.name + "/scale", element_count(shape));
    const double exact = deviation(tensor) * largest_quantile() / 448;
    std::vector<float> scales;
    for (const uint8_t byte : jitter) {
      const double power = std::exp2(std::floor(std::log2(exact)) + (byte % 4 == 0 ? 1 : 0));
      const double plain = exact * (0.75 + byte / 512.0);
      scales.push_back(static_cast<float>(config_.ue8m0_activations ? power : plain));
    }
    tensors_[tensor.name + "_scale_inv"] = pack(StoredType::kF32, shape, scales);
  }

  void add_vector(const TensorSpec& tensor) {
    const bool is_norm = tensor.name.ends_with("norm.weight");
    const bool is_router = tensor.name.ends_with("e_score_correction_bias");
    const float scale = is_norm ? 0.1F : static_cast<float>(deviation(tensor));
    const float mean = is_norm ? 1.0F : static_cast<float>(is_router ? spec_.bias_mean : 0);
    auto values = random_normal(spec_.seed, tensor.name, tensor.shape[0]);
    for (float& value : values) value = mean + scale * value;
    const bool is_index_norm = tensor.name.find("k_norm") != std::string::npos;
    add_floats(tensor, values, is_router || (deepseek() && is_index_norm));
  }

  void add_floats(const TensorSpec& tensor, const std::vector<float>& values, bool keep) {
    if (keep) {
      tensors_[tensor.name] = pack(StoredType::kF32, tensor.shape, values);
      return;
    }
    std::vector<uint16_t> rounded;
    rounded.reserve(values.size());
    for (const float value : values) rounded.push_back(float_to_bf16(value));
    tensors_[tensor.name] = pack(StoredType::kBF16, tensor.shape, rounded);
  }

  void add_copies(int layer) {
    tensors_[layer_prefix(layer) + "embed_tokens.weight"] =
        tensors_.at("model.embed_tokens.weight");
    tensors_[layer_prefix(layer) + "shared_head.head.weight"] = tensors_.at("lm_head.weight");
  }

  const TinySpec& spec_;
  ModelConfig config_;
  Tensors tensors_;
};

// Names in order, as many to a shard as fit.
std::vector<std::vector<OutputTensor>> shard(const Tensors& tensors, int64_t shard_bytes) {
  std::vector<std::vector<OutputTensor>> shards(1);
  int64_t size = 0;
  for (const auto& [name, tensor] : tensors) {
    const auto bytes = static_cast<int64_t>(tensor.bytes.size());
    if (size > 0 && size + bytes > shard_bytes) {
      shards.emplace_back();
      size = 0;
    }
    size += bytes;
    shards.back().push_back({name, tensor.type, tensor.shape, tensor.bytes});
  }
  return shards;
}

void write_text(const std::filesystem::path& path, const std::string& text) {
  const std::array pieces = {std::as_bytes(std::span(text))};
  io::write_file(path.string(), pieces);
}

}  // namespace

void write_tiny_checkpoint(const TinySpec& spec, const std::string& directory,
                           int64_t shard_bytes) {
  const Tensors tensors = Builder(spec).build();
  const std::filesystem::path root(directory);
  std::filesystem::create_directories(root);
  const auto shards = shard(tensors, shard_bytes);
  std::string weight_map;
  int64_t total = 0;
  for (size_t i = 0; i < shards.size(); ++i) {
    const std::string file =
        fmt::format("model-{:05d}-of-{:05d}.safetensors", i + 1, shards.size());
    write_safetensors((root / file).string(), shards[i]);
    for (const OutputTensor& tensor : shards[i]) {
      weight_map +=
          fmt::format("{}\n\"{}\": \"{}\"", weight_map.empty() ? "" : ",", tensor.name, file);
      total += static_cast<int64_t>(tensor.bytes.size());
    }
  }
  write_text(
      root / "model.safetensors.index.json",
      fmt::format("{{\n\"metadata\": {{\"total_size\": {}}},\n\"weight_map\": {{{}\n}}\n}}\n",
                  total, weight_map));
  write_text(root / "config.json", spec.config + "\n");
}

}  // namespace slipstream::model::tiny
