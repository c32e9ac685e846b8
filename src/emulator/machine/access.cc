#include "emulator/machine/access.h"

#include <fmt/format.h>

#include <cstring>

#include "emulator/machine/cta.h"
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

void check_alignment(uint32_t lane, uint64_t address, uint32_t alignment) {
  if (address % alignment != 0) {
    raise(FaultKind::kMisaligned, lane,
          fmt::format("address {:#x} is not a multiple of {}", address, alignment), address);
  }
}

[[noreturn]] void raise_out_of_bounds(Warp& warp, uint32_t lane, uint64_t address, uint32_t bytes) {
  const GlobalMemory& memory = *worker_of(warp).device().memory;
  // An access that starts inside and ends outside is described by its first byte outside.
  const Allocation* const inside = memory.find(address);
  const uint64_t outside = inside == nullptr ? address : inside->address + inside->size;
  const FaultKind kind =
      memory.is_freed(outside) ? FaultKind::kUseAfterFree : FaultKind::kOutOfBounds;
  raise(kind, lane,
        fmt::format("access of {} bytes at {:#x}: {}", bytes, address, memory.describe(outside)),
        address);
}

bool all_written(const uint8_t* flags, uint32_t bytes) {
  return std::memchr(flags, 0, bytes) == nullptr;
}

std::byte* local_pointer(Warp& warp, uint32_t lane, uint64_t address, uint32_t bytes,
                         uint32_t alignment) {
  check_alignment(lane, address, alignment);
  if (address > warp.local_stride || warp.local_stride - address < bytes) {
    raise(FaultKind::kOutOfBounds, lane,
          fmt::format("access of {} bytes at {:#x} of local memory, of which the thread has {} "
                      "bytes",
                      bytes, address, warp.local_stride),
          address);
  }
  return warp.local + size_t{lane} * warp.local_stride + address;
}

const uint8_t* parameter_pointer(Warp& warp, uint32_t lane, uint64_t address, uint32_t bytes,
                                 uint32_t alignment) {
  check_alignment(lane, address, alignment);
  const auto& parameters = warp.cta->cluster->grid->launch.parameters;
  if (address > parameters.size() || parameters.size() - address < bytes) {
    raise(FaultKind::kOutOfBounds, lane,
          fmt::format("access of {} bytes at {:#x} of the kernel's {} bytes of parameters", bytes,
                      address, parameters.size()),
          address);
  }
  return parameters.data() + address;
}

void load_global(Warp& warp, uint32_t lane, uint64_t address, void* into, uint32_t bytes,
                 uint32_t alignment, Watched watched) {
  check_global(warp, lane, address, bytes, alignment);
  const MemoryRange range = worker_of(warp).range_of(operation_of(warp), address);
  const Overlay* const overlay = overlay_of(warp);
  if (order_of(warp) != nullptr && watched == Watched::kNotYet) {
    watch_lane(warp, lane, address, bytes, race::AccessKind::kRead);
  }
  if (range.written != nullptr && !all_written(range.written + (address - range.begin), bytes) &&
      (overlay == nullptr || !overlay->has(address))) {
    found_unwritten(warp, lane, AddressSpace::kGlobal, address, bytes);
  }
  if (overlay != nullptr) {
    overlay->read(address, into, bytes);
  } else {
    std::memcpy(into, reinterpret_cast<const void*>(address), bytes);
  }
}

// Makes the grid's earlier writes of these bytes visible to other grids.
void publish_bytes(Warp& warp, uint64_t address, uint32_t bytes) {
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
  write_at_once(warp, address, from, bytes);
  if (order_of(warp) != nullptr) watch_end(warp);
}

}  // namespace

