// One layer alone, from file to file.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>

#include "cli/finite.h"
#include "cli/generate_engine.h"
#include "engine/inspection.h"
#include "io/file.h"
#include "model/safetensors.h"

namespace slipstream::cli {
namespace {

using engine::Engine;
using engine::IndexList;
using model::OutputTensor;

template <class T>
std::vector<T> values_of(const model::StoredTensor& tensor, model::StoredType type) {
  if (tensor.type != type || tensor.shape.size() != 2) {
    throw InvalidArgument(fmt::format("{}: tensor {} must be {} with two axes, is {}", tensor.file,
                                      tensor.name, model::to_string(type), tensor.describe()));
  }
  std::vector<T> values(tensor.numel());
  std::ranges::copy(tensor.bytes, std::as_writable_bytes(std::span(values)).begin());
  return values;
}

// Rows of positions, filled up with -1, for a layer that shares the list of another. Another layer
// has an indexer of its own and ignores lists in its input.
std::vector<IndexList> read_lists(const model::TensorStore& store, int layer,
                                  const model::ModelConfig& config, int64_t tokens) {
  if (config.indexer_type(layer) != model::IndexerType::kShared) return {};
  const model::StoredTensor& tensor = store.at("index_lists");
  const auto values = values_of<int32_t>(tensor, model::StoredType::kI32);
  if (tensor.shape[0] != tokens) {
    throw InvalidArgument(fmt::format("{}: tensor index_lists must have {} rows, as hidden, is {}",
                                      tensor.file, tokens, tensor.describe()));
  }
  const int64_t width = tensor.shape[1];
  std::vector<IndexList> lists(tokens);
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i] >= 0) lists[i / width].push_back(values[i]);
  }
  return lists;
}

// What can be known before weights are loaded.
void check_layer(const GenerateOptions& options, const model::StoredTensor& hidden,
                 const model::ModelConfig& config) {
  if (*options.layer < 0 || *options.layer >= config.num_hidden_layers) {
    throw InvalidArgument(fmt::format("layer must be from 0 to {}, is {}",
                                      config.num_hidden_layers - 1, *options.layer));
  }
  if (hidden.shape[0] < 1 || hidden.shape[0] > config.max_position_embeddings) {
    throw InvalidArgument(
        fmt::format("{}: tensor hidden must have 1 to max_position_embeddings = {} rows, has {}",
                    options.layer_in, config.max_position_embeddings, hidden.shape[0]));
  }
  if (hidden.shape[1] != config.hidden_size) {
    throw InvalidArgument(
        fmt::format("{}: tensor hidden must have hidden_size = {} columns, has {}",
                    options.layer_in, config.hidden_size, hidden.shape[1]));
  }
}

void write_layer(const std::string& path, const engine::LayerResult& result, int64_t tokens,
                 int64_t hidden_size) {
  size_t width = 0;
  for (const IndexList& list : result.lists) width = std::max(width, list.size());
  std::vector<int32_t> lists;
  for (const IndexList& list : result.lists) {
    lists.insert(lists.end(), list.begin(), list.end());
    lists.resize(lists.size() + width - list.size(), -1);
  }
  const std::array tensors = {
      model::OutputTensor::of("hidden", {tokens, hidden_size},
                              std::span<const float>(result.hidden)),
      model::OutputTensor::of("index_lists", {tokens, static_cast<int64_t>(width)},
                              std::span<const int32_t>(lists))};
  model::write_safetensors(path, tensors);
}

}  // namespace

void run_one_layer(const GenerateOptions& options, cudaStream_t stream) {
  if (!options.prompt_ids.empty() || !options.prompt_file.empty()) {
    throw InvalidArgument("--layer takes no prompt, has one");
  }
  const auto store = model::TensorStore::open_file(options.layer_in);
  const model::StoredTensor& tensor = store.at("hidden");
  const auto hidden = values_of<float>(tensor, model::StoredType::kF32);
  store.require_unchanged();
  const model::ModelConfig config = read_config(options);
  check_layer(options, tensor, config);
  const int64_t tokens = tensor.shape[0];
  const std::vector<IndexList> lists = read_lists(store, *options.layer, config, tokens);
  const std::string path =
      options.layer_out.empty() ? options.layer_in + ".out.safetensors" : options.layer_out;
  const bool writes = is_first(ranks_of(options));
  if (writes) io::require_writable(path);
  Engine engine = load_engine(options, stream, tokens);
  if (!writes) return engine.follow();
  const engine::LayerResult result =
      engine::Inspection(engine).run_layer(*options.layer, hidden, lists);
  write_layer(path, result, tokens, tensor.shape[1]);
  fmt::print("{}\n", path);
  FiniteCheck finite("hidden values", "token");
  const auto width = static_cast<size_t>(tensor.shape[1]);
  for (int64_t token = 0; token < tokens; ++token) {
    finite.look_at(std::span(result.hidden).subspan(static_cast<size_t>(token) * width, width),
                   token);
  }
  finite.report(options.allow_nonfinite);
}

}  // namespace slipstream::cli
