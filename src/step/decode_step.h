// The launches of one decode step, in order. Enqueues and returns; nothing here touches the host's
// copy of anything.
#pragma once

#include <memory>
#include <vector>

#include "model/checkpoint.h"
#include "slipstream/launch.h"
#include "step/exchange.h"
#include "step/weights.h"
#include "step/workspace.h"

namespace slipstream::step {

class DecodeStep {
 public:
  // All of them outlive this object.
  DecodeStep(const model::Checkpoint& checkpoint, const Weights& weights, Workspace& workspace,
             bool fp8_rows);

  // The step of the `tokens` tokens in workspace.rows: caches written, logits, next tokens chosen.
  void enqueue(int tokens, const std::vector<LayerCache>& caches,
               const pdl::LaunchOptions& options) const;

  // One layer: takes the stream before it from workspace.residual and leaves it there, with what
  // the MLP adds in workspace.delta.
  void enqueue_layer(int layer, int tokens, const LayerCache& cache,
                     const pdl::LaunchOptions& options) const;

  // Final norm of residual + delta, into workspace.normed, and the head.
  void enqueue_head(int tokens, const pdl::LaunchOptions& options) const;

 private:
  // Where the stream before a layer comes from.
  enum class Stream { kEmbedding, kResidual, kResidualAndDelta };

  // What the launches of one layer share.
  struct Layer {
    const LayerWeights& weights;
    const LayerCache& cache;
    int tokens;
    Stream stream;
    const pdl::LaunchOptions& options;
  };

  void enqueue_layer(const Layer& layer) const;
  void project_hidden(const Layer& layer) const;
  void project_latent(const Layer& layer) const;
  void score_keys(const Layer& layer) const;
  void select_keys(const Layer& layer) const;
  void attend(const Layer& layer) const;
  void project_values(const Layer& layer) const;
  void project_output(const Layer& layer) const;
  void project_middle(const Layer& layer) const;
  void run_dense(const Layer& layer) const;
  void run_routed_experts(const Layer& layer) const;
  void sum_experts(const Layer& layer) const;

  [[nodiscard]] kernels::LinearParams linear(int tokens) const;
  [[nodiscard]] kernels::NormInput middle_norm(const Layer& layer) const;
  [[nodiscard]] kernels::Places places() const;
  [[nodiscard]] int splits(int tokens) const;

  const model::ModelConfig& config_;
  int heads_;
  const Weights& weights_;
  Workspace& workspace_;
  std::unique_ptr<const Exchange> exchange_;
  bool fp8_rows_;
};

}  // namespace slipstream::step
