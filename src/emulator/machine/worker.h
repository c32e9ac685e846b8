// What one host thread needs while it runs a cluster.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "emulator/machine/device_heap.h"
#include "emulator/machine/global_memory.h"
#include "emulator/machine/grid_run.h"

namespace slipstream::emulator {

// Turns taken by clusters, in the order that defines the result. Clusters run ahead of their turn
// until they do something that others could notice: an ordered access.
struct TurnOrder {
  std::atomic<uint64_t> committed{0};  // turns that are over
  std::atomic<bool> stopped{false};    // a fault in an earlier turn: later ones do not matter
};

// Thrown out of a handler to end a turn that no longer matters.
struct TurnAbandoned {};

class Worker {
 public:
  DeviceContext& device() { return *device_; }

  // From here on, the worker runs turn `turn` of a grid of the device. `order` is null if no other
  // worker runs.
  void begin_turn(DeviceContext& device, TurnOrder* order, uint64_t turn);
  // Before an ordered access.
  void wait_for_turn();
  // Of this turn, while other workers may wait for its end; else 0.
  uint64_t ordered_accesses() const { return ordered_accesses_; }
  // What the turn has cost beyond its instructions: ordered accesses count as expensive, so that a
  // cluster that spins on one soon hands over.
  uint64_t extra_cost() const { return extra_cost_; }
  void add_cost(uint64_t cost) { extra_cost_ += cost; }

  // The allocation around an address. `key` is the operation that asks: it mostly stays within one.
  const MemoryRange& range_of(const void* key, uint64_t address) {
    Entry& entry = cache_[(reinterpret_cast<uintptr_t>(key) / sizeof(Operation)) % kEntries];
    if (address - entry.range.begin < entry.range.size) return entry.range;
    if (device_->heap->contains(address)) {
      // Never kept: another CTA may free the block.
      heap_range_ = device_->heap->range_of(address);
      heap_range_.device = device_->number;
      return heap_range_;
    }
    entry.range = device_->memory->range_for(device_->number, address);
    return entry.range;
  }

 private:
  static constexpr size_t kEntries = 256;
  struct Entry {
    MemoryRange range;
  };

  DeviceContext* device_ = nullptr;
  TurnOrder* order_ = nullptr;
  uint64_t turn_ = 0;
  uint64_t ordered_accesses_ = 0;
  uint64_t extra_cost_ = 0;
  uint64_t generation_ = 0;
  std::array<Entry, kEntries> cache_{};
  MemoryRange heap_range_;
};

}  // namespace slipstream::emulator
