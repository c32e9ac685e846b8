// Bulk copies and reductions out of shared memory, which a thread waits for by groups.
//
// They take place when they are issued, which is legal, or in the adversarial schedule as late as is
// legal: shared memory is read when the thread waits for that (.read), global memory written when it
// waits for the whole, and both no later than its exit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace slipstream::emulator {

struct Warp;

// Bytes that follow each other in both memories.
struct StorePiece {
  uint64_t to = 0;                  // global
  const std::byte* from = nullptr;  // shared
  uint32_t bytes = 0;
};

// Joins `bytes` of values into those at `target`; what a reduction does instead of copying.
using Combine = void (*)(std::byte* target, const std::byte* values, uint32_t bytes);

struct BulkStore {
  uint32_t lane = 0;
  uint32_t commits = 0;  // by that lane since
  Combine combine = nullptr;
  std::vector<StorePiece> pieces;
  std::vector<std::byte> values;  // what was read of shared memory
  bool is_read = false;
};

// Raises a fault where a piece does not lie in global memory or is not aligned to 16 bytes, and
// tells the race check, both now. `combine` is null for a copy.
void issue_store(Warp& warp, uint32_t lane, std::vector<StorePiece> pieces, Combine combine);
void commit_stores(Warp& warp, uint32_t lanes);
// Of all committed groups of these lanes but the `pending` youngest: reads what they copy, and
// writes it.
void read_stores(Warp& warp, uint32_t lanes, uint32_t pending);
void finish_stores(Warp& warp, uint32_t lanes, uint32_t pending);
// Writes all of these lanes, committed or not.
void finish_all_stores(Warp& warp, uint32_t lanes);

}  // namespace slipstream::emulator
