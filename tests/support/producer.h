// A kernel that triggers at once and writes late: what comes before the operator under test.
#pragma once

#include <cstdint>

#include "slipstream/launch.h"

namespace slipstream::test {

// Copies `bytes` bytes from `source` to `target`, both on the device.
void launch_producer(const uint8_t* source, uint8_t* target, int64_t bytes,
                     const pdl::LaunchOptions& options);

}  // namespace slipstream::test
