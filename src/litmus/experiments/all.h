// The experiments, one file each.
#pragma once

#include "litmus/experiment.h"

namespace slipstream::litmus {

[[nodiscard]] Experiment wait_experiment();
[[nodiscard]] Experiment flush_window_experiment();
[[nodiscard]] Experiment transitivity_experiment();
[[nodiscard]] Experiment trigger_order_experiment();
[[nodiscard]] Experiment hand_off_experiment();
[[nodiscard]] Experiment overwrite_experiment();
[[nodiscard]] Experiment between_experiment();
[[nodiscard]] Experiment after_experiment();
[[nodiscard]] Experiment hoist_experiment();
[[nodiscard]] Experiment events_experiment();
[[nodiscard]] Experiment graph_edges_experiment();
[[nodiscard]] Experiment clusters_experiment();
[[nodiscard]] Experiment release_experiment();
[[nodiscard]] Experiment waves_experiment();
[[nodiscard]] Experiment residency_experiment();
[[nodiscard]] Experiment cooperative_experiment();

// Executes each case as usual; for experiments that are nothing but a list of cases.
[[nodiscard]] inline std::function<Findings(Rig&)> run_cases(std::vector<Case> (*cases)()) {
  return [cases](Rig& rig) { return observe(rig, cases()); };
}

// Lets the next grid start at once and writes late, as a kernel of a chain should be able to.
[[nodiscard]] inline Script late_writer() { return {wait(), trigger(), delay(), write(1)}; }

inline constexpr const char* kOldValue = "an old value was read";

}  // namespace slipstream::litmus
