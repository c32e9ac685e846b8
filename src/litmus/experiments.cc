#include <array>

#include "litmus/experiment.h"
#include "litmus/experiments/all.h"

namespace slipstream::litmus {

// Those that a device might hang in come last.
std::span<const Experiment> experiments() {
  static const std::array all{
      wait_experiment(),          flush_window_experiment(), transitivity_experiment(),
      trigger_order_experiment(), hand_off_experiment(),     overwrite_experiment(),
      between_experiment(),       after_experiment(),        hoist_experiment(),
      events_experiment(),        graph_edges_experiment(),  clusters_experiment(),
      release_experiment(),       waves_experiment(),        residency_experiment(),
      cooperative_experiment()};
  return all;
}

}  // namespace slipstream::litmus
