#include "emulator/instructions/memory_access.h"

#include <cstring>

#include "emulator/instructions/lanes.h"
#include "emulator/machine/cta.h"
#include "emulator/machine/grid_run.h"
#include "emulator/machine/overlay.h"
#include "emulator/machine/polls.h"
#include "emulator/machine/worker.h"

namespace slipstream::emulator {
namespace {

// Fills the addresses. Returns whether all are aligned and inside.
template <class Base>
bool fill_inside(const Base* base, uint32_t executing, uint32_t first, int64_t offset,
                 const Reached& reached, uint32_t bytes, Addresses& addresses) {
  const uint64_t last = reached.size - bytes;
  uint64_t outside = 0;  // its top bit
  uint64_t low_bits = 0;
  for (uint32_t lane = 0; lane < kWarpSize; lane += kLanesTogether<Base>) {
    const LaneVector<Base> at =
        bases_at(base, lane, executing, base[first]) + static_cast<Base>(offset);
    for (uint32_t i = 0; i < kLanesTogether<Base>; ++i) {
      const uint64_t address = at[i];
      addresses.at[lane + i] = address;
      const uint64_t inside = address - reached.begin;
      outside |= inside | (last - inside);
      low_bits |= address;
    }
  }
  return (outside >> 63U) == 0 && (low_bits & (bytes - 1)) == 0;
}

// Global memory has no view where a grid's writes are kept apart: machine/access.h sees each access.
void view_memory(Reached& reached, Warp& warp, const Operation& operation, uint64_t address,
                 bool is_load) {
  Cta& cta = *warp.cta;
  Cluster& cluster = *cta.cluster;
  switch (reached.space) {
    case AddressSpace::kGlobal: {
      const MemoryRange& range = cluster.worker->range_of(&operation, address);
      const Overlay* const overlay = cluster.grid->overlay.get();
      if (overlay != nullptr && (!is_load || overlay->touches(range.begin, range.size))) return;
      reached.begin = range.begin;
      reached.size = range.size;
      reached.written = range.written;
      break;
    }
    case AddressSpace::kShared:
      reached.begin = kSharedBase;
      reached.size = cta.shared_bytes;
      reached.delta = reinterpret_cast<uint64_t>(cta.shared) - kSharedBase;
      reached.written = cta.shared_written;
      reached.touched = &cta.shared_touched;
      reached.chunk_shift = kSharedChunkShift;
      break;
    case AddressSpace::kLocal:
      reached.size = warp.local_stride;
      reached.delta = reinterpret_cast<uint64_t>(warp.local);
      reached.stride = warp.local_stride;
      reached.touched = &warp.local_touched;
      reached.chunk_shift = kLocalChunkShift;
      break;
    case AddressSpace::kParameter: {
      const auto& parameters = cluster.grid->launch.parameters;
      reached.size = is_load ? parameters.size() : 0;
      reached.delta = reinterpret_cast<uint64_t>(parameters.data());
      break;
    }
    default:
      break;
  }
  reached.begin += reached.window;
  reached.delta -= reached.window;
}

template <class Base>
Reached reach_from(const Base* base, const Operation& operation, Warp& warp, uint32_t executing,
                   const Access& access, uint32_t bytes, bool is_load, Addresses& addresses) {
  const auto first = static_cast<uint32_t>(__builtin_ctz(executing));
  Reached reached;
  reached.space = access.space;
  reached.first = static_cast<Base>(base[first] + static_cast<uint64_t>(access.offset));
  uint64_t address = reached.first;
  if (access.space == AddressSpace::kGeneric) {
    const SpaceAddress resolved = resolve_generic(address);
    reached.space = resolved.space;
    reached.window = address - resolved.address;
    address = resolved.address;
  }
  view_memory(reached, warp, operation, address, is_load);
  if (reached.size < bytes) return reached;
  const Shape shape = shape_of(base, executing, first, bytes);
  const uint64_t extent = shape.is_row ? uint64_t{kWarpSize} * bytes : bytes;
  const uint64_t inside = reached.first - reached.begin;
  if (shape.is_same || (shape.is_row && reached.stride == 0)) {
    if (inside < reached.size && reached.size - inside >= extent &&
        (reached.first & (bytes - 1)) == 0) {
      reached.arrangement = shape.is_row ? Arrangement::kRow : Arrangement::kStride;
    }
  } else if (fill_inside(base, executing, first, access.offset, reached, bytes, addresses)) {
    reached.arrangement = Arrangement::kScattered;
  }
  return reached;
}

void compute_addresses(const Access& access, Warp& warp, uint32_t base, Addresses& addresses) {
  const auto offset = static_cast<uint64_t>(access.offset);
  for (uint32_t lane = 0; lane < kWarpSize; ++lane) {
    addresses.at[lane] = access.wide_base
                             ? lanes<uint64_t>(warp, base)[lane] + offset
                             : static_cast<uint32_t>(lanes<uint32_t>(warp, base)[lane] + offset);
  }
}

uint8_t* flags_of(const Reached& reached, uint64_t address) {
  return reached.written + (address - reached.begin);
}

// The same of each lane, as many bytes as the type has, some after the first.
template <class Flags>
constexpr Flags kAllWritten = static_cast<Flags>(0x0101010101010101ULL);
template <class Flags>
bool lanes_written(uint32_t executing, const Reached& reached, const Addresses& addresses,
                   uint32_t after) {
  Flags all = kAllWritten<Flags>;
  for_each_lane(executing, [&](uint32_t lane) {
    Flags flags = 0;
    std::memcpy(&flags, flags_of(reached, addresses.at[lane] + after), sizeof(flags));
    all &= flags;
  });
  return all == kAllWritten<Flags>;
}
template <class Flags>
void mark_lanes(uint32_t executing, const Reached& reached, const Addresses& addresses,
                uint32_t after) {
  for_each_lane(executing, [&](uint32_t lane) {
    std::memcpy(flags_of(reached, addresses.at[lane] + after), &kAllWritten<Flags>, sizeof(Flags));
  });
}

// Calls function.template operator()<Flags>(after) for parts that make up so many bytes, a power of two.
template <class Function>
void for_parts(uint32_t bytes, Function function) {
  switch (bytes) {
    case 1:
      return function.template operator()<uint8_t>(0);
    case 2:
      return function.template operator()<uint16_t>(0);
    case 4:
      return function.template operator()<uint32_t>(0);
    default:
      for (uint32_t after = 0; after < bytes; after += 8) {
        function.template operator()<uint64_t>(after);
      }
  }
}

}  // namespace

int64_t encode(const Access& access) {
  const int64_t flags =
      static_cast<int64_t>(access.space) | (access.wide_base ? 8 : 0) | (access.ordered ? 16 : 0) |
      (access.releases ? 32 : 0) | (access.partial ? 64 : 0) | (access.acquires ? 128 : 0) |
      (access.word ? 256 : 0) | (access.system ? 512 : 0) | (access.strong ? 1024 : 0);
  return (access.offset << kFlagBits) | flags;
}

Reached reach(const Operation& operation, Warp& warp, uint32_t executing, const Access& access,
              uint32_t base, uint32_t bytes, bool is_load, Addresses& addresses) {
  return access.wide_base ? reach_from(lanes<uint64_t>(warp, base), operation, warp, executing,
                                       access, bytes, is_load, addresses)
                          : reach_from(lanes<uint32_t>(warp, base), operation, warp, executing,
                                       access, bytes, is_load, addresses);
}

AddressSpace find_space(Warp& warp, uint32_t executing, const Access& access, uint32_t base,
                        Addresses& addresses) {
  compute_addresses(access, warp, base, addresses);
  if (access.space != AddressSpace::kGeneric) return access.space;
  const auto first = static_cast<uint32_t>(__builtin_ctz(executing));
  const AddressSpace space = resolve_generic(addresses.at[first]).space;
  bool same = true;
  for_each_lane(executing, [&](uint32_t lane) {
    same = same && resolve_generic(addresses.at[lane]).space == space;
  });
  if (!same) return AddressSpace::kGeneric;
  for_each_lane(executing, [&](uint32_t lane) {
    addresses.at[lane] = resolve_generic(addresses.at[lane]).address;
  });
  return space;
}

bool have_values(uint32_t executing, const Reached& reached, const Addresses& addresses,
                 uint32_t bytes) {
  if (reached.written == nullptr) return true;
  if (reached.arrangement != Arrangement::kScattered) {
    const size_t extent =
        reached.arrangement == Arrangement::kRow ? size_t{kWarpSize} * bytes : bytes;
    return all_written(flags_of(reached, reached.first), extent);
  }
  bool all = true;
  for_parts(bytes, [&]<class Flags>(uint32_t after) {
    all = lanes_written<Flags>(executing, reached, addresses, after) && all;
  });
  return all;
}

uint32_t lanes_without_values(uint32_t executing, const Reached& reached,
                              const Addresses& addresses, uint32_t access_bytes, uint32_t after,
                              uint32_t bytes) {
  uint32_t lanes = 0;
  for_each_lane(executing, [&](uint32_t lane) {
    const uint64_t address = reached.address(lane, addresses, access_bytes) + after;
    lanes |= all_written(flags_of(reached, address), bytes) ? 0 : 1U << lane;
  });
  return lanes;
}

void report_unwritten(Warp& warp, uint32_t executing, const Reached& reached,
                      const Addresses& addresses, uint32_t bytes) {
  for_each_lane(lanes_without_values(executing, reached, addresses, bytes, 0, bytes),
                [&](uint32_t lane) {
                  const uint64_t address = reached.address(lane, addresses, bytes) - reached.window;
                  found_unwritten(warp, lane, reached.space, address, bytes);
                });
}

std::shared_ptr<const UnwrittenRead> unwritten_read(const Warp& warp, uint32_t executing,
                                                    const Reached& reached,
                                                    const Addresses& addresses, uint32_t bytes) {
  auto read = std::make_shared<UnwrittenRead>();
  read->pc = warp.pc;
  read->space = reached.space;
  read->bytes = bytes;
  for_each_lane(executing, [&](uint32_t lane) {
    read->addresses[lane] = reached.address(lane, addresses, bytes) - reached.window;
  });
  return read;
}

void mark_written(uint32_t executing, const Reached& reached, const Addresses& addresses,
                  uint32_t bytes) {
  // No access crosses into another chunk: all are aligned.
  const auto chunk_of = [&](uint64_t address) {
    return uint64_t{1} << ((address - reached.begin) >> reached.chunk_shift & 63U);
  };
  if (reached.arrangement != Arrangement::kScattered) {
    const size_t extent =
        reached.arrangement == Arrangement::kRow ? size_t{kWarpSize} * bytes : bytes;
    if (reached.touched != nullptr) {
      *reached.touched |= chunk_of(reached.first) | chunk_of(reached.first + extent - 1);
    }
    if (reached.written != nullptr) {
      std::memset(flags_of(reached, reached.first), 1, extent);
    }
    return;
  }
  if (reached.touched != nullptr) {
    uint64_t chunks = 0;
    for (const uint64_t address : addresses.at) chunks |= chunk_of(address);
    *reached.touched |= chunks;
  }
  if (reached.written == nullptr) return;
  for_parts(bytes, [&]<class Flags>(uint32_t after) {
    mark_lanes<Flags>(executing, reached, addresses, after);
  });
}

bool watch(Warp& warp, const Access& access, AddressSpace space, race::AccessKind kind) {
  if (order_of(warp) == nullptr || !(may_be_global(space) || space == AddressSpace::kShared)) {
    return false;
  }
  watch_operation(warp, {.kind = kind,
                         .strong = space == AddressSpace::kShared ? access.strong : access.ordered,
                         .system = access.system,
                         .acquires = access.acquires,
                         .releases = access.releases});
  return true;
}

void watch_reached(Warp& warp, const Reached& reached, race::AccessKind kind, uint32_t executing,
                   const Addresses& addresses, uint32_t bytes) {
  if (reached.arrangement == Arrangement::kRow && reached.space == AddressSpace::kGlobal) {
    watch_row(warp, reached.first, bytes);
    return;
  }
  Addresses in_space;
  for (uint32_t lane = 0; lane < kWarpSize; ++lane) {
    in_space.at[lane] = reached.address(lane, addresses, bytes) - reached.window;
  }
  if (reached.space == AddressSpace::kShared) {
    watch_shared_lanes(warp, executing, in_space.at.data(), bytes, kind);
  } else {
    watch_lanes(warp, executing, in_space.at.data(), bytes);
  }
}

}  // namespace slipstream::emulator
