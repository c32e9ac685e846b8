// What each launch of a step must move, and what it is for.
#pragma once

#include <string>
#include <vector>

#include "bench/step_bench.h"
#include "model/checkpoint.h"
#include "step/weights.h"

namespace slipstream::bench {

// Names the stages of a step's launches from their kernels and their order, and counts their bytes.
// Kernels it does not know are stages of their own name without bytes.
class StepBytes {
 public:
  StepBytes(const model::Checkpoint& shapes, const step::Weights& weights, const StepShape& shape)
      : shapes_(shapes), config_(shapes.config()), weights_(weights), shape_(shape) {}

  // `distinct_experts` of each layer: different ones that the step's tokens chose; 0 where dense.
  void describe(std::vector<StepLaunch>& launches, const std::vector<int>& distinct_experts) const;

 private:
  struct Stage {
    std::string name;
    double bytes = 0;
  };
  [[nodiscard]] Stage hidden(const step::LayerWeights& layer) const;
  [[nodiscard]] Stage latent(const step::LayerWeights& layer) const;
  [[nodiscard]] Stage scores(const step::LayerWeights& layer) const;
  [[nodiscard]] Stage select() const;
  [[nodiscard]] Stage attend() const;
  [[nodiscard]] Stage values(const step::LayerWeights& layer) const;
  [[nodiscard]] Stage output(const step::LayerWeights& layer) const;
  [[nodiscard]] Stage middle(const step::LayerWeights& layer) const;
  [[nodiscard]] Stage dense(const step::LayerWeights& layer) const;
  [[nodiscard]] Stage routed(const step::LayerWeights& layer, int experts) const;
  [[nodiscard]] Stage down(const step::LayerWeights& layer, int experts) const;
  [[nodiscard]] Stage head() const;
  [[nodiscard]] Stage sample() const;
  [[nodiscard]] Stage stage_of(const std::string& kernel, int layer, bool behind_attention,
                               int experts) const;
  // Of `elements` activations per token, each `size` bytes.
  [[nodiscard]] double activations(double elements, int size = 2) const {
    return shape_.batch * elements * size;
  }
  [[nodiscard]] bool selects() const { return shape_.context > config_.index_topk; }

  const model::Checkpoint& shapes_;
  const model::ModelConfig& config_;
  const step::Weights& weights_;
  StepShape shape_;
};

}  // namespace slipstream::bench
