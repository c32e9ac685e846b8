// Allocation of emulated memory, shared by the plain and the stream-ordered functions.
#pragma once

#include <cstddef>
#include <cstdint>

#include "emulator/device/device.h"

namespace slipstream::emulator::runtime {

// A device address, as the program sees it.
void* pointer_to(uint64_t address);

// Memory of the device. `call` names the API function, for messages about the allocation. Throws
// ApiError cudaErrorMemoryAllocation where there is no room.
void* allocate_memory(size_t size, MemoryKind kind, const char* call, uint32_t number);
// Throws ApiError cudaErrorInvalidValue where no allocation starts at `pointer`.
void release_memory(void* pointer);

}  // namespace slipstream::emulator::runtime
