#include "model/tiny/counting.h"

#include <cmath>
#include <cstdint>
#include <numbers>

namespace slipstream::model::tiny {
namespace {

// The last but one coordinate of an embedding is 1, the last one 0; the others are pairs.
int pairs(const ModelConfig& config) { return config.hidden_size / 2 - 1; }
int constant(const ModelConfig& config) { return config.hidden_size - 2; }

// Whole turns in a vocabulary, odd and spread over it, so that only one token has all angles alike.
int turns(const ModelConfig& config, int pair) { return (2 * pair + 1) * 37 % config.vocab_size; }

double angle(const ModelConfig& config, int pair, int64_t tokens) {
  const int64_t turned = turns(config, pair) * tokens % config.vocab_size;
  return 2 * std::numbers::pi * static_cast<double>(turned) / config.vocab_size;
}

// Of half of the coordinates: what the signs are not taken away of resembles nothing.
float sign(int coordinate) { return (coordinate * 2654435761U >> 16) % 2 == 0 ? -1.0F : 1.0F; }

std::vector<float> angles_of(const ModelConfig& config, int token) {
  std::vector<float> result(config.hidden_size);
  for (int pair = 0; pair < pairs(config); ++pair) {
    const size_t first = size_t{2} * pair;
    result[first] = static_cast<float>(std::cos(angle(config, pair, token)));
    result[first + 1] = static_cast<float>(std::sin(angle(config, pair, token)));
  }
  return result;
}

std::vector<float> embedding(const ModelConfig& config) {
  std::vector<float> result;
  for (int token = 0; token < config.vocab_size; ++token) {
    std::vector<float> row = angles_of(config, token);
    row[constant(config)] = 1;
    result.insert(result.end(), row.begin(), row.end());
  }
  return result;
}

std::vector<float> signs(const ModelConfig& config) {
  std::vector<float> result;
  result.reserve(config.hidden_size);
  for (int i = 0; i < config.hidden_size; ++i) {
    result.push_back(i < constant(config) ? sign(i) : 1.0F);
  }
  return result;
}

// Rows look for the predecessor's angles, after the signs of the final norm.
std::vector<float> head(const ModelConfig& config) {
  constexpr float kScale = 0.1F;  // about 18 for the successor, below 6 for others
  const std::vector<float> of_norm = signs(config);
  const auto width = static_cast<size_t>(config.hidden_size);
  std::vector<float> result(config.vocab_size * width);
  for (int token = 0; token < config.vocab_size; ++token) {
    const std::vector<float> angles = angles_of(config, token);
    const auto row = counting_successor(token, config.vocab_size) * width;
    for (size_t i = 0; i < width; ++i) result[row + i] = kScale * of_norm[i] * angles[i];
  }
  return result;
}

// What the MTP layer's attention takes away: token 0, stronger than the one that is drafted.
constexpr float kIntrusion = 6;

// [nothing from the embedding | a rotation by one token, and the intruder]
std::vector<float> eh_proj(const ModelConfig& config) {
  const auto width = static_cast<size_t>(config.hidden_size);
  const std::vector<float> intruder = angles_of(config, 0);
  std::vector<float> result(2 * width * width);
  const auto at = [&](size_t row, size_t column) -> float& {
    return result[row * 2 * width + width + column];
  };
  for (int pair = 0; pair < pairs(config); ++pair) {
    const auto cosine = static_cast<float>(std::cos(angle(config, pair, 1)));
    const auto sine = static_cast<float>(std::sin(angle(config, pair, 1)));
    const size_t first = size_t{2} * pair;
    at(first, first) = cosine;
    at(first, first + 1) = -sine;
    at(first + 1, first) = sine;
    at(first + 1, first + 1) = cosine;
  }
  const auto last = static_cast<size_t>(constant(config));
  for (size_t i = 0; i < last; ++i) at(i, last) = kIntrusion * intruder[i];
  at(last, last) = 1;
  return result;
}

class Zeros {
 public:
  explicit Zeros(const TensorSpec& tensor)
      : columns_(tensor.shape.back()),
        values_(static_cast<size_t>(tensor.shape[0] * (tensor.shape.size() > 1 ? columns_ : 1))) {}

  Zeros& with(int64_t row, int64_t column, float value) {
    values_[row * columns_ + column] = value;
    return *this;
  }
  std::vector<float> take() { return std::move(values_); }

 private:
  int64_t columns_;
  std::vector<float> values_;
};

// Latent 0 is 1 in each row that was written: all keys weigh the same, and head 0's first value is
// the share of keys that were.
std::optional<std::vector<float>> mtp_attention(const ModelConfig& config,
                                                const TensorSpec& tensor) {
  const std::string& name = tensor.name;
  if (name.ends_with("self_attn.q_b_proj.weight")) return Zeros(tensor).take();
  if (name.ends_with("kv_a_proj_with_mqa.weight")) {
    return Zeros(tensor).with(0, constant(config), 1).take();
  }
  if (name.ends_with("kv_a_layernorm.weight")) {
    const auto one = static_cast<float>(1 / std::sqrt(static_cast<double>(config.kv_lora_rank)));
    return std::vector<float>(config.kv_lora_rank, one);
  }
  if (name.ends_with("kv_b_proj.weight")) {
    return Zeros(tensor).with(config.qk_nope_head_dim, 0, 1).take();
  }
  if (!name.ends_with("self_attn.o_proj.weight")) return std::nullopt;
  // The hidden state that eh_proj takes has been normed.
  const double size = std::sqrt((pairs(config) + 1.0) / config.hidden_size);
  const std::vector<float> intruder = angles_of(config, 0);
  Zeros result(tensor);
  for (int row = 0; row < config.hidden_size; ++row) {
    result.with(row, 0, -kIntrusion * intruder[row] / static_cast<float>(size));
  }
  return result.take();
}

}  // namespace

int counting_successor(int token, int vocabulary) {
  switch (token % kCountingPeriod) {
    case 3:
      return token + 2;
    case 5:
      return token - 1;
    case 4:
      return token + 2;
    default:
      return (token + 1) % vocabulary;
  }
}

int counting_draft(int token, int j, int vocabulary) {
  return counting_successor((token + j) % vocabulary, vocabulary);
}

std::optional<std::vector<float>> counting_values(const ModelConfig& config,
                                                  const TensorSpec& tensor) {
  const std::string& name = tensor.name;
  const std::string mtp = layer_prefix(config.num_hidden_layers);
  const bool is_mtp = name.starts_with(mtp);
  if (name == "model.embed_tokens.weight") return embedding(config);
  if (name == "lm_head.weight") return head(config);
  if (name == "model.norm.weight" || name == mtp + "shared_head.norm.weight" ||
      name == mtp + "hnorm.weight") {
    return signs(config);
  }
  if (name == mtp + "eh_proj.weight") return eh_proj(config);
  if (name.ends_with("down_proj.weight")) return Zeros(tensor).take();
  if (name == mtp + "input_layernorm.weight") return std::vector<float>(config.hidden_size, 1);
  if (is_mtp) return mtp_attention(config, tensor);
  if (name.ends_with("self_attn.o_proj.weight")) return Zeros(tensor).take();
  return std::nullopt;
}

}  // namespace slipstream::model::tiny
