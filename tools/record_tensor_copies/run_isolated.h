// Runs cases in processes of their own: a fault ruins the device for its process.
#pragma once

#include <vector>

#include "run_case.h"

namespace slipstream::record_tensor_copies {

// The process must not have used CUDA before. A process runs cases until one faults; a new one goes on after it. Throws
// std::runtime_error where a process ends without an outcome.
std::vector<Outcome> run_isolated(const std::vector<Case>& cases);

}  // namespace slipstream::record_tensor_copies
