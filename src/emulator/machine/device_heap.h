// The heap that kernels allocate from: device-side malloc, free, new and delete.
//
// Blocks come from one region of the device's memory. Addresses are used
// again only when no fresh ones remain, so that a use after free is found. Who calls allocate or release has waited for
// its turn: then the addresses do not depend on the host's threads.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>

#include "emulator/machine/global_memory.h"

namespace slipstream::emulator {

class DeviceHeap {
 public:
  DeviceHeap(GlobalMemory& memory, uint64_t limit, uint32_t device = 0)
      : memory_(memory), limit_(limit), device_(device) {}

  // Makes the region, before a grid that allocates starts. False if there is no room.
  bool reserve();
  // A new block, or 0 if the heap is full.
  uint64_t allocate(uint64_t size, uint64_t alignment);
  enum class Release : uint8_t { kDone, kFreedBefore, kNoBlock };
  Release release(uint64_t address);

  // Whether the address is in the heap's region; any thread may ask this and the rest.
  bool contains(uint64_t address) const { return address - begin_ < bytes_; }
  // The block around the address.
  MemoryRange range_of(uint64_t address) const;
  bool is_freed(uint64_t address) const;
  // "byte 4 of block #3 of the device heap (...)", for a report.
  std::string describe(uint64_t address) const;

  uint64_t limit() const { return limit_; }
  // False once there are blocks: the size of the heap is fixed then.
  bool set_limit(uint64_t limit);
  // The region has gone with all memory.
  void clear();

 private:
  struct Block {
    uint64_t size = 0;
    uint64_t serial = 0;
  };
  using Blocks = std::map<uint64_t, Block>;

  static Blocks::const_iterator find(const Blocks& blocks, uint64_t address);
  uint64_t place(uint64_t size, uint64_t alignment);
  uint64_t place_from(uint64_t address, uint64_t size, uint64_t alignment) const;

  GlobalMemory& memory_;
  uint64_t limit_;
  uint32_t device_;
  uint64_t begin_ = 0;  // of the region; written before the first block exists
  uint64_t bytes_ = 0;
  mutable std::mutex mutex_;  // guards what follows
  uint64_t next_ = 0;         // where to look for room
  uint64_t in_use_ = 0;
  uint64_t serial_ = 0;
  Blocks live_;
  Blocks freed_;
};

}  // namespace slipstream::emulator
