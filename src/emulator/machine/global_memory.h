// The global memory of all devices: allocations in one reserved range of host addresses.
//
// A device address is the host address of its bytes. Only touched pages cost memory. Freed ranges
// are not used again while untouched addresses remain, so that a use after free is found.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "emulator/machine/launch.h"

namespace slipstream::emulator {

// Where accesses are allowed around an address, and which bytes have values.
struct MemoryRange {
  uint64_t begin = 0;
  uint64_t size = 0;           // 0: there is no allocation
  uint8_t* written = nullptr;  // for each byte of the range, 1 if it has a value; null: all have
  uint32_t device = 0;         // that the memory belongs to
};

class GlobalMemory {
 public:
  // `capacity` is that of each device.
  explicit GlobalMemory(uint64_t capacity, uint32_t devices = 1);
  ~GlobalMemory();
  GlobalMemory(const GlobalMemory&) = delete;
  GlobalMemory& operator=(const GlobalMemory&) = delete;

  uint64_t allocate(uint64_t size, MemoryKind kind, std::string name, uint32_t device = 0);
  bool release(uint64_t address);
  // Makes the memory of an earlier allocation live again, or if it still is, new: nobody has written it.
  void renew(uint64_t address, uint64_t size, std::string name, uint32_t device = 0);
  bool register_host(uint64_t address, uint64_t size, uint32_t device = 0);
  bool unregister_host(uint64_t address);
  // Addresses without memory, for map(); 0 if there are none left. Alignment: a power of two, at least a page.
  uint64_t reserve_addresses(uint64_t size, uint64_t alignment);
  void free_addresses(uint64_t address);
  // What of reserved addresses is memory from now on, whose pages somebody else has put there.
  void map(uint64_t address, const std::vector<Allocation>& memory);
  // Counts device memory that is not allocated here. False: there is less left.
  bool take(uint64_t bytes, uint32_t device);
  void give_back(uint64_t bytes, uint32_t device);
  // Frees all memory of a device.
  void clear(uint32_t device = 0);

  // Lets a device use memory of another one, all of it or one allocation.
  void set_peer_access(uint32_t device, uint32_t peer, bool allowed);
  bool has_peer_access(uint32_t device, uint32_t peer) const;
  void share(uint64_t address, DeviceSet devices);
  bool may_use(uint32_t device, const Allocation& allocation) const;

  // The live allocation that contains the address.
  const Allocation* find(uint64_t address) const;
  MemoryRange range_of(uint64_t address) const;
  // The same for a kernel of the device: nothing where it may not use the memory.
  MemoryRange range_for(uint32_t device, uint64_t address) const;
  void mark_written(uint64_t address, uint64_t size);
  // After a copy: the destination's flags of written bytes become those of the source.
  void copy_written(uint64_t destination, uint64_t source, uint64_t size);
  uint64_t bytes_in_use(uint32_t device = 0) const { return bytes_in_use_[device]; }
  // The range of addresses that allocations come from.
  uint64_t reservation_begin() const { return begin_; }
  uint64_t reservation_bytes() const { return reserved_bytes_; }

  // What is at or near the address, for a report: "4 bytes past the end of ...".
  std::string describe(uint64_t address) const;
  bool is_freed(uint64_t address) const { return find_in(freed_, address) != nullptr; }

  // Moves whenever a MemoryRange may have become invalid.
  uint64_t generation() const { return generation_; }

 private:
  struct Entry {
    Allocation allocation;
    bool tracked = true;  // false: every byte has a value
  };
  using Entries = std::map<uint64_t, Entry>;

  static const Entry* find_in(const Entries& entries, uint64_t address);
  uint64_t place(uint64_t size, uint64_t alignment);
  void count(const Allocation& allocation, bool is_new);
  uint64_t bytes_left(uint32_t device) const;
  bool overlaps_live(uint64_t address, uint64_t size) const;
  uint8_t* written_flags(uint64_t address) const;
  void forget_pages(uint64_t address, uint64_t size);
  void forget_freed(uint64_t address, uint64_t size);

  uint64_t capacity_;
  uint64_t reserved_bytes_ = 0;
  uint64_t begin_ = 0;  // of the reservation
  uint64_t flags_ = 0;  // of an equally large range with a flag for each byte
  uint64_t next_ = 0;   // first address never used
  uint64_t serial_ = 0;
  std::map<uint64_t, uint64_t> reserved_;  // sizes by address
  std::vector<uint64_t> bytes_in_use_;     // by device
  std::vector<DeviceSet> peer_access_;     // by device: whose memory it may use
  uint64_t generation_ = 1;
  Entries live_;
  Entries freed_;
};

// "cudaMalloc #3 (1024 bytes at 0x7f0000001000)".
std::string describe(const Allocation& allocation);

}  // namespace slipstream::emulator
