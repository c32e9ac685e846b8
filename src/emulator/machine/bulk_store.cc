#include "emulator/machine/bulk_store.h"

#include <algorithm>
#include <utility>

#include "emulator/machine/access.h"
#include "emulator/machine/cta.h"
#include "emulator/machine/grid_run.h"
#include "emulator/machine/watch.h"

namespace slipstream::emulator {
namespace {

constexpr uint32_t kUnit = 16;

bool is_of(const BulkStore& store, uint32_t lanes) { return (lanes >> store.lane & 1U) != 0; }

void announce(Warp& warp, const BulkStore& store) {
  const bool reduces = store.combine != nullptr;
  if (order_of(warp) != nullptr) {
    watch_operation(warp, {.kind = reduces ? race::AccessKind::kAtomic : race::AccessKind::kWrite,
                           .strong = reduces,
                           .async_proxy = true});
  }
  for (const BulkStore::Target& target : store.targets) {
    if (reduces) {
      announce_atomic(warp, store.lane, target.global, target.bytes, kUnit);
    } else {
      announce_store(warp, store.lane, target.global, target.bytes, kUnit);
    }
  }
}

void read(BulkStore& store) {
  if (store.is_read) return;
  store.is_read = true;
  for (const BulkStore::Source& source : store.sources) {
    store.values.insert(store.values.end(), source.shared, source.shared + source.bytes);
  }
}

void finish(Warp& warp, BulkStore& store) {
  read(store);
  const std::byte* values = store.values.data();
  for (const BulkStore::Target& target : store.targets) {
    if (store.combine != nullptr) {
      store.combine(atomic_bytes(warp, target.global, target.bytes), values, target.bytes);
    } else {
      write_global(warp, target.global, values, target.bytes);
    }
    values += target.bytes;
  }
}

void note_wait(Warp& warp, uint32_t pending) {
  if (order_of(warp) == nullptr) return;
  watch_group_wait(warp, race::Background::kBulkStores, order_index(warp), pending);
}

// Finishes the stores that `chosen` accepts, oldest first.
template <class Chosen>
void finish_chosen(Warp& warp, Chosen chosen) {
  for (BulkStore& store : warp.bulk_stores) {
    if (chosen(store)) finish(warp, store);
  }
  std::erase_if(warp.bulk_stores, chosen);
}

}  // namespace

const std::byte* source_of_store(Warp& warp, uint32_t lane, uint64_t address, uint32_t bytes,
                                 uint32_t alignment) {
  const std::byte* const source = readable_shared(warp, lane, address, bytes, alignment);
  if (order_of(warp) != nullptr) {
    watch_start(warp, race::Background::kBulkStores, order_index(warp));
    watch_background(warp, race::Background::kBulkStores, order_index(warp), lane, address, bytes,
                     race::AccessKind::kRead);
  }
  return source;
}

void issue_store(Warp& warp, BulkStore store) {
  if (store.combine != nullptr) wait_for_turn(warp);
  announce(warp, store);
  if (keeps_writes_apart(warp)) {
    warp.bulk_stores.push_back(std::move(store));
    return;
  }
  finish(warp, store);
  if (order_of(warp) != nullptr) watch_end(warp);
}

void commit_stores(Warp& warp, uint32_t lanes) {
  for (BulkStore& store : warp.bulk_stores) {
    if (is_of(store, lanes)) ++store.commits;
  }
  if (order_of(warp) != nullptr) {
    watch_commit(warp, race::Background::kBulkStores, order_index(warp));
  }
}

void read_stores(Warp& warp, uint32_t lanes, uint32_t pending) {
  for (BulkStore& store : warp.bulk_stores) {
    if (is_of(store, lanes) && store.commits > pending) read(store);
  }
  note_wait(warp, pending);
}

void finish_stores(Warp& warp, uint32_t lanes, uint32_t pending) {
  finish_chosen(
      warp, [=](const BulkStore& store) { return is_of(store, lanes) && store.commits > pending; });
  note_wait(warp, pending);
}

void finish_all_stores(Warp& warp, uint32_t lanes) {
  finish_chosen(warp, [=](const BulkStore& store) { return is_of(store, lanes); });
}

}  // namespace slipstream::emulator
