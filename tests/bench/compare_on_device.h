// Comparison of two arrays on the device, so that every one of ten thousand replays can be checked.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>

namespace slipstream::bench {

// Adds the number of differing bytes to *counter (uint64 on the device). Launched without PDL: a
// full barrier.
void count_differences(const void* a, const void* b, size_t bytes, void* counter,
                       cudaStream_t stream);

}  // namespace slipstream::bench
