#include "emulator/machine/bulk_store.h"

#include <algorithm>

#include "emulator/machine/access.h"
#include "emulator/machine/cta.h"
#include "emulator/machine/grid_run.h"
#include "emulator/machine/watch.h"

namespace slipstream::emulator {
namespace {

constexpr uint32_t kUnit = 16;

bool is_of(const BulkStore& store, uint32_t lanes) { return (lanes >> store.lane & 1U) != 0; }

void announce(Warp& warp, uint32_t lane, const std::vector<StorePiece>& pieces, bool reduces) {
  if (order_of(warp) != nullptr) {
    watch_operation(warp, {.kind = reduces ? race::AccessKind::kAtomic : race::AccessKind::kWrite,
                           .strong = reduces,
                           .async_proxy = true});
  }
  for (const StorePiece& piece : pieces) {
    if (reduces) {
      announce_atomic(warp, lane, piece.to, piece.bytes, kUnit);
    } else {
      announce_store(warp, lane, piece.to, piece.bytes, kUnit);
    }
  }
}

void write_piece(Warp& warp, const StorePiece& piece, const std::byte* values, Combine combine) {
  if (combine != nullptr) {
    combine(atomic_bytes(warp, piece.to, piece.bytes), values, piece.bytes);
  } else {
    write_global(warp, piece.to, values, piece.bytes);
  }
}

void read(BulkStore& store) {
  if (store.is_read) return;
  store.is_read = true;
  for (const StorePiece& piece : store.pieces) {
    store.values.insert(store.values.end(), piece.from, piece.from + piece.bytes);
  }
}

void finish(Warp& warp, BulkStore& store) {
  read(store);
  const std::byte* values = store.values.data();
  for (const StorePiece& piece : store.pieces) {
    write_piece(warp, piece, values, store.combine);
    values += piece.bytes;
  }
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

void issue_store(Warp& warp, uint32_t lane, std::vector<StorePiece> pieces, Combine combine) {
  const bool reduces = combine != nullptr;
  if (reduces) wait_for_turn(warp);
  announce(warp, lane, pieces, reduces);
  if (keeps_writes_apart(warp)) {
    warp.bulk_stores.push_back({.lane = lane, .combine = combine, .pieces = std::move(pieces)});
    return;
  }
  for (const StorePiece& piece : pieces) write_piece(warp, piece, piece.from, combine);
  if (order_of(warp) != nullptr) watch_end(warp);
}

void commit_stores(Warp& warp, uint32_t lanes) {
  for (BulkStore& store : warp.bulk_stores) {
    if (is_of(store, lanes)) ++store.commits;
  }
}

void read_stores(Warp& warp, uint32_t lanes, uint32_t pending) {
  for (BulkStore& store : warp.bulk_stores) {
    if (is_of(store, lanes) && store.commits > pending) read(store);
  }
}

void finish_stores(Warp& warp, uint32_t lanes, uint32_t pending) {
  finish_chosen(
      warp, [=](const BulkStore& store) { return is_of(store, lanes) && store.commits > pending; });
}

void finish_all_stores(Warp& warp, uint32_t lanes) {
  finish_chosen(warp, [=](const BulkStore& store) { return is_of(store, lanes); });
}

}  // namespace slipstream::emulator
