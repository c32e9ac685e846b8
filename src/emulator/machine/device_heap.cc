#include "emulator/machine/device_heap.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <iterator>

#include "emulator/program/round_up.h"

namespace slipstream::emulator {
namespace {

// What the heap counts for a block: its size in whole units, and a header.
constexpr uint64_t kUnit = 16;
constexpr uint64_t kHeader = 16;
// Between blocks: an access a little past the end never lands in the next one.
constexpr uint64_t kGap = 64;
// The region is larger than the limit, so that freed addresses rest for a while.
constexpr uint64_t kSmallestRegion = 64ULL << 20U;
constexpr uint64_t kRegionPerLimit = 4;

uint64_t counted(uint64_t size) { return round_up(size, kUnit) + kHeader; }

}  // namespace

DeviceHeap::Blocks::const_iterator DeviceHeap::find(const Blocks& blocks, uint64_t address) {
  auto block = blocks.upper_bound(address);
  if (block == blocks.begin()) return blocks.end();
  --block;
  return address - block->first < block->second.size ? block : blocks.end();
}

bool DeviceHeap::reserve() {
  if (bytes_ != 0) return true;
  const uint64_t bytes = std::max(kSmallestRegion, kRegionPerLimit * limit_);
  begin_ = memory_.allocate(bytes, MemoryKind::kHeap, "device heap", device_);
  if (begin_ == 0) return false;
  bytes_ = bytes;
  next_ = begin_;
  return true;
}

uint64_t DeviceHeap::place_from(uint64_t address, uint64_t size, uint64_t alignment) const {
  uint64_t candidate = round_up(address, alignment);
  // The block before may reach beyond `address`.
  auto next = live_.upper_bound(candidate);
  if (next != live_.begin()) {
    const auto& [start, block] = *std::prev(next);
    candidate = std::max(candidate, round_up(start + block.size + kGap, alignment));
  }
  while (next != live_.end() && next->first < candidate + size + kGap) {
    candidate = std::max(candidate, round_up(next->first + next->second.size + kGap, alignment));
    ++next;
  }
  return candidate + size + kGap <= begin_ + bytes_ ? candidate : 0;
}

uint64_t DeviceHeap::place(uint64_t size, uint64_t alignment) {
  const uint64_t fresh = place_from(next_, size, alignment);
  return fresh != 0 ? fresh : place_from(begin_, size, alignment);
}

uint64_t DeviceHeap::allocate(uint64_t size, uint64_t alignment) {
  const std::lock_guard lock(mutex_);
  if (size == 0 || size > limit_ || in_use_ + counted(size) > limit_) return 0;
  const uint64_t address = place(size, std::max(alignment, kUnit));
  if (address == 0) return 0;
  next_ = address + size + kGap;
  std::erase_if(freed_, [&](const auto& freed) {
    return freed.first < address + size && address < freed.first + freed.second.size;
  });
  live_[address] = {size, ++serial_};
  in_use_ += counted(size);
  if (uint8_t* const flags = memory_.range_of(address).written)
    std::memset(flags + (address - begin_), 0, size);
  return address;
}

DeviceHeap::Release DeviceHeap::release(uint64_t address) {
  const std::lock_guard lock(mutex_);
  const auto block = live_.find(address);
  if (block == live_.end())
    return freed_.contains(address) ? Release::kFreedBefore : Release::kNoBlock;
  in_use_ -= counted(block->second.size);
  freed_[address] = block->second;
  live_.erase(block);
  return Release::kDone;
}

MemoryRange DeviceHeap::range_of(uint64_t address) const {
  const std::lock_guard lock(mutex_);
  const auto block = find(live_, address);
  if (block == live_.end()) return {};
  uint8_t* const flags = memory_.range_of(begin_).written;
  return {block->first, block->second.size,
          flags == nullptr ? nullptr : flags + (block->first - begin_)};
}

bool DeviceHeap::is_freed(uint64_t address) const {
  const std::lock_guard lock(mutex_);
  return find(freed_, address) != freed_.end();
}

std::string DeviceHeap::describe(uint64_t address) const {
  const std::lock_guard lock(mutex_);
  const auto name = [](const auto& block) {
    return fmt::format("block #{} of the device heap ({} bytes at {:#x})", block.second.serial,
                       block.second.size, block.first);
  };
  if (const auto block = find(live_, address); block != live_.end()) {
    return fmt::format("byte {} of {}", address - block->first, name(*block));
  }
  if (const auto block = find(freed_, address); block != freed_.end()) {
    return fmt::format("byte {} of freed {}", address - block->first, name(*block));
  }
  const auto after = live_.upper_bound(address);
  if (after == live_.begin()) return "in the device heap, before its first block";
  const auto& before = *std::prev(after);
  return fmt::format("{} bytes past the end of {}", address - before.first - before.second.size,
                     name(before));
}

bool DeviceHeap::set_limit(uint64_t limit) {
  if (bytes_ != 0) return false;
  limit_ = limit;
  return true;
}

void DeviceHeap::clear() {
  const std::lock_guard lock(mutex_);
  begin_ = bytes_ = next_ = in_use_ = serial_ = 0;
  live_.clear();
  freed_.clear();
}

}  // namespace slipstream::emulator
