#include "emulator/machine/global_memory.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "emulator/program/round_up.h"

namespace slipstream::emulator {
namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kLargestReservation = 1ULL << 40;
constexpr uint64_t kSmallestReservation = 1ULL << 34;
// Freed allocations remembered for reports.
constexpr size_t kRememberedFrees = 65536;

uint64_t reserve(uint64_t bytes) {
  void* const address = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return address == MAP_FAILED ? 0 : reinterpret_cast<uint64_t>(address);
}

// The race check remembers as much about each byte as there are bytes and flags (race/shadow_memory.h), and a limit of
// address space must leave it that.
bool leaves_room(uint64_t bytes) {
  const uint64_t address = reserve(2 * bytes);
  if (address == 0) return false;
  munmap(reinterpret_cast<void*>(address), 2 * bytes);
  return true;
}

bool counts_as_device_memory(MemoryKind kind) {
  return kind == MemoryKind::kDevice || kind == MemoryKind::kPool || kind == MemoryKind::kManaged;
}

}  // namespace

GlobalMemory::GlobalMemory(uint64_t capacity, uint32_t devices)
    : capacity_(capacity), bytes_in_use_(devices), peer_access_(devices) {
  for (reserved_bytes_ = kLargestReservation; reserved_bytes_ >= kSmallestReservation;
       reserved_bytes_ /= 2) {
    begin_ = reserve(reserved_bytes_);
    flags_ = begin_ == 0 ? 0 : reserve(reserved_bytes_);
    if (flags_ != 0 && (reserved_bytes_ == kSmallestReservation || leaves_room(reserved_bytes_))) {
      next_ = begin_ + kPage;
      return;
    }
    for (const uint64_t address : {begin_, flags_}) {
      if (address != 0) munmap(reinterpret_cast<void*>(address), reserved_bytes_);
    }
  }
  throw std::runtime_error(fmt::format(
      "emulated device: cannot reserve {} bytes of address space for device memory (is a limit on "
      "virtual memory set?)",
      kSmallestReservation));
}

GlobalMemory::~GlobalMemory() {
  munmap(reinterpret_cast<void*>(begin_), reserved_bytes_);
  munmap(reinterpret_cast<void*>(flags_), reserved_bytes_);
}

void GlobalMemory::clear(uint32_t device) {
  std::erase_if(live_, [&](const auto& live) {
    const Allocation& allocation = live.second.allocation;
    if (allocation.device != device) return false;
    if (allocation.kind != MemoryKind::kRegistered) forget_pages(live.first, allocation.size);
    return true;
  });
  std::erase_if(freed_,
                [&](const auto& freed) { return freed.second.allocation.device == device; });
  bytes_in_use_[device] = 0;
  peer_access_[device] = 0;
  ++generation_;
}

void GlobalMemory::count(const Allocation& allocation, bool is_new) {
  const uint64_t bytes = counts_as_device_memory(allocation.kind) ? allocation.size : 0;
  bytes_in_use_[allocation.device] += is_new ? bytes : 0 - bytes;
}

// --- Devices.

void GlobalMemory::set_peer_access(uint32_t device, uint32_t peer, bool allowed) {
  const DeviceSet bit = 1U << peer;
  peer_access_[device] = allowed ? peer_access_[device] | bit : peer_access_[device] & ~bit;
  ++generation_;
}

bool GlobalMemory::has_peer_access(uint32_t device, uint32_t peer) const {
  return (peer_access_[device] >> peer & 1U) != 0;
}

void GlobalMemory::share(uint64_t address, DeviceSet devices) {
  const auto entry = live_.find(address);
  if (entry == live_.end()) return;
  entry->second.allocation.shared_with = devices;
  ++generation_;
}

bool GlobalMemory::may_use(uint32_t device, const Allocation& allocation) const {
  if ((allocation.shared_with >> device & 1U) != 0) return true;
  if (allocation.device == device) return allocation.kind != MemoryKind::kMapped;
  switch (allocation.kind) {
    case MemoryKind::kPinned:
    case MemoryKind::kManaged:
    case MemoryKind::kRegistered:
      return true;
    case MemoryKind::kPool:
    case MemoryKind::kHeap:
    case MemoryKind::kMapped:
      return false;
    case MemoryKind::kDevice:
    case MemoryKind::kModule:
      break;
  }
  return has_peer_access(device, allocation.device);
}

// --- Allocations.

