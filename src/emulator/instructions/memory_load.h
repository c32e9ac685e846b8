// Loads: operands d0 .. d(V-1), base.
//
// Where all lanes reach memory of one view (memory_access.h), bytes are moved for the whole warp. Other loads go lane by
// lane through machine/access.h, which also raises the faults.
#pragma once

#include <array>
#include <cstring>
#include <memory>
#include <type_traits>

#include "emulator/instructions/lanes.h"
#include "emulator/instructions/memory_access.h"
#include "emulator/instructions/moved_values.h"
#include "emulator/instructions/plain_memory.h"
#include "emulator/machine/access.h"
#include "emulator/machine/grid_run.h"
#include "emulator/machine/polls.h"
#include "emulator/machine/watch.h"
#include "emulator/machine/worker.h"

namespace slipstream::emulator {

// The lanes have loaded what nobody wrote: from now on the executor follows what becomes of it.
template <class T, size_t kCount>
void note_lanes(const Operation& operation, Warp& warp, size_t element, uint32_t lanes,
                const std::shared_ptr<const UnwrittenRead>& read) {
  if (lanes == 0) return;
  const auto* const at =
      reinterpret_cast<const std::byte*>(operand<Lane<T>>(operation, warp, element));
  note_unwritten(warp, at, kWarpSize * sizeof(Lane<T>), lanes, read);
}

// Returns Step::kFollow where there is something to follow.
template <class T, size_t kCount>
Step load_lane_by_lane(const Operation& operation, Warp& warp, uint32_t executing,
                       AddressSpace space, const Addresses& addresses, Reach reach,
                       Unwritten unwritten) {
  constexpr uint32_t kBytes = sizeof(T) * kCount;
  uint32_t followed = 0;
  for_each_lane(executing, [&](uint32_t lane) {
    std::array<T, kCount> values;
    if (!load(warp, lane, space, addresses.at[lane], values.data(), kBytes, kBytes,
              Watched::kNotYet, reach, unwritten)) {
      followed |= 1U << lane;
    }
    for (size_t i = 0; i < kCount; ++i) {
      operand<Lane<T>>(operation, warp, i)[lane] = static_cast<Lane<T>>(values[i]);
    }
  });
  if (followed == 0) return Step::kNext;
  auto read = std::make_shared<UnwrittenRead>();
  *read = {warp.pc, space, kBytes, addresses.at};
  for (size_t i = 0; i < kCount; ++i) note_lanes<T, kCount>(operation, warp, i, followed, read);
  return Step::kFollow;
}

// Of a load that meets bytes without values.
template <class T, size_t kCount>
Step follow_or_report(const Operation& operation, Warp& warp, uint32_t executing,
                      const Reached& reached, const Addresses& addresses) {
  constexpr uint32_t kBytes = sizeof(T) * kCount;
  if (!follows_unwritten(warp)) {
    report_unwritten(warp, executing, reached, addresses, kBytes);
    return Step::kNext;
  }
  const auto read = unwritten_read(warp, executing, reached, addresses, kBytes);
  for (size_t i = 0; i < kCount; ++i) {
    const uint32_t lanes = lanes_without_values(executing, reached, addresses, kBytes,
                                                static_cast<uint32_t>(i * sizeof(T)), sizeof(T));
    note_lanes<T, kCount>(operation, warp, i, lanes, read);
  }
  return Step::kFollow;
}

// A spinning load yields after ordered accesses have cost this much.
inline constexpr uint64_t kSpinCost = 16384;

inline Step after_ordered_load(Warp& warp) {
  Worker& worker = *warp.cta->cluster->worker;
  if (worker.extra_cost() % kSpinCost == 0) return yield(warp);
  return Step::kNext;
}

// Lets the machine see whether a warp spins on what it loads.
template <class T, size_t kCount>
Step after_strong_load(const Operation& operation, Warp& warp, uint32_t executing,
                       AddressSpace space, const Addresses& addresses) {
  if (space == AddressSpace::kGlobal) {
    Digest digest;
    for_each_lane(executing, [&](uint32_t lane) {
      std::array<T, kCount> values;
      for (size_t i = 0; i < kCount; ++i) {
        values[i] = static_cast<T>(operand<Lane<T>>(operation, warp, i)[lane]);
      }
      digest.add(values.data(), sizeof(values));
    });
    note_read(warp, {&operation, warp.pc, executing, sizeof(T) * kCount, addresses.at},
              digest.value());
  }
  return after_ordered_load(warp);
}

// Lane by lane: ordered accesses, and those that cannot be checked all at once.
template <class T, size_t kCount>
Step load_carefully(const Operation& operation, Warp& warp, uint32_t executing,
                    const Access& access) {
  constexpr uint32_t kBytes = sizeof(T) * kCount;
  Addresses addresses;
  const AddressSpace space =
      find_space(warp, executing, access, operation.operands[kCount], addresses);
  const bool ordered = access.ordered && may_be_global(space);
  if (ordered) wait_for_turn(warp);
  if (space == AddressSpace::kGlobal && keeps_writes_apart(warp)) {
    for_each_lane(executing, [&](uint32_t lane) {
      before_read(warp, addresses.at[lane], kBytes, ordered ? Ordering::kStrong : Ordering::kWeak);
    });
  }
  watch(warp, access, space, race::AccessKind::kRead);
  const bool is_plain = !ordered && !access.word && !access.partial;
  const Step step = load_lane_by_lane<T, kCount>(
      operation, warp, executing, space, addresses, access.word ? Reach::kWord : Reach::kAll,
      is_plain ? Unwritten::kFollowed : Unwritten::kReported);
  return ordered ? after_strong_load<T, kCount>(operation, warp, executing, space, addresses)
                 : step;
}

template <class T, size_t kCount>
[[gnu::noinline]] Step load_any(const Operation& operation, Warp& warp, uint32_t executing) {
  constexpr uint32_t kBytes = sizeof(T) * kCount;
  const Access access = decode_access(operation.immediate);
  if (access.ordered || access.word || (keeps_writes_apart(warp) && stores_are_under_way(warp))) {
    return load_carefully<T, kCount>(operation, warp, executing, access);
  }
  Addresses addresses;
  const Reached reached = reach(operation, warp, executing, access, operation.operands[kCount],
                                kBytes, true, addresses);
  if (reached.arrangement == Arrangement::kElsewhere) {
    return load_carefully<T, kCount>(operation, warp, executing, access);
  }
  if (watch(warp, access, reached.space, race::AccessKind::kRead)) {
    watch_reached(warp, reached, race::AccessKind::kRead, executing, addresses, kBytes);
  }
  Step step = Step::kNext;
  if (reached.written != nullptr && !access.partial &&
      !have_values(executing, reached, addresses, kBytes)) {
    step = follow_or_report<T, kCount>(operation, warp, executing, reached, addresses);
  }
  const auto to = registers_of<T, kCount>(operation, warp, 0);
  const uint64_t stride = reached.stride;
  if (reached.arrangement == Arrangement::kRow) {
    load_row<T, kCount>(to, pointer(reached.host()));
  } else if (reached.arrangement == Arrangement::kScattered) {
    const uint64_t delta = reached.delta;
    load_lanes<T, kCount>(to, executing, [&](size_t lane) {
      return pointer(addresses.at[lane] + delta + lane * stride);
    });
  } else if (stride == 0) {
    load_same<T, kCount>(to, executing, pointer(reached.host()));
  } else {
    const uint64_t first = reached.host();
    load_lanes<T, kCount>(to, executing,
                          [&](size_t lane) { return pointer(first + lane * stride); });
  }
  return step;
}

// The common case first: a whole warp, in a row or at one place.
template <class T, size_t kCount, Path kPath>
Step load_memory(const Operation& operation, Warp& warp, uint32_t executing) {
  constexpr uint32_t kBytes = sizeof(T) * kCount;
  if (executing == kAllLanes && warp.has_plain_memory) {
    const auto* const base = lanes<const BaseOf<kPath>>(warp, operation.operands[kCount]);
    const Shape shape = shape_of_warp<kBytes>(base);
    if (shape.is_row || shape.is_same) {
      const uint32_t extent = shape.is_row ? kWarpSize * kBytes : kBytes;
      if (const auto* const from = plain_load<kPath>(operation, warp, base[0], kBytes, extent)) {
        const auto to = registers_of<T, kCount>(operation, warp, 0);
        shape.is_row ? load_row<T, kCount>(to, from) : load_same<T, kCount>(to, executing, from);
        return Step::kNext;
      }
    }
  }
  return load_any<T, kCount>(operation, warp, executing);
}

// The common case of local memory: all lanes at the same place in their own.
template <class T, size_t kCount>
Step load_local(const Operation& operation, Warp& warp, uint32_t executing) {
  const auto* const base = operand<const uint64_t>(operation, warp, kCount);
  const std::byte* const from = same_local(operation, warp, executing, base, sizeof(T) * kCount);
  if (from == nullptr) return load_any<T, kCount>(operation, warp, executing);
  const size_t stride = warp.local_stride;
  load_lanes<T, kCount>(registers_of<T, kCount>(operation, warp, 0), executing,
                        [&](size_t lane) { return from + lane * stride; });
  return Step::kNext;
}

}  // namespace slipstream::emulator