bool keeps_writes_apart(const Warp& warp) { return warp.cta->cluster->grid->overlay != nullptr; }

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
                     uint32_t alignment) {
  check_global(warp, lane, address, bytes, alignment);
  if (order_of(warp) != nullptr) watch_lane(warp, lane, address, bytes, race::AccessKind::kAtomic);
  publish_bytes(warp, address, bytes);
  const MemoryRange range = worker_of(warp).range_of(operation_of(warp), address);
  if (range.written != nullptr && !all_written(range.written + (address - range.begin), bytes)) {
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
  check_alignment(lane, address, alignment);
}

SharedPlace resolve_shared(Warp& warp, uint32_t lane, uint64_t address, uint32_t bytes,
                           uint32_t alignment) {
  if ((address & kWindowMask) == kSharedWindow) address &= ~kWindowMask;
  check_alignment(lane, address, alignment);
  const uint64_t rank = address >> kSharedRankShift;
  Cluster& cluster = *warp.cta->cluster;
  if (rank > cluster.ctas.size()) {
    raise(FaultKind::kOutOfBounds, lane,
          fmt::format("shared address {:#x} is in CTA {} of a cluster of {}", address, rank - 1,
                      cluster.ctas.size()),
          address);
  }
  Cta& cta = rank == 0 ? *warp.cta : cluster.ctas[rank - 1];
  const uint64_t offset = (address & kSharedOffsetMask) - kSharedBase;
  if (offset > cta.shared_bytes || cta.shared_bytes - offset < bytes) {
    raise(
        FaultKind::kOutOfBounds, lane,
        fmt::format("access of {} bytes at shared address {:#x}; the CTA's {} bytes of shared "
                    "memory are at {:#x} to {:#x}",
                    bytes, address, cta.shared_bytes, kSharedBase, kSharedBase + cta.shared_bytes),
        address);
  }
  if (&cta != warp.cta && cta.live_threads == 0) {
    raise(
        FaultKind::kUseAfterFree, lane,
        fmt::format("access to shared memory of CTA {} of the cluster, which has exited", cta.rank),
        address);
  }
  return {&cta, static_cast<uint32_t>(offset)};
}

const std::byte* readable_shared(Warp& warp, uint32_t lane, uint64_t address, uint32_t bytes,
                                 uint32_t alignment) {
  const SharedPlace place = resolve_shared(warp, lane, address, bytes, alignment);
  if (place.cta->shared_written != nullptr &&
      !all_written(place.cta->shared_written + place.offset, bytes)) {
    found_unwritten(warp, lane, AddressSpace::kShared, address, bytes);
  }
  return place.cta->shared + place.offset;
}

std::byte* writable_shared(Warp& warp, uint32_t lane, uint64_t address, uint32_t bytes,
                           uint32_t alignment) {
  const SharedPlace place = resolve_shared(warp, lane, address, bytes, alignment);
  if (place.cta->shared_written != nullptr) {
    std::memset(place.cta->shared_written + place.offset, 1, bytes);
  }
  return place.cta->shared + place.offset;
}

void load(Warp& warp, uint32_t lane, AddressSpace space, uint64_t address, void* into,
          uint32_t bytes, uint32_t alignment, Watched watched) {
  switch (space) {
    case AddressSpace::kGeneric: {
      const SpaceAddress target = resolve_generic(address);
      load(warp, lane, target.space, target.address, into, bytes, alignment, watched);
      break;
    }
    case AddressSpace::kGlobal:
      load_global(warp, lane, address, into, bytes, alignment, watched);
      break;
    case AddressSpace::kShared:
      std::memcpy(into, readable_shared(warp, lane, address, bytes, alignment), bytes);
      break;
    case AddressSpace::kLocal:
      std::memcpy(into, local_pointer(warp, lane, address, bytes, alignment), bytes);
      break;
    case AddressSpace::kParameter:
      std::memcpy(into, parameter_pointer(warp, lane, address, bytes, alignment), bytes);
      break;
  }
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
    case AddressSpace::kShared:
      std::memcpy(writable_shared(warp, lane, address, bytes, alignment), from, bytes);
      break;
    case AddressSpace::kLocal:
      std::memcpy(local_pointer(warp, lane, address, bytes, alignment), from, bytes);
      break;
    case AddressSpace::kParameter:
      raise(FaultKind::kOutOfBounds, lane, "a kernel cannot write to its parameters", address);
  }
}

std::byte* atomic_target(Warp& warp, uint32_t lane, AddressSpace space, uint64_t address,
                         uint32_t bytes) {
  if (space == AddressSpace::kGeneric) {
    const SpaceAddress target = resolve_generic(address);
    return atomic_target(warp, lane, target.space, target.address, bytes);
  }
  if (space == AddressSpace::kShared) {
    readable_shared(warp, lane, address, bytes, bytes);
    return writable_shared(warp, lane, address, bytes, bytes);
  }
  if (space != AddressSpace::kGlobal) {
    raise(FaultKind::kOutOfBounds, lane, "an atomic operation needs global or shared memory",
          address);
  }
  announce_atomic(warp, lane, address, bytes, bytes);
  return atomic_bytes(warp, address, bytes);
}

void found_unwritten(Warp& warp, uint32_t lane, AddressSpace space, uint64_t address,
                     uint32_t bytes) {
  DeviceContext& device = worker_of(warp).device();
  if (device.settings->uninitialized_reads == UninitializedReads::kIgnore) return;
  const std::string where =
      space == AddressSpace::kShared
          ? fmt::format("shared address {:#x}", address)
          : fmt::format("{:#x}, {}", address, device.memory->describe(address));
  const std::string message = fmt::format("read of {} bytes that nobody wrote at {}", bytes, where);
  if (device.settings->uninitialized_reads == UninitializedReads::kFault) {
    raise(FaultKind::kUninitializedRead, lane, message, address);
  }
  report_once(warp, LaneFault(FaultKind::kUninitializedRead, lane, address, message));
}

void wait_for_turn(Warp& warp) { worker_of(warp).wait_for_turn(); }

void publish(Warp& warp) {
  // What follows the trigger is ordered with nothing in the dependent grid.
  Overlay* const overlay = overlay_of(warp);
  if (overlay != nullptr && !warp.cta->triggered) {
    overlay->publish(*worker_of(warp).device().memory);
  }
}

}  // namespace slipstream::emulator
