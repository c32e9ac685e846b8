// Device memory whose pages are those of a file without a name, so that they can be at several addresses and in several
// processes.
#pragma once

#include <cstdint>

namespace slipstream::emulator::runtime {

// Returns its descriptor. Both throw ApiError cudaErrorMemoryAllocation where there is no room.
int make_memory_file(uint64_t size);
// Puts pages of the file at the address, or empty ones where `file` is negative.
void put_pages(uint64_t address, uint64_t size, int file, uint64_t offset = 0);

}  // namespace slipstream::emulator::runtime
