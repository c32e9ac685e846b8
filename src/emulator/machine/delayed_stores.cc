#include "emulator/machine/delayed_stores.h"

#include <cstring>
#include <iterator>

#include "emulator/machine/global_memory.h"

namespace slipstream::emulator {
namespace {

// Polls after which a store arrives at the latest: fewer than those after which a warp gives way.
constexpr uint32_t kMaxPolls = 48;

}  // namespace

// The first store that ends past the address.
DelayedStores::Stores::iterator DelayedStores::first_overlapping(uint64_t address) {
  auto store = stores_.upper_bound(address);
  if (store == stores_.begin()) return store;
  const auto before = std::prev(store);
  return before->first + before->second.bytes > address ? before : store;
}

DelayedStores::Stores::iterator DelayedStores::arrive(Stores::iterator store) {
  const auto& [address, value] = *store;
  // The allocation may have been freed: what is written there is then dropped.
  if (memory_.find(address) != nullptr) {
    std::memcpy(reinterpret_cast<void*>(address), value.data.data(), value.bytes);
    memory_.mark_written(address, value.bytes);
  }
  return stores_.erase(store);
}

void DelayedStores::add(uint32_t writer, Ticket grid, uint64_t address, const void* from,
                        uint32_t bytes) {
  arrive(address, bytes);
  Store store{writer, grid, bytes, static_cast<uint32_t>(random_() % kMaxPolls), {}};
  std::memcpy(store.data.data(), from, bytes);
  const auto added = stores_.emplace(address, store).first;
  const bool at_once = random_() % 2 == 0;
  if (at_once) arrive(added);
}

void DelayedStores::before_read(uint32_t reader, uint64_t address, uint32_t bytes, bool is_strong) {
  for (auto store = first_overlapping(address);
       store != stores_.end() && store->first < address + bytes;) {
    const bool is_own = store->second.writer == reader;
    const bool is_due = is_own || (is_strong && store->second.polls == 0);
    if (is_strong && !is_due) --store->second.polls;
    store = is_due ? arrive(store) : std::next(store);
  }
}

void DelayedStores::arrive(uint64_t address, uint32_t bytes) {
  for (auto store = first_overlapping(address);
       store != stores_.end() && store->first < address + bytes;) {
    store = arrive(store);
  }
}

void DelayedStores::arrive_all_of(Ticket grid) {
  for (auto store = stores_.begin(); store != stores_.end();) {
    store = store->second.grid == grid ? arrive(store) : std::next(store);
  }
}

void DelayedStores::arrive_all() {
  for (auto store = stores_.begin(); store != stores_.end();) store = arrive(store);
}

}  // namespace slipstream::emulator
