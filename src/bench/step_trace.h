// What instrumented kernels record of steps, on one rank or on all that are measured.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "bench/graph_timer.h"
#include "pdl/instrument/recorder.h"

namespace slipstream::bench {

class StepBench;

struct StepTrace {
  using Stamps = std::vector<instrument::CtaStamps>;

  std::vector<std::vector<int>> ctas;      // [ranks][launches]
  std::vector<std::vector<Stamps>> steps;  // [steps][ranks], all in the clock of rank 0
  uint64_t clock_error = 0;                // of the other ranks' times, in nanoseconds
};

// A rank that is traced.
struct TracedRank {
  int device = 0;
  StepBench* bench = nullptr;
  cudaStream_t stream = nullptr;
};

// Traces `steps` steps, each right after another one, and one before them that is not kept. The
// first rank's device is current; nothing else steps meanwhile.
[[nodiscard]] StepTrace trace_steps(std::span<const TracedRank> ranks, bool pdl, int steps);

}  // namespace slipstream::bench
