// The engine: a DeepSeek-V3.2 or GLM-5 checkpoint in, tokens out.
//
//   Engine engine = Engine::load("GLM-5.2-FP8", {.stream = stream, .cache_tokens = 65536});
//   const SequenceId sequence =
//       engine.create_sequence({.temperature = 0.7F, .top_p = 0.95F, .seed = 1});
//   int token = engine.prefill(sequence, prompt);
//   while (token != end_of_text) token = engine.step(std::array{sequence}).front();
//   engine.free(sequence);
//
// Everything a step needs lives on the device: positions, page tables, the sampled token that is
// the next step's input. A step is a replay of one CUDA graph per number of tokens, and prompts go
// through the same kernels in chunks of up to 16 tokens. An Engine is used by one thread at a time
// (but for wait(), cancel() and metrics()), with the device current that was so when it was loaded.
//
// A server, whose sequences come and go, asks for steps with enqueue() and wait()
// (slipstream/serving.h).
//
// Several GPUs share a model if LoadOptions::ranks says so (docs/ranks.md); everything else is as
// with one.
//
// Errors: a wrong argument is an InvalidArgument that says what it must be and what it is, and
// leaves engine and sequences as they were. A failure of the device is a CudaError, one of another
// rank a RankError; either closes the engine: whatever is asked of its sequences afterwards throws an
// Error that says why it was closed. Token ids are 0 to vocab_size() - 1, positions count from 0.
#pragma once

#include <cuda_runtime_api.h>

#include <array>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "slipstream/error.h"
#include "slipstream/launch.h"
#include "slipstream/metrics.h"
#include "slipstream/sampling.h"
#include "slipstream/serving.h"

namespace slipstream::engine {

// Rows of the latent KV cache.
enum class KvFormat : uint8_t {
  kBf16,  // 1152 bytes per token and layer
  kFp8,   // 656 bytes: e4m3 with four fp32 scales, the rotated key in bf16
};

// What one step can process at most: tokens of all its sequences together.
inline constexpr int kMaxStepTokens = 16;

// Drafts of one sequence in one step, at most.
inline constexpr int kMaxDrafts = 5;

// One of several processes that run a model together, with a GPU each.
struct RankProcess {
  int rank = 0;
  int device = 0;    // the CUDA device of this process
  std::string host;  // where rank 0 runs
  int port = 0;      // where rank 0 listens for the others
};

// The GPUs that share a model: every rank has its part of each layer, and all of them take part in
// every step. Needs NCCL 2.28.3 or later, and GPUs that reach each other's memory.
struct Ranks {
  int count = 1;                                      // 1 to kMaxRanks
  std::optional<RankProcess> process = std::nullopt;  // none: threads of this process

