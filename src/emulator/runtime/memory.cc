#include "emulator/runtime/memory.h"

#include <fmt/format.h>

#include "emulator/runtime/error.h"
#include "emulator/runtime/runtime.h"

namespace slipstream::emulator::runtime {

// NOLINTNEXTLINE(performance-no-int-to-ptr): device addresses are integers, and those of the host
void* pointer_to(uint64_t address) { return reinterpret_cast<void*>(address); }

void* allocate_memory(size_t size, MemoryKind kind, const char* call, uint32_t number) {
  static uint64_t count = 0;
  const uint64_t address =
      device().allocate(size, kind, fmt::format("{} #{}", call, count + 1), number);
  require(address != 0, cudaErrorMemoryAllocation);
  ++count;
  return pointer_to(address);
}

void release_memory(void* pointer) {
  if (device().free(reinterpret_cast<uint64_t>(pointer))) return;
  throw ApiError(
      cudaErrorInvalidValue,
      fmt::format("no allocation starts at {}: freed before, or never allocated", pointer));
}

}  // namespace slipstream::emulator::runtime
