// Memory that ncclMemAlloc() gives, and windows: the same memory of all ranks, registered together.
//
// Each allocation is a memory pool of its own, which other devices may not use. Registering it lets
// them.
#pragma once

#include <cstddef>
#include <vector>

#include "emulator/nccl/group.h"

namespace slipstream::emulator::nccl {

void* allocate(size_t size);
// Throws Failure where nothing was allocated there, or a window of it is registered.
void release(void* pointer);

// Gives each call its window: null, and a sentence, where the memory is not fit for one.
void make_windows(const std::vector<Call>& calls);
// Throws Failure where there is no such window.
void destroy_window(ncclWindow_t window);
void* peer_pointer(ncclWindow_t window, size_t offset, int peer);

}  // namespace slipstream::emulator::nccl
