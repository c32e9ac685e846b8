#include "emulator/runtime/file_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include "emulator/runtime/error.h"
#include "emulator/runtime/memory.h"

namespace slipstream::emulator::runtime {

int make_memory_file(uint64_t size) {
  const int file = memfd_create("slipstream device memory", MFD_CLOEXEC);
  require(file >= 0, cudaErrorMemoryAllocation);
  if (ftruncate(file, static_cast<off_t>(size)) == 0) return file;
  close(file);
  throw ApiError(cudaErrorMemoryAllocation);
}

void put_pages(uint64_t address, uint64_t size, int file, uint64_t offset) {
  const int flags = file >= 0 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS;
  const void* const there =
      mmap(pointer_to(address), size, PROT_READ | PROT_WRITE, flags | MAP_FIXED | MAP_NORESERVE,
           file, static_cast<off_t>(offset));
  require(there != MAP_FAILED, cudaErrorMemoryAllocation);
}

}  // namespace slipstream::emulator::runtime
