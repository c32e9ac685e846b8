#include "step/layer_list.h"

#include <utility>

#include "step/kernels/attend/plan.h"
#include "step/launch_parts.h"

namespace slipstream::step {

std::vector<StepLaunch> LayerList::launches() const {
  std::vector<StepLaunch> launches = cache_launches();
  launches.push_back(score_keys());
  if (has_indexer()) launches.push_back(select_keys());
  launches.push_back(attend());
  launches.push_back(project_values());
  launches.push_back(project_output());
  if (std::holds_alternative<GatedMlpWeights>(weights_.mlp)) {
    launches.push_back(project_dense());
    launches.push_back(run_dense());
  } else {
    launches.push_back(project_router());
    launches.push_back(run_routed_experts());
    launches.push_back(sum_experts());
  }
  return launches;
}

StepLaunch LayerList::record(Stage stage, std::string title) const {
  StepLaunch launch{};
  launch.stage = stage;
  launch.title = std::move(title);
  launch.layer = layer_;
  return launch;
}

kernels::LinearParams LayerList::linear(int tokens) const {
  kernels::LinearParams params;
  params.tokens = tokens;
  params.ue8m0 = config_.ue8m0_activations;
  return params;
}

kernels::SettledPlaces LayerList::places() const {
  return {rows_.settled(), workspace_.pages.settled(), workspace_.pages_per_sequence};
}

int LayerList::splits(int tokens) const {
  return kernels::attention_splits(tokens, parts_.checkpoint.local_heads(),
                                   most_keys(config_, workspace_.positions));
}

int LayerList::latent_row_bytes() const {
  return parts_.fp8_rows ? kernels::kFp8RowBytes : kernels::kLatentRow * 2;
}

}  // namespace slipstream::step
