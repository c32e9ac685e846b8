// Memory that processes share. The one that has it puts the pages of a file in place of its own and tells others where
// the file is; they map it.
#pragma once

#include <cstdint>
#include <map>

namespace slipstream::emulator::runtime {

// What goes from one process to another, in place of CUDA's opaque 64 bytes.
struct IpcMemory {
  static constexpr uint64_t kMagic = 0x636970737069736cULL;

  uint64_t magic = kMagic;
  int32_t process = 0;
  int32_t file = -1;
  uint64_t size = 0;
  uint64_t pool = 0;  // Pool::id, if it is one's
};

// What the file has that stands for a pool.
struct IpcPool {
  static constexpr uint64_t kMagic = 0x6c6f6f7070696c73ULL;

  uint64_t magic = 0;
  uint64_t id = 0;
};

// Guarded by api_lock(). Throws ApiError for what is no memory of a device, or is gone.
class SharedMemory {
 public:
  // All of the allocation that the pointer is in.
  IpcMemory hand_on(const void* pointer);
  // For the current device; returns where the allocation starts.
  uint64_t open(const IpcMemory& memory);
  void close(const void* pointer);

 private:
  std::map<uint64_t, int>
      files_;  // handed on, by serial number of the allocation; kept until the end
  std::map<uint64_t, uint64_t> opened_;  // sizes by address
};

SharedMemory& shared_memory();

}  // namespace slipstream::emulator::runtime