uint64_t GlobalMemory::place(uint64_t size, uint64_t alignment) {
  // At least one page between allocations: an access past the end never lands in the next one.
  const uint64_t needed = round_up(size, kPage) + kPage;
  const uint64_t end = begin_ + reserved_bytes_;
  const auto fits = [&](uint64_t address) { return address <= end && end - address >= needed; };
  if (const uint64_t fresh = round_up(next_, alignment); fits(fresh)) {
    next_ = fresh + needed;
    return fresh;
  }
  std::map<uint64_t, uint64_t> taken = reserved_;
  for (const auto& [address, entry] : live_) taken.emplace(address, entry.allocation.size);
  uint64_t candidate = round_up(begin_ + kPage, alignment);
  for (const auto& [address, bytes] : taken) {
    if (address < begin_ || address >= end) continue;
    if (address >= candidate + needed) return candidate;
    candidate = std::max(candidate, round_up(address + round_up(bytes, kPage) + kPage, alignment));
  }
  return fits(candidate) ? candidate : 0;
}

uint64_t GlobalMemory::allocate(uint64_t size, MemoryKind kind, std::string name, uint32_t device) {
  if (size == 0 || size > reserved_bytes_ / 2) return 0;
  if (counts_as_device_memory(kind) && size > bytes_left(device)) return 0;
  const uint64_t address = place(size, kPage);
  if (address == 0) return 0;
  forget_freed(address, size);
  // The program writes host memory without telling, so only device memory is tracked.
  const bool tracked =
      kind == MemoryKind::kDevice || kind == MemoryKind::kPool || kind == MemoryKind::kHeap;
  live_[address] = {{address, size, kind, device, 0, ++serial_, std::move(name)}, tracked};
  count(live_[address].allocation, true);
  ++generation_;
  return address;
}

// Freed ranges do not overlap each other, so all but one that are in the way begin in the new one.
void GlobalMemory::forget_freed(uint64_t address, uint64_t size) {
  auto first = freed_.lower_bound(address);
  if (first != freed_.begin()) {
    const auto before = std::prev(first);
    if (address - before->first < before->second.allocation.size) first = before;
  }
  auto last = first;
  while (last != freed_.end() && last->first < address + size) ++last;
  freed_.erase(first, last);
}

bool GlobalMemory::release(uint64_t address) {
  const auto entry = live_.find(address);
  if (entry == live_.end() || entry->second.allocation.kind == MemoryKind::kRegistered) {
    return false;
  }
  const Allocation& allocation = entry->second.allocation;
  count(allocation, false);
  forget_pages(address, allocation.size);
  if (freed_.size() >= kRememberedFrees) freed_.erase(freed_.begin());
  freed_[address] = std::move(entry->second);
  live_.erase(entry);
  ++generation_;
  return true;
}

void GlobalMemory::renew(uint64_t address, uint64_t size, std::string name, uint32_t device) {
  release(address);
  freed_.erase(address);
  live_[address] = {{address, size, MemoryKind::kPool, device, 0, ++serial_, std::move(name)},
                    true};
  count(live_[address].allocation, true);
  ++generation_;
}

bool GlobalMemory::register_host(uint64_t address, uint64_t size, uint32_t device) {
  if (size == 0 || overlaps_live(address, size)) return false;
  ++serial_;
  live_[address] = {{address, size, MemoryKind::kRegistered, device, 0, serial_,
                     fmt::format("registered host memory #{}", serial_)},
                    false};
  ++generation_;
  return true;
}

bool GlobalMemory::unregister_host(uint64_t address) {
  const auto entry = live_.find(address);
  if (entry == live_.end() || entry->second.allocation.kind != MemoryKind::kRegistered) {
    return false;
  }
  live_.erase(entry);
  ++generation_;
  return true;
}

// --- Addresses and memory apart.

uint64_t GlobalMemory::reserve_addresses(uint64_t size, uint64_t alignment) {
  if (size == 0 || size > reserved_bytes_ / 2) return 0;
  const uint64_t address = place(size, alignment);
  if (address == 0) return 0;
  forget_freed(address, size);
  reserved_[address] = size;
  return address;
}

void GlobalMemory::free_addresses(uint64_t address) {
  map(address, {});
  reserved_.erase(address);
}

void GlobalMemory::map(uint64_t address, const std::vector<Allocation>& memory) {
  const uint64_t end = address + reserved_.at(address);
  live_.erase(live_.lower_bound(address), live_.lower_bound(end));
  for (const Allocation& allocation : memory) {
    Entry& entry = live_[allocation.address];
    // The same bytes may have other addresses, too: who has written them is not known.
    entry = {allocation, /*tracked=*/false};
    entry.allocation.kind = MemoryKind::kMapped;
    entry.allocation.serial = ++serial_;
  }
  ++generation_;
}

