// Positions and cache slots: int32 or int64 arrays that an earlier kernel may have written, and
// what a slot allows.
#pragma once

#include <cstdint>

#include "slipstream/pdl.cuh"

namespace slipstream::ops {

struct IndexArray {
  pdl::Produced<const void> data;  // [tokens], int32 or int64, read after the wait
  int64_t stride = 1;              // in elements
  bool is_int64 = false;
};

// Address arithmetic apart from the load, so that a kernel can do it before its wait.
[[nodiscard]] SLIPSTREAM_HOST_DEVICE inline const void* index_address(const IndexArray& array,
                                                                      int64_t element) {
  const int64_t bytes = array.is_int64 ? 8 : 4;
  return static_cast<const char*>(array.data.get()) + element * array.stride * bytes;
}

[[nodiscard]] SLIPSTREAM_HOST_DEVICE inline int64_t load_index(const IndexArray& array,
                                                               const void* address) {
  if (array.is_int64) return *static_cast<const int64_t*>(address);
  return *static_cast<const int32_t*>(address);
}

// The rows of a cache that a call may write, and which row each token goes to.
struct SlotTable {
  IndexArray loc;                  // [tokens]: the slot of each token
  pdl::Produced<int32_t> dropped;  // [1], += 1 for each slot outside the cache; may be null
  int64_t slots = 0;               // rows of the cache
  int64_t reserved_slot = 0;       // writes to it are dropped, uncounted
  bool has_reserved_slot = false;
};

enum class SlotUse : uint8_t { kWrite, kReserved, kOutside };

[[nodiscard]] SLIPSTREAM_HOST_DEVICE inline SlotUse classify_slot(const SlotTable& table,
                                                                  int64_t slot) {
  if (table.has_reserved_slot && slot == table.reserved_slot) return SlotUse::kReserved;
  return slot >= 0 && slot < table.slots ? SlotUse::kWrite : SlotUse::kOutside;
}

#if defined(__CUDACC__)
// True if this thread may write row `slot`. One thread per token passes `counts` and reports a slot
// outside the cache.
__device__ __forceinline__ bool admit_slot(const SlotTable& table, int64_t slot, bool counts) {
  const SlotUse use = classify_slot(table, slot);
  if (use == SlotUse::kOutside && counts && table.dropped.get() != nullptr) {
    atomicAdd(table.dropped.get(), 1);
  }
  return use == SlotUse::kWrite;
}
#endif

// The same for the references, one token after the other.
inline bool admit_slot_reference(const SlotTable& table, int64_t slot) {
  const SlotUse use = classify_slot(table, slot);
  if (use == SlotUse::kOutside && table.dropped.get() != nullptr) ++*table.dropped.get();
  return use == SlotUse::kWrite;
}

}  // namespace slipstream::ops
