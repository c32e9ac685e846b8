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

// Joins `bytes` of values into those at `target`; what a reduction does instead of copying.
using Combine = void (*)(std::byte* target, const std::byte* values, uint32_t bytes);

// The bytes of all sources, one after the other, are those of all targets.
struct BulkStore {
  struct Source {
    const std::byte* shared = nullptr;
    uint32_t bytes = 0;
  };
  struct Target {
    uint64_t global = 0;
    uint32_t bytes = 0;
  };

  uint32_t lane = 0;
  Combine combine = nullptr;  // null: a copy
  std::vector<Source> sources;
  std::vector<Target> targets;

  std::vector<std::byte> values{};  // of the sources, once they are read
  bool is_read = false;
  uint32_t commits = 0;  // by that lane since
};

// The bytes of shared memory that a store of the lane reads, whenever it does.
const std::byte* source_of_store(Warp& warp, uint32_t lane, uint64_t address, uint32_t bytes,
                                 uint32_t alignment);
// Raises a fault where a target does not lie in global memory or is not aligned to 16 bytes, and
// tells the race check, both now.
void issue_store(Warp& warp, BulkStore store);
void commit_stores(Warp& warp, uint32_t lanes);
// Of all committed groups of these lanes but the `pending` youngest: reads what they copy, and
// writes it.
void read_stores(Warp& warp, uint32_t lanes, uint32_t pending);
void finish_stores(Warp& warp, uint32_t lanes, uint32_t pending);
// Writes all of these lanes, committed or not.
void finish_all_stores(Warp& warp, uint32_t lanes);

}  // namespace slipstream::emulator
