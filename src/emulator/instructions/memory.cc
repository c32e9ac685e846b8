// Loads and stores.
//
// The addresses of a warp are checked all at once against the one allocation (or the shared memory)
// that they nearly always fall into. Other accesses go lane by lane through machine/access.h, which
// also raises the faults.
#include <algorithm>
#include <array>
#include <cstring>
#include <type_traits>

#include "emulator/decoder/function_decoder.h"
#include "emulator/instructions/families.h"
#include "emulator/instructions/lanes.h"
#include "emulator/machine/access.h"
#include "emulator/machine/grid_run.h"
#include "emulator/machine/overlay.h"
#include "emulator/machine/polls.h"
#include "emulator/machine/watch.h"
#include "emulator/machine/worker.h"

namespace slipstream::emulator {
namespace {

// What an access needs to know besides its operands, packed below the address offset.
struct Access {
  AddressSpace space = AddressSpace::kGeneric;
  bool wide_base = true;  // the base has 64-bit lanes
  bool ordered = false;   // other CTAs may synchronize through it: in turn only
  bool releases = false;
  bool acquires = false;
  bool partial = false;  // nvcc says that not all loaded bytes are used
  bool word = false;     // strong, of 32 bits: may be made for an atomic of less
  bool system = false;   // at system scope
  bool strong = false;   // at whichever scope
  int64_t offset = 0;
};

constexpr int kFlagBits = 11;

int64_t encode(const Access& access) {
  const int64_t flags =
      static_cast<int64_t>(access.space) | (access.wide_base ? 8 : 0) | (access.ordered ? 16 : 0) |
      (access.releases ? 32 : 0) | (access.partial ? 64 : 0) | (access.acquires ? 128 : 0) |
      (access.word ? 256 : 0) | (access.system ? 512 : 0) | (access.strong ? 1024 : 0);
  return (access.offset << kFlagBits) | flags;
}
Access decode(int64_t immediate) {
  return {static_cast<AddressSpace>(immediate & 7),
          (immediate & 8) != 0,
          (immediate & 16) != 0,
          (immediate & 32) != 0,
          (immediate & 128) != 0,
          (immediate & 64) != 0,
          (immediate & 256) != 0,
          (immediate & 512) != 0,
          (immediate & 1024) != 0,
          immediate >> kFlagBits};
}

struct Addresses {
  alignas(64) std::array<uint64_t, kWarpSize> at;
};

void compute_addresses(const Access& access, Warp& warp, uint32_t base, Addresses& addresses) {
  if (access.wide_base) {
    const auto* const from = lanes<uint64_t>(warp, base);
    for (uint32_t lane = 0; lane < kWarpSize; ++lane) {
      addresses.at[lane] = from[lane] + static_cast<uint64_t>(access.offset);
    }
  } else {
    const auto* const from = lanes<uint32_t>(warp, base);
    for (uint32_t lane = 0; lane < kWarpSize; ++lane) {
      addresses.at[lane] = static_cast<uint32_t>(from[lane] + access.offset);
    }
  }
}

// Memory that a whole warp can access without asking for each lane: the byte at address `begin` is
// at host address `begin + delta` (+ lane * lane_stride).
struct View {
  uint64_t begin = 0;
  uint64_t size = 0;
  uint64_t delta = 0;
  uint64_t lane_stride = 0;
  uint8_t* written = nullptr;   // by offset from begin; null: all bytes have values
  uint64_t* touched = nullptr;  // chunks that are written to, a bit for each; null: nobody asks
};

// Global memory has no view where a grid's writes are kept apart: machine/access.h sees each
// access.
View view_of(AddressSpace space, Warp& warp, const Operation& operation, uint64_t address,
             bool is_load) {
  Cta& cta = *warp.cta;
  Cluster& cluster = *cta.cluster;
  switch (space) {
    case AddressSpace::kGlobal: {
      const MemoryRange& range = cluster.worker->range_of(&operation, address);
      const Overlay* const overlay = cluster.grid->overlay.get();
      if (overlay != nullptr && (!is_load || overlay->touches(range.begin, range.size))) return {};
      return {range.begin, range.size, 0, 0, range.written, nullptr};
    }
    case AddressSpace::kShared:
      return {kSharedBase, cta.shared_bytes,   reinterpret_cast<uint64_t>(cta.shared) - kSharedBase,
              0,           cta.shared_written, &cta.shared_touched};
    case AddressSpace::kLocal:
      return {
          0,       warp.local_stride,  reinterpret_cast<uint64_t>(warp.local), warp.local_stride,
          nullptr, &warp.local_touched};
    case AddressSpace::kParameter: {
      const auto& parameters = cluster.grid->launch.parameters;
      return {0, parameters.size(), reinterpret_cast<uint64_t>(parameters.data()),
              0, nullptr,           nullptr};
    }
    default:
      return {};
  }
}

// The space that the access is to. Generic addresses of one space become addresses in it; where
// lanes differ they stay generic.
AddressSpace resolve_space(const Access& access, uint32_t executing, Addresses& addresses) {
  if (access.space != AddressSpace::kGeneric) return access.space;
  const auto first = static_cast<uint32_t>(__builtin_ctz(executing));
  const AddressSpace space = resolve_generic(addresses.at[first]).space;
  bool same = true;
  for_each_lane(executing, [&](uint32_t lane) {
    same = same && resolve_generic(addresses.at[lane]).space == space;
  });
  if (!same) return AddressSpace::kGeneric;
  if (space != AddressSpace::kGlobal) {
    for_each_lane(executing, [&](uint32_t lane) {
      addresses.at[lane] = resolve_generic(addresses.at[lane]).address;
    });
  }
  return space;
}

// CTAs of different clusters notice each other only through global memory.
bool may_be_global(AddressSpace space) {
  return space == AddressSpace::kGlobal || space == AddressSpace::kGeneric;
}

// Whether all executing lanes are inside the view and aligned.
bool all_inside(const View& view, uint32_t executing, const Addresses& addresses, uint32_t bytes) {
  if (view.size < bytes) return false;
  const uint64_t last = view.size - bytes;
  uint64_t outside = 0;  // its top bit
  uint64_t low_bits = 0;
  if (executing == kAllLanes) {
    for (uint32_t lane = 0; lane < kWarpSize; ++lane) {
      const uint64_t offset = addresses.at[lane] - view.begin;
      outside |= offset | (last - offset);
      low_bits |= addresses.at[lane];
    }
  } else {
    for_each_lane(executing, [&](uint32_t lane) {
      const uint64_t offset = addresses.at[lane] - view.begin;
      outside |= offset | (last - offset);
      low_bits |= addresses.at[lane];
    });
  }
  return (outside >> 63U) == 0 && (low_bits & (bytes - 1)) == 0;
}

// Lane 1 follows lane 0, and so on, without a gap.
bool are_consecutive(const Addresses& addresses, uint32_t bytes) {
  uint64_t difference = 0;
  for (uint32_t lane = 0; lane < kWarpSize; ++lane) {
    difference |= addresses.at[lane] ^ (addresses.at[0] + uint64_t{lane} * bytes);
  }
  return difference == 0;
}

// Bytes travel in 16-bit registers.
template <class T>
using Lane = std::conditional_t<sizeof(T) == 1,
                                std::conditional_t<std::is_signed_v<T>, int16_t, uint16_t>, T>;

template <class T>
T read_element(uint64_t host) {
  T value;
  std::memcpy(&value, reinterpret_cast<const void*>(host), sizeof(T));
  return value;
}

bool all_written(const uint8_t* flags, size_t bytes) {
  uint64_t all = 0x0101010101010101ULL;
  size_t i = 0;
  for (; i + sizeof(all) <= bytes; i += sizeof(all)) {
    uint64_t word = 0;
    std::memcpy(&word, flags + i, sizeof(word));
    all &= word;
  }
  bool rest = true;
  for (; i < bytes; ++i) rest = rest && flags[i] != 0;
  return rest && all == 0x0101010101010101ULL;
}

// --- Load: operands d0 .. d(V-1), base.

template <class T, size_t kCount>
void load_lane_by_lane(const Operation& operation, Warp& warp, uint32_t executing,
                       AddressSpace space, const Addresses& addresses, Reach reach) {
  constexpr uint32_t kBytes = sizeof(T) * kCount;
  for_each_lane(executing, [&](uint32_t lane) {
    std::array<T, kCount> values;
    load(warp, lane, space, addresses.at[lane], values.data(), kBytes, kBytes, Watched::kNotYet,
         reach);
    for (size_t i = 0; i < kCount; ++i) {
      operand<Lane<T>>(operation, warp, i)[lane] = static_cast<Lane<T>>(values[i]);
    }
  });
}

template <class T, size_t kCount>
void load_consecutive(const Operation& operation, Warp& warp, uint64_t host) {
  if constexpr (kCount == 1 && sizeof(T) > 1) {
    std::memcpy(operand<T>(operation, warp, 0), reinterpret_cast<const void*>(host),
                kWarpSize * sizeof(T));
  } else {
    const auto* const from = reinterpret_cast<const T*>(host);
    for (size_t i = 0; i < kCount; ++i) {
      auto* const to = operand<Lane<T>>(operation, warp, i);
#pragma GCC ivdep
      for (size_t lane = 0; lane < kWarpSize; ++lane) {
        to[lane] = static_cast<Lane<T>>(from[lane * kCount + i]);
      }
    }
  }
}

// Reports lanes that read bytes without a value; of a word that atomics of less are made of, if none has one.
void check_written(Warp& warp, const Access& access, uint32_t executing, const View& view,
                   const Addresses& addresses, uint32_t bytes, AddressSpace space) {
  for_each_lane(executing, [&](uint32_t lane) {
    const uint64_t address = addresses.at[lane];
    const uint8_t* const flags = view.written + (address - view.begin);
    const bool has_value =
        access.word ? std::any_of(flags, flags + bytes, [](uint8_t flag) { return flag != 0; })
                    : all_written(flags, bytes);
    if (!has_value) {
      found_unwritten(warp, lane, space, address, bytes);
    }
  });
}

// A spinning load yields after ordered accesses have cost this much.
constexpr uint64_t kSpinCost = 16384;

Step after_ordered_load(Warp& warp) {
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

// Tells the race check what kind of accesses follow. Returns whether they have to be reported.
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

// Reports the accesses of lanes that are all inside one allocation.
void watch_lanes(Warp& warp, const Access& access, AddressSpace space, race::AccessKind kind,
                 uint32_t executing, const Addresses& addresses, uint32_t bytes, bool consecutive) {
  if (space == AddressSpace::kShared) {
    watch_shared_lanes(warp, executing, addresses.at.data(), bytes, kind);
  } else if (consecutive && !access.ordered) {
    watch_row(warp, addresses.at[0], bytes);
  } else {
    watch_lanes(warp, executing, addresses.at.data(), bytes);
  }
}

void end_watch(Warp& warp, AddressSpace space) {
  space == AddressSpace::kShared ? watch_shared_end(warp) : watch_end(warp);
}

template <class T, size_t kCount>
Step load(const Operation& operation, Warp& warp, uint32_t executing) {
  constexpr uint32_t kBytes = sizeof(T) * kCount;
  const Access access = decode(operation.immediate);
  Addresses addresses;
  compute_addresses(access, warp, operation.operands[kCount], addresses);
  const AddressSpace space = resolve_space(access, executing, addresses);
  const bool ordered = access.ordered && may_be_global(space);
  if (ordered) wait_for_turn(warp);
  if (space == AddressSpace::kGlobal && keeps_writes_apart(warp)) {
    for_each_lane(executing, [&](uint32_t lane) {
      before_read(warp, addresses.at[lane], kBytes, ordered ? Ordering::kStrong : Ordering::kWeak);
    });
  }
  const auto first = static_cast<uint32_t>(__builtin_ctz(executing));
  const View view = view_of(space, warp, operation, addresses.at[first], true);
  const bool is_watched = watch(warp, access, space, race::AccessKind::kRead);
  if (!all_inside(view, executing, addresses, kBytes)) {
    load_lane_by_lane<T, kCount>(operation, warp, executing, space, addresses,
                                 access.word ? Reach::kWord : Reach::kAll);
    return ordered ? after_strong_load<T, kCount>(operation, warp, executing, space, addresses)
                   : Step::kNext;
  }
  const bool consecutive =
      executing == kAllLanes && view.lane_stride == 0 && are_consecutive(addresses, kBytes);
  if (is_watched) {
    watch_lanes(warp, access, space, race::AccessKind::kRead, executing, addresses, kBytes,
                consecutive);
  }
  // Of all lanes lane 0 has an address only where it executes, as it does in a consecutive access.
  if (view.written != nullptr && !access.partial &&
      (!consecutive ||
       !all_written(view.written + (addresses.at[0] - view.begin), kWarpSize * kBytes))) {
    check_written(warp, access, executing, view, addresses, kBytes, space);
  }
  if (consecutive) {
    load_consecutive<T, kCount>(operation, warp, addresses.at[0] + view.delta);
  } else {
    for_each_lane(executing, [&](uint32_t lane) {
      const uint64_t host = addresses.at[lane] + view.delta + lane * view.lane_stride;
      for (size_t i = 0; i < kCount; ++i) {
        operand<Lane<T>>(operation, warp, i)[lane] =
            static_cast<Lane<T>>(read_element<T>(host + i * sizeof(T)));
      }
    });
  }
  return ordered ? after_strong_load<T, kCount>(operation, warp, executing, space, addresses)
                 : Step::kNext;
}

// --- Store: operands base, s0 .. s(V-1).

// No access crosses into another chunk: all are aligned.
void touch(const View& view, uint32_t executing, const Addresses& addresses, bool consecutive) {
  const auto chunk_of = [&](uint32_t lane) {
    return uint64_t{1} << ((addresses.at[lane] - view.begin) >> kSharedChunkShift & 63U);
  };
  if (consecutive) {
    *view.touched |= chunk_of(0) | chunk_of(kWarpSize - 1);
  } else {
    for_each_lane(executing, [&](uint32_t lane) { *view.touched |= chunk_of(lane); });
  }
}

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

template <class T, size_t kCount>
Step store(const Operation& operation, Warp& warp, uint32_t executing) {
  constexpr uint32_t kBytes = sizeof(T) * kCount;
  const Access access = decode(operation.immediate);
  Addresses addresses;
  compute_addresses(access, warp, operation.operands[0], addresses);
  const AddressSpace space = resolve_space(access, executing, addresses);
  if (access.ordered && may_be_global(space)) wait_for_turn(warp);
  if (may_be_global(space)) note_progress(warp);
  if (access.ordered && access.releases) publish(warp);
  const auto first = static_cast<uint32_t>(__builtin_ctz(executing));
  const View view = view_of(space, warp, operation, addresses.at[first], false);
  const bool is_watched = watch(warp, access, space, race::AccessKind::kWrite);
  if (space == AddressSpace::kParameter || !all_inside(view, executing, addresses, kBytes)) {
    store_lane_by_lane<T, kCount>(operation, warp, executing, space, addresses,
                                  access.ordered ? Ordering::kStrong : Ordering::kWeak);
    return Step::kNext;
  }
  const bool consecutive =
      executing == kAllLanes && view.lane_stride == 0 && are_consecutive(addresses, kBytes);
  if (is_watched) {
    watch_lanes(warp, access, space, race::AccessKind::kWrite, executing, addresses, kBytes,
                consecutive);
  }
  if (view.touched != nullptr) touch(view, executing, addresses, consecutive);
  if (consecutive) {
    auto* const to = reinterpret_cast<T*>(addresses.at[0] + view.delta);
    for (size_t i = 0; i < kCount; ++i) {
      const auto* const from = operand<Lane<T>>(operation, warp, 1 + i);
#pragma GCC ivdep
      for (size_t lane = 0; lane < kWarpSize; ++lane) {
        to[lane * kCount + i] = static_cast<T>(from[lane]);
      }
    }
    if (view.written != nullptr) {
      std::memset(view.written + (addresses.at[0] - view.begin), 1, kWarpSize * kBytes);
    }
    if (is_watched) end_watch(warp, space);
    return Step::kNext;
  }
  for_each_lane(executing, [&](uint32_t lane) {
    const uint64_t host = addresses.at[lane] + view.delta + lane * view.lane_stride;
    for (size_t i = 0; i < kCount; ++i) {
      const T value = static_cast<T>(operand<Lane<T>>(operation, warp, 1 + i)[lane]);
      std::memcpy(reinterpret_cast<void*>(host + i * sizeof(T)), &value, sizeof(T));
    }
    if (view.written != nullptr) {
      std::memset(view.written + (addresses.at[lane] - view.begin), 1, kBytes);
    }
  });
  if (is_watched) end_watch(warp, space);
  return Step::kNext;
}

// --- Parameters of device functions and calls.

// They are a block of bytes for each lane, in the register file. Operands: the values. immediate: where the block is, its size for each lane, the offset in it.

int64_t encode_block(const ParameterBlock& block, int64_t offset) {
  return static_cast<int64_t>(block.offset) | (static_cast<int64_t>(block.bytes) << 24) |
         (offset << 44);
}
std::byte* block_lane(const Operation& operation, Warp& warp, uint32_t lane) {
  const auto immediate = static_cast<uint64_t>(operation.immediate);
  const uint64_t block = immediate & 0xffffffU;
  const uint64_t bytes = (immediate >> 24U) & 0xfffffU;
  const uint64_t offset = immediate >> 44U;
  return warp.registers + block + lane * bytes + offset;
}

template <class T, size_t kCount>
Step load_parameter(const Operation& operation, Warp& warp, uint32_t executing) {
  for_each_lane(executing, [&](uint32_t lane) {
    const auto host = reinterpret_cast<uint64_t>(block_lane(operation, warp, lane));
    for (size_t i = 0; i < kCount; ++i) {
      operand<Lane<T>>(operation, warp, i)[lane] =
          static_cast<Lane<T>>(read_element<T>(host + i * sizeof(T)));
    }
  });
  return Step::kNext;
}
template <class T, size_t kCount>
Step store_parameter(const Operation& operation, Warp& warp, uint32_t executing) {
  for_each_lane(executing, [&](uint32_t lane) {
    std::byte* const host = block_lane(operation, warp, lane);
    for (size_t i = 0; i < kCount; ++i) {
      const T value = static_cast<T>(operand<Lane<T>>(operation, warp, i)[lane]);
      std::memcpy(host + i * sizeof(T), &value, sizeof(T));
    }
  });
  return Step::kNext;
}

// --- Building.

AddressSpace space_of(const Builder& builder) {
  const auto has = [&](std::initializer_list<std::string_view> names) {
    return std::any_of(names.begin(), names.end(),
                       [&](std::string_view name) { return builder.has(name); });
  };
  if (has({".global", ".const"})) {
    return AddressSpace::kGlobal;
  }
  if (has({".shared", ".shared::cta", ".shared::cluster"})) {
    return AddressSpace::kShared;
  }
  if (has({".local"})) {
    return AddressSpace::kLocal;
  }
  return has({".param", ".param::entry", ".param::func"}) ? AddressSpace::kParameter
                                                          : AddressSpace::kGeneric;
}

bool is_ordered(const Builder& builder, AddressSpace space) {
  const bool strong =
      builder.has(".volatile") || builder.has(".mmio") ||
      ((builder.has(".relaxed") || builder.has(".acquire") || builder.has(".release")) &&
       (builder.has(".gpu") || builder.has(".sys")));
  return strong && (space == AddressSpace::kGlobal || space == AddressSpace::kGeneric);
}

std::optional<ParameterBlock> block_of(Builder& builder, const ptx::Operand& address) {
  if (address.kind != ptx::OperandKind::kAddress || address.base != ptx::AddressBase::kVariable ||
      address.variable->space != ptx::Space::kParam) {
    return std::nullopt;
  }
  return builder.decoder().parameter_block(*address.variable);
}

// nvcc marks wide loads of which it uses only some bytes.
bool is_partial(Builder& builder) {
  const ptx::Function& function = builder.decoder().function();
  const auto index = static_cast<uint32_t>(&builder.instruction() - function.instructions.data());
  return std::any_of(function.pragmas.begin(), function.pragmas.end(), [&](const ptx::Pragma& p) {
    return p.instruction == index && p.text.find("used_bytes_mask") != std::string_view::npos;
  });
}

// The registers of a vector operand, or the one that it is.
std::span<const ptx::Operand> elements(Builder& builder, const ptx::Operand& operand) {
  return operand.kind == ptx::OperandKind::kVector ? builder.children(operand)
                                                   : std::span(&operand, 1);
}

template <class T, size_t kCount>
void build_access(Builder& builder, bool is_load, ptx::Type type) {
  const size_t address_index = is_load ? 1 : 0;
  const size_t value_index = is_load ? 0 : 1;
  const auto values = elements(builder, builder.operand(value_index));
  if (values.size() != kCount) {
    builder.reject("the number of registers does not fit .v2, .v4 or .v8");
  }
  const auto add_values = [&] {
    for (const ptx::Operand& value : values) {
      is_load ? builder.write(value, type) : builder.read(value, type);
    }
  };
  const ptx::Operand& address = builder.operand(address_index);
  if (const auto block = block_of(builder, address)) {
    add_values();
    builder.set_immediate(encode_block(*block, address.value));
    builder.set_handler(is_load ? &load_parameter<T, kCount> : &store_parameter<T, kCount>);
    return;
  }
  Access access;
  access.space = space_of(builder);
  access.ordered = is_ordered(builder, access.space);
  access.system =
      builder.has(".volatile") || builder.has(".mmio") || (access.ordered && builder.has(".sys"));
  access.strong = access.system || builder.has(".relaxed") || builder.has(".acquire") ||
                  builder.has(".release");
  access.releases = builder.has(".release");
  access.acquires = builder.has(".acquire");
  access.partial = is_load && is_partial(builder);
  access.word = is_load && kCount == 1 && sizeof(T) == sizeof(uint32_t) &&
                (builder.has(".relaxed") || builder.has(".acquire"));
  if (is_load) {
    add_values();
    access.wide_base = builder.read_raw_address(address_index) == 8;
  } else {
    access.wide_base = builder.read_raw_address(address_index) == 8;
    add_values();
  }
  access.offset = builder.immediate();
  builder.set_immediate(encode(access));
  builder.set_handler(is_load ? &load<T, kCount> : &store<T, kCount>);
}

template <size_t kCount>
void build_with_type(Builder& builder, bool is_load, std::string_view type) {
  const ptx::Type ptx_type = ptx::type_from_name(type.substr(1));
  if (type == ".s8") {
    build_access<int8_t, kCount>(builder, is_load, ptx_type);
    return;
  }
  switch (ptx::size_of(ptx_type)) {
    case 1:
      return build_access<uint8_t, kCount>(builder, is_load, ptx_type);
    case 2:
      return build_access<uint16_t, kCount>(builder, is_load, ptx_type);
    case 4:
      return build_access<uint32_t, kCount>(builder, is_load, ptx_type);
    case 8:
      if constexpr (kCount <= 4) return build_access<uint64_t, kCount>(builder, is_load, ptx_type);
      break;
    case 16:
      if constexpr (kCount == 1) return build_access<Bits128, kCount>(builder, is_load, ptx_type);
      break;
    default:
      break;
  }
  builder.reject("no such combination of vector and type");
}

// The last slot of the pattern is the type, the one before it the vector.
void build_memory(Builder& builder, bool is_load) {
  // A third operand is a cache policy, which means nothing here.
  builder.expect_operands(2, 3);
  const std::string_view type = builder.last_slot();
  if (builder.has(".v2")) {
    build_with_type<2>(builder, is_load, type);
  } else if (builder.has(".v4")) {
    build_with_type<4>(builder, is_load, type);
  } else {
    build_with_type<1>(builder, is_load, type);
  }
}
void build_load(Builder& builder) { build_memory(builder, true); }
void build_store(Builder& builder) { build_memory(builder, false); }

constexpr auto kMemoryForms = std::to_array<Form>({
    {"ld [.weak|.volatile|.relaxed|.acquire] [.mmio] [.cta|.cluster|.gpu|.sys] "
     "[.const|.global|.local|.param|.param::entry|.param::func|.shared|.shared::cta|"
     ".shared::cluster] [.nc] [.ca|.cg|.cs|.lu|.cv] "
     "[.L1::evict_normal|.L1::evict_unchanged|.L1::evict_first|.L1::evict_last|.L1::no_allocate] "
     "[.L2::evict_normal|.L2::evict_first|.L2::evict_last] [.L2::cache_hint] "
     "[.L2::64B|.L2::128B|.L2::256B] [.v2|.v4] "
     "(.b8|.b16|.b32|.b64|.b128|.u8|.u16|.u32|.u64|.s8|.s16|.s32|.s64|.f32|.f64)",
     &build_load, "cache hints have no effect; .nc reads what any load would"},
    {"ldu [.global] [.v2|.v4] (.b8|.b16|.b32|.b64|.u8|.u16|.u32|.u64|.s8|.s16|.s32|.s64|.f32|.f64)",
     &build_load},
    {"st [.weak|.volatile|.relaxed|.release] [.mmio] [.cta|.cluster|.gpu|.sys] "
     "[.global|.local|.param|.param::func|.shared|.shared::cta|.shared::cluster] "
     "[.wb|.cg|.cs|.wt] "
     "[.L1::evict_normal|.L1::evict_unchanged|.L1::evict_first|.L1::evict_last|.L1::no_allocate] "
     "[.L2::cache_hint] [.v2|.v4] "
     "(.b8|.b16|.b32|.b64|.b128|.u8|.u16|.u32|.u64|.s8|.s16|.s32|.s64|.f32|.f64)",
     &build_store, "cache hints have no effect"},
});

}  // namespace

Family memory_family() { return {"Loads and stores", "memory.cc", kMemoryForms}; }

}  // namespace slipstream::emulator
