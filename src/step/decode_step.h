// One decode step: a loop over its list of launches. Enqueues and returns; nothing here touches the
// host's copy of anything.
#pragma once

#include <span>
#include <vector>

#include "step/launch_list.h"

namespace slipstream::step {

class DecodeStep {
 public:
  // All of the parts, and the caches, outlive this object.
  DecodeStep(const StepParts& parts, const std::vector<LayerCache>& caches)
      : launches_(list_step(parts, caches)) {}

  [[nodiscard]] std::span<const StepLaunch> launches() const { return launches_; }

  // The step of the `tokens` tokens in workspace.rows.
  void enqueue(int tokens, const pdl::LaunchOptions& options) const {
    for (const StepLaunch& launch : launches_) launch.enqueue(tokens, options);
  }

 private:
  std::vector<StepLaunch> launches_;
};

}  // namespace slipstream::step