uint64_t GlobalMemory::bytes_left(uint32_t device) const {
  return capacity_ - std::min(capacity_, bytes_in_use_[device]);
}

bool GlobalMemory::take(uint64_t bytes, uint32_t device) {
  if (bytes > bytes_left(device)) return false;
  bytes_in_use_[device] += bytes;
  return true;
}

void GlobalMemory::give_back(uint64_t bytes, uint32_t device) {
  bytes_in_use_[device] -= std::min(bytes, bytes_in_use_[device]);  // after clear() it has none
}

const GlobalMemory::Entry* GlobalMemory::find_in(const Entries& entries, uint64_t address) {
  auto entry = entries.upper_bound(address);
  if (entry == entries.begin()) return nullptr;
  --entry;
  return address - entry->first < entry->second.allocation.size ? &entry->second : nullptr;
}

bool GlobalMemory::overlaps_live(uint64_t address, uint64_t size) const {
  const auto next = live_.lower_bound(address);
  return find_in(live_, address) != nullptr ||
         (next != live_.end() && next->first < address + size);
}

const Allocation* GlobalMemory::find(uint64_t address) const {
  const Entry* const entry = find_in(live_, address);
  return entry == nullptr ? nullptr : &entry->allocation;
}

uint8_t* GlobalMemory::written_flags(uint64_t address) const {
  return reinterpret_cast<uint8_t*>(flags_ + (address - begin_));
}

MemoryRange GlobalMemory::range_of(uint64_t address) const {
  const Entry* const entry = find_in(live_, address);
  if (entry == nullptr) return {};
  const Allocation& allocation = entry->allocation;
  return {allocation.address, allocation.size,
          entry->tracked ? written_flags(allocation.address) : nullptr, allocation.device};
}

MemoryRange GlobalMemory::range_for(uint32_t device, uint64_t address) const {
  const Allocation* const allocation = find(address);
  if (allocation == nullptr || !may_use(device, *allocation)) return {};
  return range_of(address);
}

void GlobalMemory::mark_written(uint64_t address, uint64_t size) {
  const auto* const found = find_in(live_, address);
  if (found == nullptr || !found->tracked) return;
  Entry& entry = live_.at(found->allocation.address);
  const uint64_t offset = address - entry.allocation.address;
  if (offset == 0 && size >= entry.allocation.size) {
    // The common case of weights: from now on no access of a kernel pays for tracking.
    entry.tracked = false;
    ++generation_;
    return;
  }
  std::memset(written_flags(address), 1, std::min(size, entry.allocation.size - offset));
}

void GlobalMemory::copy_written(uint64_t destination, uint64_t source, uint64_t size) {
  const Entry* const from = find_in(live_, source);
  const Entry* const to = find_in(live_, destination);
  if (from == nullptr || !from->tracked) {
    mark_written(destination, size);
  } else if (to != nullptr && to->tracked) {
    std::memmove(written_flags(destination), written_flags(source), size);
  }
}

void GlobalMemory::forget_pages(uint64_t address, uint64_t size) {
  const uint64_t bytes = round_up(size, kPage);
  madvise(reinterpret_cast<void*>(address), bytes, MADV_DONTNEED);
  madvise(written_flags(address), bytes, MADV_DONTNEED);
}

std::string describe(const Allocation& allocation) {
  return fmt::format("{} ({} bytes at {:#x})", allocation.name, allocation.size,
                     allocation.address);
}

std::string GlobalMemory::describe(uint64_t address) const {
  if (const Entry* const entry = find_in(live_, address)) {
    return fmt::format("byte {} of {}", address - entry->allocation.address,
                       emulator::describe(entry->allocation));
  }
  if (const Entry* const entry = find_in(freed_, address)) {
    return fmt::format("byte {} of freed {}", address - entry->allocation.address,
                       emulator::describe(entry->allocation));
  }
  if (address < kPage) return "a null pointer";
  const auto after = live_.upper_bound(address);
  const uint64_t distance_after = after == live_.end() ? ~0ULL : after->first - address;
  if (after != live_.begin()) {
    const Allocation& before = std::prev(after)->second.allocation;
    const uint64_t past = address - (before.address + before.size);
    if (past <= distance_after) {
      return fmt::format("{} bytes past the end of {}", past, emulator::describe(before));
    }
  }
  return after == live_.end() ? "no allocation is near"
                              : fmt::format("{} bytes before {}", distance_after,
                                            emulator::describe(after->second.allocation));
}

}  // namespace slipstream::emulator
