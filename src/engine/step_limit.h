// Waits for the device, but not for ever.
#pragma once

#include <cuda_runtime_api.h>

#include <functional>
#include <string>

namespace slipstream::engine {

// Asks `query` until it says that the work is done. After `seconds` it throws a CudaError of code
// cudaErrorLaunchTimeout with what `describe` says.
void wait_within(double seconds, const char* call, const std::function<cudaError_t()>& query,
                 const std::function<std::string()>& describe);

}  // namespace slipstream::engine
