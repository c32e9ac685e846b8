// Stores: operands base, s0 .. s(V-1). As loads (memory_load.h): for the whole warp where that is possible.
#pragma once

#include <array>
#include <cstring>
#include <type_traits>

#include "emulator/instructions/lanes.h"
#include "emulator/instructions/memory_access.h"
#include "emulator/instructions/moved_values.h"
#include "emulator/instructions/plain_memory.h"
#include "emulator/machine/access.h"
#include "emulator/machine/polls.h"
#include "emulator/machine/watch.h"
#include "emulator/machine/worker.h"

namespace slipstream::emulator {

template <class T, size_t kCount>
void store_lane_by_lane(const Operation& operation, Warp& warp, uint32_t executing,
                        AddressSpace space, const Addresses& addresses, Ordering ordering) {
  constexpr uint32_t kBytes = sizeof(T) * kCount;
  for_each_lane(executing, [&](uint32_t lane) {
    std::array<T, kCount> values;
    for (size_t i = 0; i < kCount; ++i) {
      values[i] = static_cast<T>(operand<Lane<T>>(operation, warp, 1 + i)[lane]);
    }
    store(warp, lane, space, addresses.at[lane], values.data(), kBytes, kBytes, ordering);
  });
}

// Lane by lane: ordered accesses, and those that cannot be checked all at once.
template <class T, size_t kCount>
Step store_carefully(const Operation& operation, Warp& warp, uint32_t executing,
                     const Access& access) {
  Addresses addresses;
  const AddressSpace space = find_space(warp, executing, access, operation.operands[0], addresses);
  if (access.ordered && may_be_global(space)) wait_for_turn(warp);
  if (may_be_global(space)) note_progress(warp);
  if (access.ordered && access.releases) publish(warp);
  watch(warp, access, space, race::AccessKind::kWrite);
  store_lane_by_lane<T, kCount>(operation, warp, executing, space, addresses,
                                access.ordered ? Ordering::kStrong : Ordering::kWeak);
  return Step::kNext;
}

template <class T, size_t kCount>
Step store_values(const Operation& operation, Warp& warp, uint32_t executing) {
  constexpr uint32_t kBytes = sizeof(T) * kCount;
  const Access access = decode_access(operation.immediate);
  if (access.ordered) return store_carefully<T, kCount>(operation, warp, executing, access);
  Addresses addresses;
  const Reached reached =
      reach(operation, warp, executing, access, operation.operands[0], kBytes, false, addresses);
  if (reached.arrangement == Arrangement::kElsewhere) {
    return store_carefully<T, kCount>(operation, warp, executing, access);
  }
  if (reached.space == AddressSpace::kGlobal) note_progress(warp);
  const bool is_watched = watch(warp, access, reached.space, race::AccessKind::kWrite);
  if (is_watched) {
    watch_reached(warp, reached, race::AccessKind::kWrite, executing, addresses, kBytes);
  }
  mark_written(executing, reached, addresses, kBytes);
  const auto from = registers_of<T, kCount>(operation, warp, 1);
  const uint64_t stride = reached.stride;
  if (reached.arrangement == Arrangement::kRow) {
    store_row<T, kCount>(from, pointer(reached.host()));
  } else if (reached.arrangement == Arrangement::kScattered) {
    const uint64_t delta = reached.delta;
    store_lanes<T, kCount>(from, executing, [&](uint32_t lane) {
      return pointer(addresses.at[lane] + delta + lane * stride);
    });
  } else {
    const uint64_t first = reached.host();
    store_lanes<T, kCount>(from, executing,
                           [&](uint32_t lane) { return pointer(first + lane * stride); });
  }
  if (is_watched) end_watch(warp, reached.space);
  return Step::kNext;
}

// While some registers have no values: a store to shared memory passes that on, any other uses them.
template <class T, size_t kCount>
Step store_following(const Operation& operation, Warp& warp, uint32_t executing) {
  const auto place_of = [&](size_t index) { return warp.registers + operation.operands[index]; };
  use_register(warp, place_of(0), executing);
  const Access access = decode_access(operation.immediate);
  Addresses addresses;
  const AddressSpace space = find_space(warp, executing, access, operation.operands[0], addresses);
  std::array<uint32_t, kCount> lanes{};
  for (size_t i = 0; i < kCount; ++i) {
    if (space != AddressSpace::kShared) use_register(warp, place_of(1 + i), executing);
    lanes[i] = unwritten_lanes(warp, place_of(1 + i), executing);
  }
  const Step step = store_values<T, kCount>(operation, warp, executing);
  for (size_t i = 0; i < kCount; ++i) {
    for_each_lane(lanes[i], [&](uint32_t lane) {
      unwrite_shared(warp, lane, addresses.at[lane] + i * sizeof(T), sizeof(T));
    });
  }
  return step;
}

template <class T, size_t kCount>
[[gnu::noinline]] Step store_any(const Operation& operation, Warp& warp, uint32_t executing) {
  return warp.unwritten == nullptr ? store_values<T, kCount>(operation, warp, executing)
                                   : store_following<T, kCount>(operation, warp, executing);
}

// The common case first: a whole warp, in a row.
template <class T, size_t kCount, Path kPath>
Step store_memory(const Operation& operation, Warp& warp, uint32_t executing) {
  constexpr uint32_t kBytes = sizeof(T) * kCount;
  if (executing == kAllLanes && warp.has_plain_memory && warp.unwritten == nullptr) {
    const auto* const base = lanes<const BaseOf<kPath>>(warp, operation.operands[0]);
    if (shape_of_warp<kBytes>(base).is_row) {
      if (auto* const to =
              plain_store<kPath>(operation, warp, base[0], kBytes, kWarpSize * kBytes)) {
        store_row<T, kCount>(registers_of<T, kCount>(operation, warp, 1), to);
        return Step::kNext;
      }
    }
  }
  return store_any<T, kCount>(operation, warp, executing);
}

template <class T, size_t kCount>
Step store_local(const Operation& operation, Warp& warp, uint32_t executing) {
  const auto* const base = operand<const uint64_t>(operation, warp, 0);
  std::byte* const to = warp.unwritten == nullptr
                            ? same_local(operation, warp, executing, base, sizeof(T) * kCount)
                            : nullptr;
  if (to == nullptr) return store_any<T, kCount>(operation, warp, executing);
  warp.local_touched |= uint64_t{1}
                        << (static_cast<uint64_t>(to - warp.local) >> kLocalChunkShift & 63U);
  const size_t stride = warp.local_stride;
  store_lanes<T, kCount>(registers_of<T, kCount>(operation, warp, 1), executing,
                         [&](size_t lane) { return to + lane * stride; });
  return Step::kNext;
}

}  // namespace slipstream::emulator
