// Loads and stores.
//
// Where all lanes reach memory of one view (memory_access.h), bytes are moved for the whole warp. Other accesses go lane
// by lane through machine/access.h, which also raises the faults.
#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <type_traits>

#include "emulator/decoder/function_decoder.h"
#include "emulator/instructions/families.h"
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
namespace {

std::byte* pointer(uint64_t host) { return reinterpret_cast<std::byte*>(host); }

// --- Load: operands d0 .. d(V-1), base.

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
  const Access access = decode(operation.immediate);
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
Step load(const Operation& operation, Warp& warp, uint32_t executing) {
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

// --- Store: operands base, s0 .. s(V-1).

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
  const Access access = decode(operation.immediate);
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
  const Access access = decode(operation.immediate);
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
Step store(const Operation& operation, Warp& warp, uint32_t executing) {
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
    const std::byte* const host = block_lane(operation, warp, lane);
    for (size_t i = 0; i < kCount; ++i) {
      operand<Lane<T>>(operation, warp, i)[lane] = read_element<T>(host + i * sizeof(T));
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
Handler load_handler(const Access& access) {
  const auto path = path_of(access);
  if (path == Path::kGlobal) return &load<T, kCount, Path::kGlobal>;
  if (path == Path::kGeneric) return &load<T, kCount, Path::kGeneric>;
  if (path == Path::kLocal) return &load_local<T, kCount>;
  return path == Path::kShared ? &load<T, kCount, Path::kShared> : &load_any<T, kCount>;
}
template <class T, size_t kCount>
Handler store_handler(const Access& access) {
  const auto path = path_of(access);
  if (path == Path::kGlobal) return &store<T, kCount, Path::kGlobal>;
  if (path == Path::kGeneric) return &store<T, kCount, Path::kGeneric>;
  if (path == Path::kLocal) return &store_local<T, kCount>;
  return path == Path::kShared ? &store<T, kCount, Path::kShared> : &store_any<T, kCount>;
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
  builder.set_handler(is_load ? load_handler<T, kCount>(access) : store_handler<T, kCount>(access));
  if (!is_load) builder.set_passing(Passing::kHandlerDecides);
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
