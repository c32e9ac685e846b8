// Addresses, memory, and what joins them: cuMemAddressReserve, cuMemCreate, cuMemMap.
#pragma once

#include <cuda.h>

#include <cstdint>
#include <map>
#include <memory>
#include <utility>

#include "emulator/machine/launch.h"

namespace slipstream::emulator::driver {

// Sizes of pieces of memory, and addresses where they are mapped, are multiples.
inline constexpr uint64_t kMappingGranularity = 2ULL << 20;

struct MemoryPiece {
  MemoryPiece(int descriptor, uint64_t bytes, const CUmemAllocationProp& how, bool is_counted)
      : file(descriptor), size(bytes), properties(how), counted(is_counted) {}
  ~MemoryPiece();
  MemoryPiece(const MemoryPiece&) = delete;
  MemoryPiece& operator=(const MemoryPiece&) = delete;

  int file;  // runtime/file_memory.h
  uint64_t size;
  CUmemAllocationProp properties;
  bool counted;  // as memory of its device: not in a process that it was handed to
};

// Guarded by the runtime's api_lock(). Throws ApiError where arguments are illegal, or there is no room.
class VirtualMemory {
 public:
  uint64_t reserve(uint64_t size, uint64_t alignment);
  void free(uint64_t address, uint64_t size);

  CUmemGenericAllocationHandle create(uint64_t size, const CUmemAllocationProp& properties);
  // The memory of a file descriptor that export_piece() has made here or in another process.
  CUmemGenericAllocationHandle import_piece(int file);
  int export_piece(CUmemGenericAllocationHandle handle);
  const MemoryPiece& piece(CUmemGenericAllocationHandle handle) { return *held(handle).piece; }
  // Another reference to the piece that is mapped there. One goes with each release; mappings hold the memory, too.
  CUmemGenericAllocationHandle retain(uint64_t address);
  void release(CUmemGenericAllocationHandle handle);

  void map(uint64_t address, uint64_t size, uint64_t offset, CUmemGenericAllocationHandle handle);
  // These two are of whole mappings.
  void unmap(uint64_t address, uint64_t size);
  void set_access(uint64_t address, uint64_t size, DeviceSet changed, DeviceSet allowed);
  DeviceSet access(uint64_t address);

 private:
  struct Held {
    std::shared_ptr<MemoryPiece> piece;
    uint32_t references = 0;
  };
  struct Mapping {
    uint64_t size = 0;
    std::shared_ptr<MemoryPiece> piece;
    DeviceSet access = 0;
  };
  struct Reservation {
    uint64_t size = 0;
    std::map<uint64_t, Mapping> mappings;
  };
  using Reservations = std::map<uint64_t, Reservation>;

  CUmemGenericAllocationHandle hold(std::shared_ptr<MemoryPiece> piece);
  Held& held(CUmemGenericAllocationHandle handle);
  Reservations::value_type& reservation_of(uint64_t address, uint64_t size);
  std::pair<const uint64_t, Mapping>& mapping_at(uint64_t address);
  static void publish(const Reservations::value_type& reservation);

  Reservations reservations_;
  std::map<CUmemGenericAllocationHandle, Held> held_;
};

VirtualMemory& virtual_memory();

}  // namespace slipstream::emulator::driver