  // A thread of this process for each of the devices 0 to `count` - 1.
  [[nodiscard]] static Ranks threads(int count) { return {count, std::nullopt}; }
  // This process as one of WORLD_SIZE, as torchrun and others set the environment: RANK, WORLD_SIZE,
  // LOCAL_RANK (the device), MASTER_ADDR, MASTER_PORT (rank 0 listens on the one after it). None
  // where WORLD_SIZE is not set, or 1. Throws InvalidArgument naming the variable that is not
  // what it must be.
  [[nodiscard]] static std::optional<Ranks> from_environment();
};
inline constexpr int kMaxRanks = 8;

// How far a rank has come with reading its share.
struct LoadProgress {
  int rank = 0;
  int64_t bytes = 0;  // on the device
  int64_t total_bytes = 0;
  double seconds = 0;  // since it began
};

struct LoadOptions {
  // All work is ordered on it; a default stream is refused. With several ranks, null: each makes
  // its own.
  cudaStream_t stream = nullptr;
  KvFormat kv_format = KvFormat::kBf16;
  // Tokens that all living sequences can hold together, 1 to 2^32; memory for them is taken at
  // load, in pages of 64, and no page is shared by two sequences unless the caller wants it so.
  int64_t cache_tokens = 8192;
  int max_sequences = kMaxStepTokens;  // alive at a time, 1 to 2^20
  // Tokens that the model's MTP layer drafts of each sequence in a step of run(), 0 to kMaxDrafts, for
  // the next step to check: run() gives the same tokens sooner (docs/mtp.md). The checkpoint must have
  // that layer. A step has 16 rows at most, drafts + 1 of each sequence; of more sequences fewer are
  // drafted.
  int drafts = 0;
  // At most `drafts`, and as many as give the most tokens per second.
  bool adaptive_drafts = false;
  // Drafts are chosen with a copy of the head as e4m3, which takes half as long to read, and half as
  // much memory besides; what is chosen in the end never is. false: with the head itself.
  bool fp8_draft_head = true;
  // Of these, how many can have penalties or a logit bias at a time, 0 to 2^10: 8 bytes of memory for
  // each token of the vocabulary and each of them.
  int max_adjusted_sequences = kMaxStepTokens;
  // The caller hands out all pages of the cache (SequenceOptions::pages), and may have several
  // sequences share them; the engine hands out none.
  bool external_pages = false;
  Ranks ranks = {};
  // Seconds that a kernel waits for another rank, and a process for a sign of life, before it counts
  // as lost: 0.001 to 3600.
  double poll_limit = 10;
  // Called every two seconds that loading takes, and at the end if it took longer, by the thread of
  // each rank.
  std::function<void(const LoadProgress&)> on_progress = nullptr;
  // Without `ranks`: the share of rank `rank` of `tp` alone, for measurements. Results are its
  // partial sums.
  int tp = 1;
  int rank = 0;
  // Epsilon of the q_a and kv_a norms where it is not the model's rms_norm_eps (transformers takes
  // 1e-6 for GLM).
  std::optional<float> lora_norm_eps = std::nullopt;
  // Transform index queries and keys before they are quantized, as the released models do; false: do
  // not, as other engines fill their caches. Scores are the same up to quantization.
  bool index_hadamard = true;
  // One CUDA graph per number of tokens, captured at its first use (with several ranks, all of them
  // at load), with PDL if it is switched on then; false: every step launches its kernels one by one.
  // The bits are the same.
  bool graphs = true;
  // Seconds that the device may take for a step, once it is waited for: 0.001 to 86400, or 0 for any
  // time. After that the call throws a CudaError of code cudaErrorLaunchTimeout, and the engine is
  // closed. What a device that hangs still holds is not given back before the process ends.
  double step_limit = 0;
  // Has the device tell how far it has come with a step, so that such an error names the launch. It
  // costs a copy of four bytes per launch next to the step; the bits are the same.
  bool trace_launches = false;
};

// Bytes of device memory of a rank, taken at load.
struct MemoryUse {
  int64_t weight_bytes = 0;     // this rank's share, as the kernels read it
  int64_t cache_bytes = 0;      // latent rows and index keys of all layers
  int64_t workspace_bytes = 0;  // what launches hand on to each other, tables, logits, windows
};

// Another thread has called Engine::cancel(): the call has had no effect.
class Canceled : public Error {
 public:
  using Error::Error;
};

// How drafts fared, since the engine was loaded.
struct DraftStatistics {
  int64_t steps = 0;   // in which drafts were judged, one for each of its sequences
  int64_t tokens = 0;  // that these chose
  // Of draft j + 1: how often it was judged, those before it having been right, and was right.
  std::array<int64_t, kMaxDrafts> checked{};
  std::array<int64_t, kMaxDrafts> accepted{};

  // Tokens per step and sequence, 1 to kMaxDrafts + 1; 0 where no draft has been judged.
  [[nodiscard]] double mean_length() const {
    return steps == 0 ? 0 : static_cast<double>(tokens) / static_cast<double>(steps);
  }
};

class Engine {
 public:
  // Reads DIRECTORY/config.json and the safetensors next to it, and takes all memory there will be.
  // Throws InvalidArgument naming file and tensor (or key), or what the device's memory lacks,
  // before any of it is taken. The stream must outlive the engine.
  static Engine load(const std::string& directory, const LoadOptions& options);
  // What load() would take of a rank's device, from the checkpoint alone: nothing is asked of a device.
  static MemoryUse plan(const std::string& directory, const LoadOptions& options);

  Engine(Engine&& other) noexcept;
  Engine& operator=(Engine&& other) noexcept;
  ~Engine();

  [[nodiscard]] int vocab_size() const;
  [[nodiscard]] int num_hidden_layers() const;
  [[nodiscard]] int hidden_size() const;
  [[nodiscard]] int max_position_embeddings() const;
  [[nodiscard]] std::vector<int> eos_token_ids() const;
  // Of this process's (first) rank.
  [[nodiscard]] MemoryUse memory_use() const;
  // Of all sequences.
  [[nodiscard]] DraftStatistics draft_statistics() const;
  // Of this process: 0 where ranks are threads, and where there is one.
  [[nodiscard]] int rank() const;

  // For processes other than rank 0, which have no more to do: takes part in what rank 0's engine is
  // asked, until that engine goes.
  void follow();

