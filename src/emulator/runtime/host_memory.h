// How much memory this process can have at most.
#pragma once

#include <cstdint>

namespace slipstream::emulator::runtime {

// The machine's memory, or what its control group allows, in a container say.
uint64_t host_memory_bytes();

}  // namespace slipstream::emulator::runtime
