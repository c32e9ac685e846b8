#include "emulator/driver/virtual_memory.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <utility>
#include <vector>

#include "emulator/runtime/error.h"
#include "emulator/runtime/file_memory.h"
#include "emulator/runtime/runtime.h"

namespace slipstream::emulator::driver {
namespace {

using runtime::device;
using runtime::put_pages;
using runtime::require;

uint32_t device_of(const CUmemAllocationProp& properties) {
  return static_cast<uint32_t>(properties.location.id);
}

}  // namespace

VirtualMemory& virtual_memory() {
  static auto* all = new VirtualMemory;
  return *all;
}

MemoryPiece::~MemoryPiece() {
  close(file);
  if (counted) device().give_memory_back(size, device_of(properties));
}

// --- Addresses.

uint64_t VirtualMemory::reserve(uint64_t size, uint64_t alignment) {
  require(alignment == 0 || std::has_single_bit(alignment));
  require(size > 0 && size % kMappingGranularity == 0);
  const uint64_t address =
      device().reserve_addresses(size, std::max(alignment, kMappingGranularity));
  require(address != 0, cudaErrorMemoryAllocation);
  reservations_[address].size = size;
  return address;
}

void VirtualMemory::free(uint64_t address, uint64_t size) {
  const auto found = reservations_.find(address);
  require(found != reservations_.end() && found->second.size == size &&
          found->second.mappings.empty());
  device().free_addresses(address);
  reservations_.erase(found);
}

VirtualMemory::Reservations::value_type& VirtualMemory::reservation_of(uint64_t address,
                                                                       uint64_t size) {
  auto after = reservations_.upper_bound(address);
  require(after != reservations_.begin());
  auto& found = *std::prev(after);
  const uint64_t offset = address - found.first;
  require(size > 0 && offset < found.second.size && size <= found.second.size - offset);
  return found;
}

// --- Memory.

CUmemGenericAllocationHandle VirtualMemory::hold(std::shared_ptr<MemoryPiece> piece) {
  const auto handle = reinterpret_cast<CUmemGenericAllocationHandle>(piece.get());
  Held& entry = held_[handle];
  entry.piece = std::move(piece);
  ++entry.references;
  return handle;
}

VirtualMemory::Held& VirtualMemory::held(CUmemGenericAllocationHandle handle) {
  const auto found = held_.find(handle);
  require(found != held_.end());
  return found->second;
}

CUmemGenericAllocationHandle VirtualMemory::create(uint64_t size,
                                                   const CUmemAllocationProp& properties) {
  require(size > 0 && size % kMappingGranularity == 0);
  const uint32_t number = runtime::device_number(properties.location.id);
  const int file = runtime::make_memory_file(size);
  const bool fits = device().take_memory(size, number);
  auto piece = std::make_shared<MemoryPiece>(file, size, properties, fits);
  require(fits, cudaErrorMemoryAllocation);
  return hold(std::move(piece));
}

CUmemGenericAllocationHandle VirtualMemory::import_piece(int file) {
  struct stat status {};
  require(fstat(file, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0);
  const int own = fcntl(file, F_DUPFD_CLOEXEC, 0);
  require(own >= 0, cudaErrorMemoryAllocation);
  CUmemAllocationProp properties{};
  properties.type = CU_MEM_ALLOCATION_TYPE_PINNED;
  properties.requestedHandleTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
  properties.location = {CU_MEM_LOCATION_TYPE_DEVICE,
                         {static_cast<int>(runtime::current_device())}};
  return hold(std::make_shared<MemoryPiece>(own, static_cast<uint64_t>(status.st_size), properties,
                                            /*is_counted=*/false));
}

int VirtualMemory::export_piece(CUmemGenericAllocationHandle handle) {
  const MemoryPiece& exported = piece(handle);
  require((exported.properties.requestedHandleTypes & CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR) !=
          0);
  const int copy = fcntl(exported.file, F_DUPFD_CLOEXEC, 0);
  require(copy >= 0, cudaErrorOperatingSystem);
  return copy;
}

CUmemGenericAllocationHandle VirtualMemory::retain(uint64_t address) {
  return hold(mapping_at(address).second.piece);
}

void VirtualMemory::release(CUmemGenericAllocationHandle handle) {
  if (--held(handle).references == 0) held_.erase(handle);
}

// --- Memory at addresses.

std::pair<const uint64_t, VirtualMemory::Mapping>& VirtualMemory::mapping_at(uint64_t address) {
  auto& mappings = reservation_of(address, 1).second.mappings;
  const auto after = mappings.upper_bound(address);
  require(after != mappings.begin());
  auto& found = *std::prev(after);
  require(address - found.first < found.second.size);
  return found;
}

// Neighbors that the same devices may use are one piece of memory to programs: an access may begin in one and end in
// the next.
void VirtualMemory::publish(const Reservations::value_type& reservation) {
  std::vector<Allocation> runs;
  for (const auto& [address, mapping] : reservation.second.mappings) {
    if (mapping.access == 0) continue;
    const bool goes_on = !runs.empty() && runs.back().shared_with == mapping.access &&
                         runs.back().address + runs.back().size == address;
    if (!goes_on) {
      Allocation& run = runs.emplace_back();
      run.address = address;
      run.device = device_of(mapping.piece->properties);
      run.shared_with = mapping.access;
      run.name = "cuMemMap";
    }
    runs.back().size += mapping.size;
  }
  device().map(reservation.first, runs);
}

void VirtualMemory::map(uint64_t address, uint64_t size, uint64_t offset,
                        CUmemGenericAllocationHandle handle) {
  auto& mappings = reservation_of(address, size).second.mappings;
  const auto& piece = held(handle).piece;
  for (const uint64_t number : {address, size, offset}) require(number % kMappingGranularity == 0);
  require(offset <= piece->size && size <= piece->size - offset);
  const auto next = mappings.lower_bound(address);
  require(next == mappings.end() || next->first >= address + size);
  require(next == mappings.begin() ||
          std::prev(next)->first + std::prev(next)->second.size <= address);
  put_pages(address, size, piece->file, offset);
  mappings[address] = {size, piece, 0};
}

void VirtualMemory::unmap(uint64_t address, uint64_t size) {
  auto& reservation = reservation_of(address, size);
  auto& mappings = reservation.second.mappings;
  const auto first = mappings.find(address);
  const auto last = mappings.lower_bound(address + size);
  require(first != mappings.end() &&
          std::prev(last)->first + std::prev(last)->second.size == address + size);
  mappings.erase(first, last);
  publish(reservation);
  put_pages(address, size, -1);
}

void VirtualMemory::set_access(uint64_t address, uint64_t size, DeviceSet changed,
                               DeviceSet allowed) {
  auto& reservation = reservation_of(address, size);
  auto& mappings = reservation.second.mappings;
  const auto first = mappings.find(address);
  const auto last = mappings.lower_bound(address + size);
  uint64_t end = address;
  for (auto mapping = first; mapping != last && mapping->first == end; ++mapping)
    end += mapping->second.size;
  require(end == address + size);
  for (auto mapping = first; mapping != last; ++mapping)
    mapping->second.access = (mapping->second.access & ~changed) | allowed;
  publish(reservation);
}

DeviceSet VirtualMemory::access(uint64_t address) { return mapping_at(address).second.access; }

}  // namespace slipstream::emulator::driver