  // An empty sequence. Throws InvalidArgument if max_sequences are alive, or for options outside
  // their ranges.
  [[nodiscard]] SequenceId create_sequence(const SamplingOptions& sampling = {});
  [[nodiscard]] SequenceId create_sequence(const SequenceOptions& options);
  // Gives its pages back, for others to use: at once, for what others write there comes after steps
  // that are on their way. Here and below, a sequence that is not alive is an InvalidArgument.
  void free(SequenceId sequence);
  // Tokens in its cache: the position of the next one. Up to cache_tokens in whole pages, and up to
  // max_position_embeddings().
  [[nodiscard]] int64_t length(SequenceId sequence) const;

  // Appends `ids` (at least one), in chunks of up to 16, and returns the token sampled after the
  // last one, which is the next step's input. May be called again at any time: the tokens are
  // appended and that sampled token is dropped. Throws InvalidArgument, and appends nothing, for
  // ids outside the vocabulary and where the cache or the model's positions end.
  int prefill(SequenceId sequence, std::span<const int> ids);

  // One step of 1 to 16 different sequences, one token each, which is appended; returns the tokens
  // sampled after them, in the same order. Throws InvalidArgument, and appends nothing, for a
  // sequence without a token to process (neither prefilled nor forced) and where the cache or the
  // model's positions end. With drafts a step may choose several tokens of a sequence: what is beyond
  // the first is given by the next calls, without a step, until prefill() or force() drops it.
  std::vector<int> step(std::span<const SequenceId> sequences);

  // `count` tokens (at least one) of each of the sequences, by steps enqueued without waiting for the
  // host; pages for all of them are needed at the start. `on_tokens` gets one token of each sequence
  // at a time, as they arrive, and may return false to stop; what has been chosen beyond is then
  // dropped from the sequences. It cannot call the engine; if it throws, the sequences are as they
  // were before. With drafts a step may choose several tokens of a sequence, and `on_tokens` is
  // called that often in a row; what is beyond `count` is the next call's.
  void run(std::span<const SequenceId> sequences, int count,
           const std::function<bool(std::span<const int>)>& on_tokens);

  // Makes `token` the next step's input in place of the sampled one; of an empty sequence, its
  // first token.
  void force(SequenceId sequence, int token);

  // By any thread: the prefill, step or run that another thread is in, or else the next one, throws
  // Canceled, and its sequences are as they were before (ids that penalties have seen, they have seen).
  // With several ranks a prompt is processed to its end first. A device that hangs is not reached:
  // that is what LoadOptions::step_limit is for.
  void cancel();
  // By any thread, at any time.
  [[nodiscard]] Metrics metrics() const;

  // Pages of 64 tokens in the cache.
  [[nodiscard]] int64_t cache_pages() const;
  // With LoadOptions::external_pages: more pages at the end of the sequence's table. Throws
  // InvalidArgument, and appends none, for pages that are not in the cache or in the table already,
  // and beyond what max_position_embeddings() needs.
  void append_pages(SequenceId sequence, std::span<const int> pages);

  // Enqueues a step of the parts' tokens, 1 to 16 in all, each part another sequence, and returns
  // without waiting for the device. Throws InvalidArgument, and enqueues and appends nothing: for ids
  // outside the vocabulary; for kLastSampled where the sequence has no sampled token; where its pages,
  // the cache or the model's positions end; where two sequences would write to one page; for a mask
  // of another size or that allows nothing; and while kMaxStepsOnTheirWay steps have not been waited
  // for.
  Ticket enqueue(std::span<const StepPart> parts);
  Ticket enqueue(std::initializer_list<StepPart> parts) {
    return enqueue(std::span(parts.begin(), parts.size()));
  }
  // What the step chose, one entry for each of its parts. Blocks until the device has it. Steps are
  // waited for once, in the order in which they were enqueued; another ticket is an
  // InvalidArgument. The one call that may be made by another thread (one at a time) while the engine
  // is in use.
  std::vector<StepToken> wait(Ticket ticket);

  // prefill, step, run, force and logits want no step on its way: they throw InvalidArgument before
  // all have been waited for.

  // Logits after the sequence's last token, fp32 [vocab_size] (of a rank's share alone: its part).
  // Throws InvalidArgument unless the sequence took part in the last step, of whatever kind,
  // and no layer ran alone since.
  [[nodiscard]] std::vector<float> logits(SequenceId sequence);

 private:
  friend class Inspection;  // what tests and tools ask beyond this
  class Impl;
  explicit Engine(std::unique_ptr<Impl> impl);
  [[nodiscard]] [[gnu::visibility("hidden")]] Impl& impl() const;
  std::unique_ptr<Impl> impl_;
};

}  // namespace slipstream::engine
