// Builds the launches of one layer. Each member function is one launch: what it is for, what it
// touches, how many bytes that is, and how it is enqueued.
#pragma once

#include <variant>

#include "step/launch_list.h"

namespace slipstream::step {

class LayerList {
 public:
  LayerList(const StepParts& parts, int layer, const LayerCache& cache, Stream stream)
      : parts_(parts),
        config_(parts.checkpoint.config()),
        weights_(parts.weights.layers()[layer]),
        workspace_(parts.workspace),
        cache_(cache),
        layer_(layer),
        stream_(stream) {}

  [[nodiscard]] std::vector<StepLaunch> launches() const;

 private:
  [[nodiscard]] StepLaunch project_hidden() const;
  [[nodiscard]] StepLaunch project_latent() const;
  [[nodiscard]] StepLaunch score_keys() const;
  [[nodiscard]] StepLaunch select_keys() const;
  [[nodiscard]] StepLaunch attend() const;
  [[nodiscard]] StepLaunch project_values() const;
  [[nodiscard]] StepLaunch project_output() const;
  [[nodiscard]] StepLaunch project_dense() const;
  [[nodiscard]] StepLaunch run_dense() const;
  [[nodiscard]] StepLaunch project_router() const;
  [[nodiscard]] StepLaunch run_routed_experts() const;
  [[nodiscard]] StepLaunch sum_experts() const;

  [[nodiscard]] bool has_indexer() const { return weights_.indexer.has_value(); }
  [[nodiscard]] const GatedMlpWeights& dense() const {
    return std::get<GatedMlpWeights>(weights_.mlp);
  }
  [[nodiscard]] const MoeWeights& moe() const { return std::get<MoeWeights>(weights_.mlp); }
  [[nodiscard]] bool selects(const StepLoad& load) const {
    return load.context > config_.index_topk;
  }
  [[nodiscard]] int latent_row_bytes() const;
  [[nodiscard]] int splits(int tokens) const;
  [[nodiscard]] kernels::Places places() const;
  [[nodiscard]] kernels::LinearParams linear(int tokens) const;
  [[nodiscard]] kernels::NormInput middle_norm() const;
  // What the middle norm touches.
  void describe_middle_norm(StepLaunch& launch) const;
  // A record with its stage, title and layer.
  [[nodiscard]] StepLaunch record(Stage stage, std::string title) const;

  StepParts parts_;
  const model::ModelConfig& config_;
  const LayerWeights& weights_;
  const Workspace& workspace_;
  const LayerCache& cache_;
  int layer_;
  Stream stream_;
};

}  // namespace slipstream::step
