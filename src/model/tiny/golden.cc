#include "model/tiny/golden.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "io/json_reader.h"
#include "model/float_formats.h"

namespace slipstream::model::tiny {
namespace {

std::string golden_file(const std::string& directory, const std::string& name, const char* suffix) {
  return fmt::format("{}/{}.{}", directory, name, suffix);
}

Matrix read_matrix(const StoredTensor& tensor) {
  Matrix result(static_cast<int>(tensor.shape[0]), static_cast<int>(tensor.shape[1]));
  std::memcpy(result.values().data(), tensor.bytes.data(), tensor.bytes.size());
  return result;
}

// Of the `index`-th matrix in a tensor.
Matrix read_f16(const StoredTensor& tensor, int index) {
  const size_t dimensions = tensor.shape.size();
  Matrix result(static_cast<int>(tensor.shape[dimensions - 2]),
                static_cast<int>(tensor.shape[dimensions - 1]));
  const size_t count = result.values().size();
  for (size_t i = 0; i < count; ++i) {
    uint16_t bits = 0;
    std::memcpy(&bits, tensor.bytes.data() + 2 * (index * count + i), sizeof bits);
    result.values()[i] = f16_to_float(bits);
  }
  return result;
}

double cosine(std::span<const float> a, std::span<const float> b) {
  double ab = 0;
  double aa = 0;
  double bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    ab += static_cast<double>(a[i]) * b[i];
    aa += static_cast<double>(a[i]) * a[i];
    bb += static_cast<double>(b[i]) * b[i];
  }
  return ab / std::sqrt(aa * bb);
}

ptrdiff_t argmax(std::span<const float> row) {
  return std::max_element(row.begin(), row.end()) - row.begin();
}

}  // namespace

std::vector<int> GoldenPrompt::processed_ids() const {
  std::vector<int> result = ids;
  result.insert(result.end(), continuation.begin(), continuation.end() - 1);
  return result;
}

Golden::Golden(const std::string& directory, const std::string& name)
    : name_(name), store_(TensorStore::open_file(golden_file(directory, name, "safetensors"))) {
  const auto ids = [](const io::JsonReader& prompt, const char* key) {
    const std::vector<int64_t> list = prompt.integers(key);
    return std::vector<int>(list.begin(), list.end());
  };
  for (const io::JsonReader& prompt :
       io::JsonReader::read(golden_file(directory, name, "json")).objects("prompts")) {
    const std::string index = std::to_string(prompts_.size());
    prompts_.push_back({ids(prompt, "ids"), ids(prompt, "continuation"),
                        prompt.number("engine_cosine_mean"),
                        prompt.number("engine_argmax_agreement"),
                        read_matrix(store_.at("logits.exact." + index))});
  }
}

GoldenLimits Golden::limits() const {
  if (name_ == "deepseek-v32-tiny") {
    return {.cosine_drop = 0.0013,
            .layer_error_p50 = 0.0155,
            .layer_error_p75 = 0.0180,
            .overlap_layer_mean = 0.978,
            .draft_cosine = 0.9965};
  }
  if (name_ == "glm-5-tiny") {
    return {.cosine_drop = 0.0005,
            .layer_error_p50 = 0.0125,
            .layer_error_p75 = 0.0145,
            .overlap_layer_mean = 0.978,
            .draft_cosine = 0.9975};
  }
  if (name_ == "deepseek-v32-ranks-tiny") {
    return {.cosine_drop = 0.0015,
            .layer_error_p50 = 0.0155,
            .layer_error_p75 = 0.0180,
            .overlap_layer_mean = 0.978,
            .draft_cosine = 0.9965};
  }
  if (name_ == "glm-5.2-ranks-tiny") {
    return {.cosine_drop = 0.0015,
            .layer_error_p50 = 0.0125,
            .layer_error_p75 = 0.0145,
            .overlap_layer_mean = 0.978,
            .draft_cosine = 0.9975};
  }
  return {.cosine_drop = 0.0005,
          .layer_error_p50 = 0.0050,
          .layer_error_p75 = 0.0085,
          .overlap_layer_mean = 0.984,
          .draft_cosine = 0.998};
}

Matrix Golden::layer_input(int prompt, int layer) const {
  return read_f16(store_.at("layers.exact." + std::to_string(prompt)), layer);
}

Matrix Golden::drafts(int prompt) const {
  return read_f16(store_.at("draft.exact." + std::to_string(prompt)), 0);
}

bool Golden::has_lists(int prompt, int layer) const {
  return store_.find("topk.exact." + std::to_string(prompt) + "." + std::to_string(layer)) !=
         nullptr;
}

std::vector<std::vector<int>> Golden::lists(int prompt, int layer) const {
  const StoredTensor& tensor =
      store_.at("topk.exact." + std::to_string(prompt) + "." + std::to_string(layer));
  std::vector<std::vector<int>> result;
  for (int position = 0; position < kIndexTopK; ++position) {
    result.emplace_back(position + 1);
    std::iota(result.back().begin(), result.back().end(), 0);
  }
  for (int row = 0; row < tensor.shape[0]; ++row) {
    result.emplace_back();
    for (int i = 0; i < kIndexTopK; ++i) {
      result.back().push_back(std::to_integer<int>(tensor.bytes[row * kIndexTopK + i]));
    }
  }
  return result;
}

std::vector<std::string> golden_names() {
  return {"deepseek-v32-tiny", "glm-5-tiny", "glm-5.2-tiny-bf16"};
}

std::vector<std::string> rank_golden_names() {
  return {"deepseek-v32-ranks-tiny", "glm-5.2-ranks-tiny"};
}

Matrix teacher_forced_logits(const GoldenPrompt& prompt, int chunk, const Step& step) {
  Matrix result(prompt.logits.rows(), prompt.logits.columns());
  const int length = static_cast<int>(prompt.ids.size());
  const auto keep_last = [&](const Matrix& logits, int row) {
    const auto last = logits.row(logits.rows() - 1);
    std::copy(last.begin(), last.end(), result.row(row).begin());
  };
  for (int first = 0; first < length; first += chunk) {
    const int count = std::min(chunk, length - first);
    const std::vector<int> ids(prompt.ids.begin() + first, prompt.ids.begin() + first + count);
    keep_last(step(ids, first), 0);
  }
  for (int row = 1; row < result.rows(); ++row) {
    keep_last(step({prompt.continuation[row - 1]}, length + row - 1), row);
  }
  return result;
}

double mean_cosine(const Matrix& a, const Matrix& b) {
  double sum = 0;
  for (int row = 0; row < a.rows(); ++row) sum += cosine(a.row(row), b.row(row));
  return sum / a.rows();
}

double argmax_agreement(const Matrix& a, const Matrix& b) {
  int equal = 0;
  for (int row = 0; row < a.rows(); ++row) equal += argmax(a.row(row)) == argmax(b.row(row));
  return static_cast<double>(equal) / a.rows();
}

}  // namespace slipstream::model::tiny
