// One rank's decode step of a model with synthetic weights, for measurements: with the kernels as
// they ship, or with instrumented ones that record when they start, wait and end
// (pdl/instrument/recorder.h).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bench/step_trace.h"
#include "model/config.h"
#include "slipstream/launch.h"
#include "step/exchange.h"
#include "step/weights.h"

namespace slipstream::bench {

// What a measured rank exchanges with.
enum class Others : uint8_t {
  kNone,    // nothing: partial sums are taken for whole ones
  kRanks,   // the other ranks, each on a GPU
  kPlayed,  // one GPU that sends zeros in place of all of them: the step is that of this rank alone
  kEchoed,  // itself: it sends the rows of all ranks into its own window, each an equal part of its own
};

struct BenchModel {
  std::string name_or_file;
  int layers = 0;  // the first ones only; 0: all
  int tp = 1;
  Others others = Others::kNone;
  int rank = 0;
  bool drafts = false;  // with the MTP layer
  bool fp8_draft_head = true;
  double common_experts = 0;  // of a row's, those that another chooses too; 0: left to chance
  float sum_share = 1;  // factor of what it adds to sums over ranks; 0: its logits are zero, too

  [[nodiscard]] step::MtpLoad mtp() const { return step::mtp_load(drafts, fp8_draft_head); }
};

struct StepShape {
  int batch = 1;          // sequences with one token each
  int context = 1;        // positions that each token sees, itself included
  bool fp8_rows = false;  // 656-byte latent rows
  int drafts = 0;         // of each sequence, after its token

  [[nodiscard]] int rows() const { return batch * (drafts + 1); }
};

// What one launch of a step did.
struct MeasuredLaunch {
  std::string title;   // what it is for; equal ones can be compared
  std::string kernel;  // its declaration's name
  int layer = 0;       // num_hidden_layers and more: after the last one, and of drafts
  int ctas = 0;
  int threads = 0;           // of a CTA
  int64_t shared_bytes = 0;  // dynamic
  double bytes = 0;          // that it must move: weights, caches, activations
  int experts = 0;           // distinct ones that its rows choose, where it chooses
};

struct StepOutput {
  std::vector<float> logits;  // [rows, vocabulary of this rank]
  std::vector<int> sampled;   // [rows]
};

// Device memory of a rank, in bytes.
struct RankMemory {
  int device = 0;
  int64_t weights = 0;
  int64_t caches = 0;
  int64_t workspace = 0;
  int64_t window = 0;
  int64_t others = 0;  // what else is taken: CUDA's context, kernels, graphs, other programs
};

class StepBench {
 public:
  StepBench() = default;
  virtual ~StepBench() = default;
  StepBench(const StepBench&) = delete;
  StepBench& operator=(const StepBench&) = delete;

  [[nodiscard]] virtual int layers() const = 0;
  [[nodiscard]] virtual int64_t weight_bytes() const = 0;
  // Makes caches for steps of this shape, in place of those before it. Throws InvalidArgument where
  // memory or the model's positions do not suffice.
  virtual void set_shape(const StepShape& shape) = 0;
  // Puts the step's tokens `steps_before` positions before the last one of the context. Where other
  // ranks step along, steps come in pairs, the first of them right after reset(1).
  virtual void reset(int steps_before) = 0;
  // With the kernels as they ship, or instrumented ones.
  virtual void enqueue(const pdl::LaunchOptions& options, bool instrumented = false) = 0;
  // Of the last step, which has ended.
  [[nodiscard]] virtual StepOutput output() const = 0;
  // The launches of a step, in order. Runs two, because routing decides about bytes.
  [[nodiscard]] virtual std::vector<MeasuredLaunch> launches() = 0;
  // Steps with instrumented kernels.
  [[nodiscard]] virtual StepTrace trace(bool pdl, int steps) = 0;
  // Of every rank that has a device, this one first.
  [[nodiscard]] virtual std::vector<RankMemory> memory() const = 0;
};

// What the caches of all layers take; those of steps that draft have one layer more.
[[nodiscard]] int64_t cache_bytes(const model::ModelConfig& config, const StepShape& shape);

using ExchangeMaker = std::function<std::unique_ptr<step::Exchange>()>;

// Makes the weights. The steps exchange over what `make_exchange` makes; without, a rank's partial
// sums are taken for whole ones. Throws InvalidArgument for an unknown model, or one that does not
// fit.
[[nodiscard]] std::unique_ptr<StepBench> make_step_bench(const BenchModel& model,
                                                         cudaStream_t stream,
                                                         ExchangeMaker make_exchange = {});

}  // namespace slipstream::bench
