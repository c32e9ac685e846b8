// One layer alone, from file to file.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "cli/generate_engine.h"
#include "engine/safetensors.h"

namespace slipstream::cli {
namespace {

using engine::Engine;
using engine::IndexList;
using engine::OutputTensor;

template <class T>
std::vector<T> values_of(const engine::StoredTensor& tensor, engine::StoredType type) {
  if (tensor.type != type || tensor.shape.size() != 2) {
    throw InvalidArgument(fmt::format("{}: tensor {} must be {} with two axes, is {}", tensor.file,
                                      tensor.name, engine::to_string(type), tensor.describe()));
  }
  std::vector<T> values(tensor.numel());
  std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
  return values;
}

// Rows of positions, filled up with -1.
std::vector<IndexList> read_lists(const engine::TensorStore& store) {
  const engine::StoredTensor* tensor = store.find("index_lists");
  if (tensor == nullptr) return {};
  const auto values = values_of<std::int32_t>(*tensor, engine::StoredType::kI32);
  const std::int64_t width = tensor->shape[1];
  std::vector<IndexList> lists(tensor->shape[0]);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i] >= 0) lists[i / width].push_back(values[i]);
  }
  return lists;
}

void write_layer(const std::string& path, const engine::LayerResult& result, std::int64_t tokens,
                 std::int64_t hidden_size) {
  std::size_t width = 0;
  for (const IndexList& list : result.lists) width = std::max(width, list.size());
  std::vector<std::int32_t> lists;
  for (const IndexList& list : result.lists) {
    lists.insert(lists.end(), list.begin(), list.end());
    lists.resize(lists.size() + width - list.size(), -1);
  }
  const std::array tensors = {
      OutputTensor::of("hidden", {tokens, hidden_size}, std::span<const float>(result.hidden)),
      OutputTensor::of("index_lists", {tokens, static_cast<std::int64_t>(width)},
                       std::span<const std::int32_t>(lists))};
  engine::write_safetensors(path, tensors);
}

}  // namespace

void run_one_layer(const GenerateOptions& options, cudaStream_t stream) {
  if (!options.prompt_ids.empty() || !options.prompt_file.empty()) {
    throw InvalidArgument("--layer takes no prompt, has one");
  }
  const auto store = engine::TensorStore::open_file(options.layer_in);
  const engine::StoredTensor& tensor = store.at("hidden");
  const auto hidden = values_of<float>(tensor, engine::StoredType::kF32);
  const std::int64_t tokens = tensor.shape[0];
  if (tokens == 0) {
    throw InvalidArgument(
        fmt::format("{}: tensor hidden must have at least one row, has none", options.layer_in));
  }
  Engine engine = load_engine(options, stream, tokens);
  if (tensor.shape[1] != engine.hidden_size()) {
    throw InvalidArgument(
        fmt::format("{}: tensor hidden must have hidden_size = {} columns, has {}",
                    options.layer_in, engine.hidden_size(), tensor.shape[1]));
  }
  const auto result = engine.run_layer(*options.layer, hidden, read_lists(store));
  const std::string path =
      options.layer_out.empty() ? options.layer_in + ".out.safetensors" : options.layer_out;
  write_layer(path, result, tokens, tensor.shape[1]);
  fmt::print("{}\n", path);
}

}  // namespace slipstream::cli
