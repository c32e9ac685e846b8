// A decode step as a list of launches. Everything that runs, counts, times or prints a step reads
// this list: the engine enqueues it, the bench sums its bytes, `slipstream info --step` prints it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "model/checkpoint.h"
#include "slipstream/launch.h"
#include "step/exchange.h"
#include "step/kernels/set.h"
#include "step/weights.h"
#include "step/workspace.h"

namespace slipstream::step {

enum class Stage : uint8_t {
  kHidden,      // residual, norm; q_a, kv_a, and the indexer's wk and weights_proj
  kLatent,      // q_a norm; q_b, indexer wq_b; kv_a norm, rope, both cache writes
  kScores,      // W_UK; index scores
  kSelect,      // the index list
  kAttend,      // sparse attention over latent rows, in splits
  kValues,      // combination of the splits; W_UV
  kOutput,      // o_proj
  kMiddle,      // residual, norm; dense gate and up, or router and shared expert's gate and up
  kDenseDown,   // SiLU; down projection of a dense layer
  kRouted,      // choice of experts; their gate and up
  kDown,        // SiLU; down projections of chosen and shared experts, weighted and summed
  kHead,        // final norm; head
  kSample,      // the next tokens
  kDraftInput,  // norms of embeddings and hidden states; eh_proj
};

// What decides how many bytes a launch moves.
struct StepLoad {
  int tokens = 1;
  int context = 1;  // positions that each token sees, itself included
  int experts = 0;  // distinct ones that the layer's tokens choose
};

struct StepLaunch {
  Stage stage;
  std::string title;              // kernel and weights; launches of equal titles can be compared
  int layer = 0;                  // num_hidden_layers and more: after the last one, and of drafts
  bool per_sequence = false;      // its tokens are one row of each sequence, not all rows
  std::vector<Buffer> constants;  // weights and tables: may be read before the wait
  std::vector<Buffer> reads;      // what launches before it wrote
  std::vector<Buffer> settled = {};  // what none but older ones wrote: may be read before the wait
  std::vector<Buffer> writes;
  std::function<double(const StepLoad&)> bytes;  // that it must move, at least
  std::function<void(int tokens, const pdl::LaunchOptions&)> enqueue;
};

// What a step is made of. All of it outlives the lists.
struct StepParts {
  const model::Checkpoint& checkpoint;
  const Weights& weights;
  const Workspace& workspace;
  const Exchange& exchange;
  bool fp8_rows = false;  // 656-byte latent rows
  const kernels::Set& kernels = kernels::plain_set();
};

// Where the stream before a layer comes from.
enum class Stream : uint8_t {
  kEmbedding,
  kResidual,
  kResidualAndDelta,
  kGathered,  // Exchange::gathered(), which is not empty
};

// The step of the tokens in workspace.rows: caches written, logits, next tokens chosen. `caches`
// has one entry per layer.
[[nodiscard]] std::vector<StepLaunch> list_step(const StepParts& parts,
                                                const std::vector<LayerCache>& caches);

// One layer: takes the stream before it from where `stream` says, and leaves it in
// workspace.residual, with what the MLP adds in the exchange.
[[nodiscard]] std::vector<StepLaunch> list_layer(const StepParts& parts, int layer,
                                                 const LayerCache& cache, Stream stream);

// What takes the place of the last launch, which chooses tokens, in a step that drafts or catches up
// (decode_step.h): its rows are verified, the MTP layer's `cache` is filled, and `drafts` tokens of
// each sequence are drawn. The weights have the MTP layer.
[[nodiscard]] std::vector<StepLaunch> list_drafts(const StepParts& parts, const LayerCache& cache,
                                                  int drafts);

// Final norm of residual and exchange, into workspace.normed, and the head.
[[nodiscard]] StepLaunch list_head(const StepParts& parts);

}  // namespace slipstream::step
