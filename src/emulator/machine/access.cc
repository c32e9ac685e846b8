#include "emulator/machine/access.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "emulator/machine/cta.h"
#include "emulator/machine/delayed_stores.h"
#include "emulator/machine/device_heap.h"
#include "emulator/machine/fault_report.h"
#include "emulator/machine/global_memory.h"
#include "emulator/machine/overlay.h"
#include "emulator/machine/watch.h"
#include "emulator/machine/worker.h"

namespace slipstream::emulator {
namespace {

constexpr uint64_t kSharedOffsetMask = (1ULL << kSharedRankShift) - 1;

Worker& worker_of(Warp& warp) { return *warp.cta->cluster->worker; }
Overlay* overlay_of(Warp& warp) { return warp.cta->cluster->grid->overlay.get(); }

const void* operation_of(const Warp& warp) {
  return &warp.cta->cluster->grid->program->operations[warp.pc];
}

uint64_t generic_address(uint64_t window, uint64_t address) {
  return window | (address & ~kWindowMask);
}

// `window`: what makes the address a generic one, for the report; 0 if it is one.
void check_alignment(uint32_t lane, uint64_t address, uint32_t alignment, uint64_t window) {
  if (address % alignment != 0) {
    raise(FaultKind::kMisaligned, lane,
          fmt::format("address {:#x} is not a multiple of {}", address, alignment),
          window == 0 ? address : generic_address(window, address));
  }
}

[[noreturn]] void raise_out_of_bounds(Warp& warp, uint32_t lane, uint64_t address, uint32_t bytes) {
  Worker& worker = worker_of(warp);
  const DeviceContext& device = worker.device();
  // An access that starts inside and ends outside is described by its first byte outside.
  const MemoryRange inside = worker.range_of(operation_of(warp), address);
  const uint64_t outside = inside.size == 0 ? address : inside.begin + inside.size;
  const Allocation* const allocation = device.memory->find(outside);
  if (allocation != nullptr && !device.memory->may_use(device.number, *allocation)) {
    raise(FaultKind::kNoPeerAccess, lane,
          fmt::format(
              "device {} accesses {} bytes at {:#x}, {} of device {}, without peer access to "
              "it (cudaDeviceEnablePeerAccess) and without a registered window",
              device.number, bytes, address, device.memory->describe(outside), allocation->device),
          address);
  }
  const bool is_freed = device.heap->contains(outside) ? device.heap->is_freed(outside)
                                                       : device.memory->is_freed(outside);
  raise(is_freed ? FaultKind::kUseAfterFree : FaultKind::kOutOfBounds, lane,
        fmt::format("access of {} bytes at {:#x}: {}", bytes, address,
                    describe_address(device, outside)),
        address);
}

// Of a word that is not all inside, nobody knows which bytes are used.
bool has_value(const uint8_t* flags, uint32_t bytes, Reach reach) {
  if (reach == Reach::kAll) return std::memchr(flags, 0, bytes) == nullptr;
  return std::any_of(flags, flags + bytes, [](uint8_t flag) { return flag != 0; });
}

bool has_values(const SharedPlace& place, uint32_t bytes, Reach reach) {
  return place.cta->shared_written == nullptr ||
         has_value(place.cta->shared_written + place.offset, bytes, reach);
}

// How many bytes must be inside an allocation.
uint32_t needed(uint32_t bytes, Reach reach) { return reach == Reach::kAll ? bytes : 1; }

// Atomics of less than a word are made of these.
Reach reach_of_atomic(uint32_t bytes) {
  return bytes == sizeof(uint32_t) ? Reach::kWord : Reach::kAll;
}

std::byte* local_pointer(Warp& warp, uint32_t lane, uint64_t address, uint32_t bytes,
                         uint32_t alignment) {
  check_alignment(lane, address, alignment, kLocalWindow);
  if (address > warp.local_stride || warp.local_stride - address < bytes) {
    raise(FaultKind::kOutOfBounds, lane,
          fmt::format("access of {} bytes at {:#x} of local memory, of which the thread has {} "
                      "bytes",
                      bytes, address, warp.local_stride),
          generic_address(kLocalWindow, address));
  }
  const uint64_t last = address + bytes - 1;
  for (uint64_t chunk = address >> kLocalChunkShift; chunk <= last >> kLocalChunkShift; ++chunk) {
    warp.local_touched |= uint64_t{1} << (chunk & 63U);
  }
  return warp.local + size_t{lane} * warp.local_stride + address;
}

const uint8_t* parameter_pointer(Warp& warp, uint32_t lane, uint64_t address, uint32_t bytes,
                                 uint32_t alignment) {
  check_alignment(lane, address, alignment, kParameterWindow);
  const auto& parameters = warp.cta->cluster->grid->launch.parameters;
  if (address > parameters.size() || parameters.size() - address < bytes) {
    raise(FaultKind::kOutOfBounds, lane,
          fmt::format("access of {} bytes at {:#x} of the kernel's {} bytes of parameters", bytes,
                      address, parameters.size()),
          generic_address(kParameterWindow, address));
  }
  return parameters.data() + address;
}

bool load_global(Warp& warp, uint32_t lane, uint64_t address, void* into, uint32_t bytes,
                 uint32_t alignment, Watched watched, Reach reach, Unwritten unwritten) {
  check_global(warp, lane, address, needed(bytes, reach), alignment);
  const MemoryRange range = worker_of(warp).range_of(operation_of(warp), address);
  const Overlay* const overlay = overlay_of(warp);
  if (order_of(warp) != nullptr && watched == Watched::kNotYet) {
    watch_lane(warp, lane, address, bytes, race::AccessKind::kRead);
  }
  const bool written = range.written == nullptr ||
                       has_value(range.written + (address - range.begin), bytes, reach) ||
                       (overlay != nullptr && overlay->has(address));
  const bool is_followed = unwritten == Unwritten::kFollowed && follows_unwritten(warp);
  if (!written && !is_followed) {
    found_unwritten(warp, lane, AddressSpace::kGlobal, address, bytes);
  }
  if (overlay != nullptr) {
    overlay->read(address, into, bytes);
  } else {
    std::memcpy(into, reinterpret_cast<const void*>(address), bytes);
  }
  return written || !is_followed;
}

// Null where no store is on its way.
DelayedStores* delayed_stores(Warp& warp) {
  DelayedStores* const delayed = worker_of(warp).device().delayed;
  return delayed == nullptr || delayed->empty() ? nullptr : delayed;
}

// Makes the grid's earlier writes of these bytes visible to other grids.
void publish_bytes(Warp& warp, uint64_t address, uint32_t bytes) {
  if (DelayedStores* const delayed = delayed_stores(warp)) delayed->arrive(address, bytes);
  if (Overlay* const overlay = overlay_of(warp)) {
    overlay->publish(*worker_of(warp).device().memory, address, bytes);
  }
}

// Visible to other grids without delay.
void write_at_once(Warp& warp, uint64_t address, const void* from, uint32_t bytes) {
  publish_bytes(warp, address, bytes);
  const MemoryRange range = worker_of(warp).range_of(operation_of(warp), address);
  std::memcpy(reinterpret_cast<void*>(address), from, bytes);
  if (range.written != nullptr) std::memset(range.written + (address - range.begin), 1, bytes);
}

void store_global(Warp& warp, uint32_t lane, uint64_t address, const void* from, uint32_t bytes,
                  uint32_t alignment, Ordering ordering) {
  announce_store(warp, lane, address, bytes, alignment);
  if (ordering == Ordering::kWeak && keeps_writes_apart(warp)) {
    write_global(warp, address, from, bytes);
    return;
  }
  const DeviceContext& device = worker_of(warp).device();
  if (device.delayed != nullptr &&
      worker_of(warp).range_of(operation_of(warp), address).device != device.number) {
    publish_bytes(warp, address, bytes);
    device.delayed->add(device.number, warp.cta->cluster->grid->id, address, from, bytes);
  } else {
    write_at_once(warp, address, from, bytes);
  }
  if (order_of(warp) != nullptr) watch_end(warp);
}

}  // namespace

bool follows_unwritten(const Warp& warp) {
  return warp.cta->cluster->grid->device->settings->uninitialized_reads ==
         UninitializedReads::kReportUses;
}

void before_read(Warp& warp, uint64_t address, uint32_t bytes, Ordering ordering) {
  if (DelayedStores* const delayed = delayed_stores(warp)) {
    delayed->before_read(worker_of(warp).device().number, address, bytes,
                         ordering == Ordering::kStrong);
  }
}

bool stores_are_under_way(Warp& warp) { return delayed_stores(warp) != nullptr; }

void announce_store(Warp& warp, uint32_t lane, uint64_t address, uint32_t bytes,
                    uint32_t alignment) {
  check_global(warp, lane, address, bytes, alignment);
  if (order_of(warp) != nullptr) watch_lane(warp, lane, address, bytes, race::AccessKind::kWrite);
}

void write_global(Warp& warp, uint64_t address, const void* from, uint32_t bytes) {
  if (Overlay* const overlay = overlay_of(warp)) {
    overlay->write(address, from, bytes);
  } else {
    write_at_once(warp, address, from, bytes);
  }
}

void announce_atomic(Warp& warp, uint32_t lane, uint64_t address, uint32_t bytes,
                     uint32_t alignment, Reach reach) {
  check_global(warp, lane, address, needed(bytes, reach), alignment);
  if (order_of(warp) != nullptr) watch_lane(warp, lane, address, bytes, race::AccessKind::kAtomic);
  publish_bytes(warp, address, bytes);
  const MemoryRange range = worker_of(warp).range_of(operation_of(warp), address);
  if (range.written != nullptr &&
      !has_value(range.written + (address - range.begin), bytes, reach)) {
    found_unwritten(warp, lane, AddressSpace::kGlobal, address, bytes);
  }
}

std::byte* atomic_bytes(Warp& warp, uint64_t address, uint32_t bytes) {
  publish_bytes(warp, address, bytes);
  const MemoryRange range = worker_of(warp).range_of(operation_of(warp), address);
  if (range.written != nullptr) std::memset(range.written + (address - range.begin), 1, bytes);
  return reinterpret_cast<std::byte*>(address);
}

SpaceAddress resolve_generic(uint64_t address) {
  switch (address & kWindowMask) {
    case kSharedWindow:
      return {AddressSpace::kShared, address & ~kWindowMask};
    case kLocalWindow:
      return {AddressSpace::kLocal, address & ~kWindowMask};
    case kParameterWindow:
      return {AddressSpace::kParameter, address & ~kWindowMask};
    default:
      return {AddressSpace::kGlobal, address};
  }
}

void check_global(Warp& warp, uint32_t lane, uint64_t address, uint32_t bytes, uint32_t alignment) {
  const MemoryRange& range = worker_of(warp).range_of(operation_of(warp), address);
  const uint64_t offset = address - range.begin;
  if (offset >= range.size || range.size - offset < bytes) {
    raise_out_of_bounds(warp, lane, address, bytes);
  }
  check_alignment(lane, address, alignment, 0);
}

uint32_t bytes_in_allocation(Warp& warp, uint64_t address, uint32_t bytes) {
  const MemoryRange& range = worker_of(warp).range_of(operation_of(warp), address);
  const uint64_t offset = address - range.begin;
  return offset >= range.size
             ? 0
             : static_cast<uint32_t>(std::min<uint64_t>(range.size - offset, bytes));
}

SharedPlace resolve_shared(Warp& warp, uint32_t lane, uint64_t address, uint32_t bytes,
                           uint32_t alignment) {
  if ((address & kWindowMask) == kSharedWindow) address &= ~kWindowMask;
  check_alignment(lane, address, alignment, kSharedWindow);
  const uint64_t rank = address >> kSharedRankShift;
  Cluster& cluster = *warp.cta->cluster;
  if (rank > cluster.ctas.size()) {
    raise(FaultKind::kOutOfBounds, lane,
          fmt::format("shared address {:#x} is in CTA {} of a cluster of {}", address, rank - 1,
                      cluster.ctas.size()),
          generic_address(kSharedWindow, address));
  }
  Cta& cta = rank == 0 ? *warp.cta : cluster.ctas[rank - 1];
  const uint64_t offset = (address & kSharedOffsetMask) - kSharedBase;
  if (offset > cta.shared_bytes || cta.shared_bytes - offset < bytes) {
    raise(
        FaultKind::kOutOfBounds, lane,
        fmt::format("access of {} bytes at shared address {:#x}; the CTA's {} bytes of shared "
                    "memory are at {:#x} to {:#x}",
                    bytes, address, cta.shared_bytes, kSharedBase, kSharedBase + cta.shared_bytes),
        generic_address(kSharedWindow, address));
  }
  if (&cta != warp.cta && cta.live_threads == 0) {
    raise(
        FaultKind::kUseAfterFree, lane,
        fmt::format("access to shared memory of CTA {} of the cluster, which has exited", cta.rank),
        generic_address(kSharedWindow, address));
  }
  return {&cta, static_cast<uint32_t>(offset)};
}

const std::byte* readable_shared(Warp& warp, uint32_t lane, uint64_t address, uint32_t bytes,
                                 uint32_t alignment, Reach reach) {
  const SharedPlace place = resolve_shared(warp, lane, address, needed(bytes, reach), alignment);
  if (!has_values(place, bytes, reach)) {
    found_unwritten(warp, lane, AddressSpace::kShared, address, bytes);
  }
  return place.cta->shared + place.offset;
}

std::byte* writable_shared(Warp& warp, uint32_t lane, uint64_t address, uint32_t bytes,
                           uint32_t alignment) {
  const SharedPlace place = resolve_shared(warp, lane, address, bytes, alignment);
  touch_shared(*place.cta, place.offset, bytes);
  if (place.cta->shared_written != nullptr) {
    std::memset(place.cta->shared_written + place.offset, 1, bytes);
  }
  return place.cta->shared + place.offset;
}

bool load(Warp& warp, uint32_t lane, AddressSpace space, uint64_t address, void* into,
          uint32_t bytes, uint32_t alignment, Watched watched, Reach reach, Unwritten unwritten) {
  switch (space) {
    case AddressSpace::kGeneric: {
      const SpaceAddress target = resolve_generic(address);
      return load(warp, lane, target.space, target.address, into, bytes, alignment, watched, reach,
                  unwritten);
    }
    case AddressSpace::kGlobal:
      return load_global(warp, lane, address, into, bytes, alignment, watched, reach, unwritten);
    case AddressSpace::kShared: {
      const SharedPlace place =
          resolve_shared(warp, lane, address, needed(bytes, reach), alignment);
      const bool written = has_values(place, bytes, reach);
      const bool is_followed = unwritten == Unwritten::kFollowed && follows_unwritten(warp);
      if (!written && !is_followed) {
        found_unwritten(warp, lane, AddressSpace::kShared, address, bytes);
      }
      if (order_of(warp) != nullptr && watched == Watched::kNotYet) {
        watch_shared(warp, lane, address, needed(bytes, reach), race::AccessKind::kRead);
      }
      std::memcpy(into, place.cta->shared + place.offset, bytes);
      return written || !is_followed;
    }
    case AddressSpace::kLocal:
      std::memcpy(into, local_pointer(warp, lane, address, bytes, alignment), bytes);
      break;
    case AddressSpace::kParameter:
      std::memcpy(into, parameter_pointer(warp, lane, address, bytes, alignment), bytes);
      break;
  }
  return true;
}

void store(Warp& warp, uint32_t lane, AddressSpace space, uint64_t address, const void* from,
           uint32_t bytes, uint32_t alignment, Ordering ordering) {
  switch (space) {
    case AddressSpace::kGeneric: {
      const SpaceAddress target = resolve_generic(address);
      store(warp, lane, target.space, target.address, from, bytes, alignment, ordering);
      break;
    }
    case AddressSpace::kGlobal:
      store_global(warp, lane, address, from, bytes, alignment, ordering);
      break;
    case AddressSpace::kShared: {
      std::byte* const to = writable_shared(warp, lane, address, bytes, alignment);
      const bool is_watched = order_of(warp) != nullptr;
      if (is_watched) watch_shared(warp, lane, address, bytes, race::AccessKind::kWrite);
      std::memcpy(to, from, bytes);
      if (is_watched) watch_shared_end(warp);
      break;
    }
    case AddressSpace::kLocal:
      std::memcpy(local_pointer(warp, lane, address, bytes, alignment), from, bytes);
      break;
    case AddressSpace::kParameter:
      raise(FaultKind::kOutOfBounds, lane, "a kernel cannot write to its parameters",
            generic_address(kParameterWindow, address));
  }
}

std::byte* atomic_target(Warp& warp, uint32_t lane, AddressSpace space, uint64_t address,
                         uint32_t bytes) {
  if (space == AddressSpace::kGeneric) {
    const SpaceAddress target = resolve_generic(address);
    return atomic_target(warp, lane, target.space, target.address, bytes);
  }
  const Reach reach = reach_of_atomic(bytes);
  if (space == AddressSpace::kShared) {
    readable_shared(warp, lane, address, bytes, bytes, reach);
    if (order_of(warp) != nullptr) {
      watch_shared(warp, lane, address, needed(bytes, reach), race::AccessKind::kAtomic);
    }
    return writable_shared(warp, lane, address, needed(bytes, reach), bytes);
  }
  // No other thread sees it, but a program may have its atomic variable there.
  if (space == AddressSpace::kLocal) return local_pointer(warp, lane, address, bytes, bytes);
  if (space == AddressSpace::kParameter) {
    raise(FaultKind::kOutOfBounds, lane, "an atomic operation cannot change a parameter",
          generic_address(kParameterWindow, address));
  }
  announce_atomic(warp, lane, address, bytes, bytes, reach);
  return atomic_bytes(warp, address, bytes);
}

void copy_unwritten(Warp& warp, uint32_t lane, AddressSpace space, uint64_t from, uint64_t to,
                    uint32_t bytes) {
  const SharedPlace place = resolve_shared(warp, lane, to, bytes, 1);
  if (place.cta->shared_written == nullptr) return;
  const uint8_t* source = nullptr;
  if (space == AddressSpace::kShared) {
    const SharedPlace read = resolve_shared(warp, lane, from, bytes, 1);
    source = read.cta->shared_written + read.offset;
  } else {
    const MemoryRange range = worker_of(warp).range_of(operation_of(warp), from);
    if (range.written == nullptr) return;
    source = range.written + (from - range.begin);
  }
  std::memmove(place.cta->shared_written + place.offset, source, bytes);
}

void unwrite_shared(Warp& warp, uint32_t lane, uint64_t address, uint32_t bytes) {
  const SharedPlace place = resolve_shared(warp, lane, address, bytes, 1);
  if (place.cta->shared_written == nullptr) return;
  std::memset(place.cta->shared_written + place.offset, 0, bytes);
}

LaneFault unwritten_read(const DeviceContext& device, uint32_t lane, AddressSpace space,
                         uint64_t address, uint32_t bytes) {
  const bool is_shared = space == AddressSpace::kShared;
  const std::string where =
      is_shared ? fmt::format("shared address {:#x}", address)
                : fmt::format("{:#x}, {}", address, describe_address(device, address));
  return {FaultKind::kUninitializedRead, lane,
          is_shared ? generic_address(kSharedWindow, address) : address,
          fmt::format("read of {} bytes that nobody wrote at {}", bytes, where)};
}

void found_unwritten(Warp& warp, uint32_t lane, AddressSpace space, uint64_t address,
                     uint32_t bytes) {
  DeviceContext& device = worker_of(warp).device();
  if (device.settings->uninitialized_reads == UninitializedReads::kIgnore) return;
  const LaneFault fault = unwritten_read(device, lane, space, address, bytes);
  if (device.settings->uninitialized_reads == UninitializedReads::kFault) throw fault;
  report_once(warp, fault);
}

void wait_for_turn(Warp& warp) { worker_of(warp).wait_for_turn(); }

void publish(Warp& warp) {
  if (DelayedStores* const delayed = delayed_stores(warp)) {
    delayed->arrive_all_of(warp.cta->cluster->grid->id);
  }
  // What follows the trigger is ordered with nothing in the dependent grid.
  Overlay* const overlay = overlay_of(warp);
  if (overlay != nullptr && !warp.cta->triggered) {
    overlay->publish(*worker_of(warp).device().memory);
  }
}

}  // namespace slipstream::emulator
