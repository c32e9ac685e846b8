// The engine: a DeepSeek-V3.2 or GLM-5 checkpoint in, tokens out.
//
//   Engine engine = Engine::load("GLM-5.2-FP8", {.stream = stream, .cache_tokens = 65536});
//   const SequenceId sequence = engine.create_sequence({.temperature = 0.7F, .top_p = 0.95F, .seed
//   = 1}); int token = engine.prefill(sequence, prompt); while (token != end_of_text) token =
//   engine.step(std::array{sequence}).front(); engine.free(sequence);
//
// Everything a step needs lives on the device: positions, page tables, the sampled token that is
// the next step's input. A step is a replay of one CUDA graph per batch shape, and prompts go
// through the same kernels in chunks of up to 16 tokens. An Engine is used by one thread at a time.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "slipstream/error.h"
#include "slipstream/launch.h"

namespace slipstream::engine {

// Rows of the latent KV cache.
enum class KvFormat : std::uint8_t {
  kBf16,  // 1152 bytes per token and layer
  kFp8,   // 656 bytes: e4m3 with four fp32 scales, the rotated key in bf16
};

// What one step can process at most: tokens of all its sequences together.
inline constexpr int kMaxStepTokens = 16;

struct LoadOptions {
  cudaStream_t stream = nullptr;  // all work is ordered on it; a default stream is refused
  KvFormat kv_format = KvFormat::kBf16;
  // Tokens that all living sequences can hold together; memory for them is taken at load, in pages
  // of 64.
  std::int64_t cache_tokens = 8192;
  int max_sequences = kMaxStepTokens;
  // This process is rank `rank` of `tp` that share every layer.
  int tp = 1;
  int rank = 0;
  // Epsilon of the q_a and kv_a norms where it is not the model's rms_norm_eps (transformers takes
  // 1e-6 for GLM).
  std::optional<float> lora_norm_eps;
  // One CUDA graph per number of tokens; false: every step launches its kernels one by one.
  bool graphs = true;
};

// How the next token is chosen from logits; docs/engine.md states the algorithm,
// src/engine/sampling.h is its reference.
struct SamplingOptions {
  float temperature = 0;  // 0: the largest logit, the lower id on ties
  int top_k = 0;          // 0: no limit
  float top_p = 1;
  std::uint64_t seed = 0;
};

// Names a living sequence. Never used again after free().
enum class SequenceId : std::int64_t {};

struct MemoryUse {
  std::int64_t weight_bytes = 0;
  std::int64_t cache_bytes = 0;
  std::int64_t workspace_bytes = 0;
};

// Positions that a token attends to.
using IndexList = std::vector<int>;

struct LayerResult {
  std::vector<float>
      hidden;  // [tokens, hidden_size]: what leaves it; behind the last layer after the final norm
  std::vector<IndexList> lists;  // those that its attention used, positions ascending
};

class Engine {
 public:
  // Reads DIRECTORY/config.json and the safetensors beside it. Throws InvalidArgument naming file
  // and tensor (or key), or what the device's memory lacks, before any of it is taken, and
  // CudaError if the device fails.
  static Engine load(const std::string& directory, const LoadOptions& options);

  Engine(Engine&& other) noexcept;
  Engine& operator=(Engine&& other) noexcept;
  ~Engine();

  [[nodiscard]] int vocab_size() const;
  [[nodiscard]] int num_hidden_layers() const;
  [[nodiscard]] int hidden_size() const;
  [[nodiscard]] int max_position_embeddings() const;
  [[nodiscard]] std::vector<int> eos_token_ids() const;
  [[nodiscard]] MemoryUse memory_use() const;

  // An empty sequence. Throws InvalidArgument if max_sequences are alive.
  [[nodiscard]] SequenceId create_sequence(const SamplingOptions& sampling = {});
  // Gives its pages back.
  void free(SequenceId sequence);
  // Tokens in its cache.
  [[nodiscard]] std::int64_t length(SequenceId sequence) const;

  // Appends tokens, in chunks of up to 16, and returns the token sampled behind the last one, which
  // is the next step's input. May be called again at any time: the tokens are appended and that
  // sampled token is dropped. Throws InvalidArgument for ids outside the vocabulary and where the
  // cache or the model's positions end.
  int prefill(SequenceId sequence, std::span<const int> ids);

  // One step of up to 16 different sequences, one token each; returns the sampled tokens in the
  // same order.
  std::vector<int> step(std::span<const SequenceId> sequences);

  // `count` steps of the same sequences, enqueued without waiting for the host. `on_tokens` gets
  // each step's tokens as they arrive and may return false to stop; steps already enqueued are then
  // dropped from the sequences.
  void run(std::span<const SequenceId> sequences, int count,
           const std::function<bool(std::span<const int>)>& on_tokens);

  // Makes `token` the next step's input in place of the sampled one.
  void force(SequenceId sequence, int token);

  // Logits behind the sequence's last token, fp32 [vocab_size] (with several ranks: this rank's
  // part). Throws InvalidArgument unless the sequence took part in the last step.
  [[nodiscard]] std::vector<float> logits(SequenceId sequence);

  // One layer alone: row p of `hidden` [tokens, hidden_size] enters layer `layer` at position p.
  // Runs on caches of its own, in chunks of up to 16. A layer that shares its index list needs
  // `lists`, one per token; another one takes none.
  [[nodiscard]] LayerResult run_layer(int layer, std::span<const float> hidden,
                                      std::span<const IndexList> lists = {});

  // Launches in the graph of a step of `tokens` tokens; 0 before its first step, and without
  // graphs.
  [[nodiscard]] int launches_per_step(int tokens) const;
  // Of these, launches that may start before the one in front of them has ended: those by PDL.
  [[nodiscard]] int early_launches_per_step(int tokens) const;

 private:
  class Impl;
  explicit Engine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Every kernel of a step.
[[nodiscard]] std::span<const pdl::KernelDeclaration* const> kernel_declarations();

}  // namespace slipstream::engine
