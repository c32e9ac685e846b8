// A decode step of one rank next to others that exchange with it.
#pragma once

#include <memory>

#include "bench/step_bench.h"

namespace slipstream::bench {

// Rank 0 of model.tp on the current device, with the others on the devices after it, or all of them
// played by one. They step whenever rank 0 does, with the kernels as they ship. Throws
// InvalidArgument where there are too few devices.
[[nodiscard]] std::unique_ptr<StepBench> make_step_team(const BenchModel& model,
                                                        cudaStream_t stream);

}  // namespace slipstream::bench
