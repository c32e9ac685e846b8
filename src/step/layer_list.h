// Builds the launches of one layer. Each member function is one launch: what it is for, what it
// touches, how many bytes that is, and how it is enqueued.
#pragma once

#include <variant>

#include "step/launch_list.h"

namespace slipstream::step {

// A layer in a step. All that it refers to outlives the lists.
struct LayerTurn {
  const LayerWeights& weights;
  const LayerCache& cache;
  const DeviceArray<kernels::StepRow>& rows;  // that it processes
  int layer = 0;                              // of its exchanges, and of its records
  Stream stream = Stream::kResidual;
  // Not 0: it attends to the lists that it made so many positions ago.
  int list_age = 0;
};

class LayerList {
 public:
  LayerList(const StepParts& parts, const LayerTurn& turn)
      : parts_(parts),
        config_(parts.checkpoint.config()),
        weights_(turn.weights),
        workspace_(parts.workspace),
        cache_(turn.cache),
        rows_(turn.rows),
        layer_(turn.layer),
        stream_(turn.stream),
        list_age_(turn.list_age) {}

  [[nodiscard]] std::vector<StepLaunch> launches() const;
  // The first of them: all that the layer's caches need.
  [[nodiscard]] std::vector<StepLaunch> cache_launches() const {
    return {project_hidden(), project_latent()};
  }

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

  // Whether it chooses keys.
  [[nodiscard]] bool has_indexer() const { return weights_.indexer.has_value() && list_age_ == 0; }
  [[nodiscard]] const GatedMlpWeights& dense() const {
    return std::get<GatedMlpWeights>(weights_.mlp);
  }
  [[nodiscard]] const MoeWeights& moe() const { return std::get<MoeWeights>(weights_.mlp); }
  [[nodiscard]] bool selects(const StepLoad& load) const {
    return load.context > config_.index_topk;
  }
  [[nodiscard]] int latent_row_bytes() const;
  [[nodiscard]] int splits(int tokens) const;
  [[nodiscard]] kernels::SettledPlaces places() const;
  [[nodiscard]] GatheredColumns gathered() const { return parts_.exchange.gathered(0).value(); }
  [[nodiscard]] kernels::LinearParams linear(int tokens) const;
  [[nodiscard]] kernels::NormInput middle_norm() const;
  // What the middle norm touches.
  void describe_middle_norm(StepLaunch& launch) const;
  [[nodiscard]] Buffer expert_input() const;
  // A record with its stage, title and layer.
  [[nodiscard]] StepLaunch record(Stage stage, std::string title) const;

  StepParts parts_;
  const model::ModelConfig& config_;
  const LayerWeights& weights_;
  const Workspace& workspace_;
  const LayerCache& cache_;
  const DeviceArray<kernels::StepRow>& rows_;
  int layer_;
  Stream stream_;
  int list_age_;
};

}  // namespace slipstream::step
