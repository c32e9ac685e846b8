#include "cli/generate.h"

#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstring>

#include "engine/safetensors.h"
#include "slipstream/engine.h"
#include "slipstream/launch.h"

namespace slipstream::cli {
namespace {

using engine::Engine;
using engine::IndexList;
using engine::OutputTensor;
using engine::SequenceId;
using Clock = std::chrono::steady_clock;

class Stream {
 public:
  Stream() {
    check_cuda(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking),
               "cudaStreamCreateWithFlags");
  }
  ~Stream() { cudaStreamDestroy(stream_); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  [[nodiscard]] cudaStream_t get() const { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
};

struct Measured {
  std::vector<int> tokens;
  double first_token_seconds = 0;
  double other_seconds = 0;  // all tokens behind the first
};

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

Engine load(const GenerateOptions& options, cudaStream_t stream, std::int64_t cache_tokens) {
  return Engine::load(options.model, {.stream = stream,
                                      .kv_format = options.kv == "fp8" ? engine::KvFormat::kFp8
                                                                       : engine::KvFormat::kBf16,
                                      .cache_tokens = cache_tokens,
                                      .max_sequences = 1,
                                      .lora_norm_eps = options.lora_norm_eps});
}

// Produces the tokens of one sequence and hands each to `on_token`, which returns false to stop.
class Generation {
 public:
  Generation(const GenerateOptions& options, Engine& engine)
      : engine_(engine),
        eos_(options.ignore_eos ? std::vector<int>{} : engine.eos_token_ids()),
        forced_(parse_ids(options.force_ids, "--force-ids")),
        count_(token_count(options, forced_.size())),
        keep_logits_(!options.logits_file.empty()),
        show_(!options.json),
        sequence_(engine.create_sequence({.temperature = options.temperature,
                                          .top_k = options.top_k,
                                          .top_p = options.top_p,
                                          .seed = options.seed})) {}

  Measured run(std::span<const int> prompt) {
    const Clock::time_point start = Clock::now();
    bool more = take(engine_.prefill(sequence_, prompt));
    measured_.first_token_seconds = seconds_since(start);
    const Clock::time_point first = Clock::now();
    if (!forced_.empty() || keep_logits_) {
      while (more) more = take(engine_.step(std::array{sequence_}).front());
    } else if (more) {
      // The host only watches: steps are enqueued ahead of the tokens' arrival.
      engine_.run(std::array{sequence_}, count_ - 1,
                  [&](std::span<const int> tokens) { return take(tokens.front()); });
    }
    measured_.other_seconds = seconds_since(first);
    return measured_;
  }

  [[nodiscard]] const std::vector<float>& logits() const { return logits_; }

 private:
  // Records the token behind the last processed one; false if it is the last.
  bool take(int token) {
    const std::size_t index = measured_.tokens.size();
    if (keep_logits_) {
      const std::vector<float> row = engine_.logits(sequence_);
      logits_.insert(logits_.end(), row.begin(), row.end());
    }
    if (!forced_.empty()) token = forced_[index];
    measured_.tokens.push_back(token);
    if (show_) {
      fmt::print("{}{}", index == 0 ? "" : " ", token);
      std::fflush(stdout);
    }
    const bool ended = forced_.empty() && std::ranges::find(eos_, token) != eos_.end();
    const bool more = static_cast<int>(measured_.tokens.size()) < count_ && !ended;
    if (more && !forced_.empty()) engine_.force(sequence_, token);
    return more;
  }

  Engine& engine_;
  std::vector<int> eos_;
  std::vector<int> forced_;
  int count_;
  bool keep_logits_;
  bool show_;
  SequenceId sequence_;
  Measured measured_;
  std::vector<float> logits_;
};

double tokens_per_second(const Measured& measured) {
  const auto others = static_cast<double>(measured.tokens.size()) - 1;
  return others > 0 ? others / measured.other_seconds : 0;
}

void print_text(const Measured& measured, const engine::MemoryUse& memory) {
  constexpr double kMebibyte = 1 << 20;
  fmt::print("\ntime to first token  {:.2f} ms\n", measured.first_token_seconds * 1e3);
  if (measured.tokens.size() > 1) {
    fmt::print("then                 {:.1f} tokens/s\n", tokens_per_second(measured));
  }
  fmt::print("memory               {:.1f} MiB weights, {:.1f} MiB caches, {:.1f} MiB workspace\n",
             static_cast<double>(memory.weight_bytes) / kMebibyte,
             static_cast<double>(memory.cache_bytes) / kMebibyte,
             static_cast<double>(memory.workspace_bytes) / kMebibyte);
}

void print_json(const Measured& measured, const engine::MemoryUse& memory) {
  fmt::print(
      "{{\"tokens\": [{}], \"time_to_first_token_ms\": {:.3f}, \"tokens_per_second\": {:.3f}, "
      "\"memory\": {{\"weight_bytes\": {}, \"cache_bytes\": {}, \"workspace_bytes\": {}}}}}\n",
      fmt::join(measured.tokens, ", "), measured.first_token_seconds * 1e3,
      tokens_per_second(measured), memory.weight_bytes, memory.cache_bytes, memory.workspace_bytes);
}

void generate_tokens(const GenerateOptions& options, cudaStream_t stream) {
  const std::vector<int> prompt = read_prompt(options);
  const int count = token_count(options, parse_ids(options.force_ids, "--force-ids").size());
  Engine engine = load(options, stream, static_cast<std::int64_t>(prompt.size()) + count);
  Generation generation(options, engine);
  const Measured measured = generation.run(prompt);
  if (!options.logits_file.empty()) {
    const auto steps = static_cast<std::int64_t>(measured.tokens.size());
    const std::array tensors = {OutputTensor::of("logits", {steps, engine.vocab_size()},
                                                 std::span<const float>(generation.logits()))};
    engine::write_safetensors(options.logits_file, tensors);
  }
  (options.json ? print_json : print_text)(measured, engine.memory_use());
}

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

void run_one_layer(const GenerateOptions& options, cudaStream_t stream) {
  const auto store = engine::TensorStore::open_file(options.layer_in);
  const engine::StoredTensor& tensor = store.at("hidden");
  const auto hidden = values_of<float>(tensor, engine::StoredType::kF32);
  const std::int64_t tokens = tensor.shape[0];
  Engine engine = load(options, stream, tokens);
  const auto result = engine.run_layer(*options.layer, hidden, read_lists(store));
  const std::string path =
      options.layer_out.empty() ? options.layer_in + ".out.safetensors" : options.layer_out;
  write_layer(path, result, tokens, tensor.shape[1]);
  fmt::print("{}\n", path);
}

}  // namespace

void run_generate(const GenerateOptions& options) {
  pdl::set_enabled(options.pdl == "on");
  const Stream stream;
  if (options.layer) {
    run_one_layer(options, stream.get());
  } else {
    generate_tokens(options, stream.get());
  }
}

}  // namespace slipstream::cli
