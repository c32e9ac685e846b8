// atom and red.
//
// Lanes act one after the other in order, CTAs in the order of their turns, so the result of a
// floating-point sum, or of a counter, does not depend on the host's threads.
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <type_traits>

#include "emulator/arithmetic/floating.h"
#include "emulator/arithmetic/half.h"
#include "emulator/instructions/families.h"
#include "emulator/instructions/lanes.h"
#include "emulator/instructions/memory_access.h"
#include "emulator/instructions/reduce.h"
#include "emulator/machine/access.h"
#include "emulator/machine/polls.h"
#include "emulator/machine/watch.h"

namespace slipstream::emulator {
namespace {

constexpr auto kExchange = [](auto /*old*/, auto value) { return value; };

template <auto kFunction, class T>
uint32_t each_half(uint32_t old, uint32_t value) {
  return pack(kFunction(low_of<T>(old), low_of<T>(value)),
              kFunction(high_of<T>(old), high_of<T>(value)));
}

struct Atomic {
  AddressSpace space = AddressSpace::kGeneric;
  bool publishes = false;  // a release at gpu or system scope
  bool acquires = false;   // an acquire there
  bool strong = true;      // reaches beyond the cluster
  bool system = false;     // reaches other devices
  bool releases = false;   // at whichever scope
  int64_t offset = 0;
};
int64_t encode(const Atomic& atomic) {
  return (atomic.offset << 9) | static_cast<int64_t>(atomic.space) | (atomic.publishes ? 16 : 0) |
         (atomic.acquires ? 32 : 0) | (atomic.strong ? 64 : 0) | (atomic.system ? 128 : 0) |
         (atomic.releases ? 256 : 0);
}
Atomic decode(int64_t immediate) {
  return {static_cast<AddressSpace>(immediate & 7),
          (immediate & 16) != 0,
          (immediate & 32) != 0,
          (immediate & 64) != 0,
          (immediate & 128) != 0,
          (immediate & 256) != 0,
          immediate >> 9};
}

// `base` has the address of each lane. Returns whether global memory is concerned.
bool enter(Warp& warp, const Atomic& atomic, uint32_t executing, const uint64_t* base) {
  bool any_global = atomic.space == AddressSpace::kGlobal;
  for_each_lane(atomic.space == AddressSpace::kGeneric ? executing : 0, [&](uint32_t lane) {
    any_global = any_global || resolve_generic(base[lane]).space == AddressSpace::kGlobal;
  });
  if (any_global) wait_for_turn(warp);
  if (atomic.publishes) publish(warp);
  if (order_of(warp) != nullptr) {
    watch_operation(warp, {.kind = race::AccessKind::kAtomic,
                           .strong = atomic.strong,
                           .system = atomic.system,
                           .acquires = atomic.acquires,
                           .releases = any_global ? atomic.publishes : atomic.releases});
  }
  return any_global;
}

// An atomic operation that leaves memory as it is may be a poll.
template <class T>
void leave(const Operation& operation, Warp& warp, uint32_t executing, const Atomic& atomic,
           const uint64_t* base, const T* result, bool has_changed) {
  if (has_changed) return note_progress(warp);
  PolledRead read{&operation, warp.pc, executing, sizeof(T), {}};
  Digest digest;
  for_each_lane(executing, [&](uint32_t lane) {
    read.addresses[lane] = base[lane] + static_cast<uint64_t>(atomic.offset);
    digest.add(&result[lane], sizeof(T));
  });
  note_read(warp, read, digest.value());
}

template <class T>
T read(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof(T));
  return value;
}
template <class T>
void write(std::byte* to, T value) {
  std::memcpy(to, &value, sizeof(T));
}

template <class T>
auto bytes_of(T value) {
  return std::bit_cast<std::array<std::byte, sizeof(T)>>(value);
}

// The lanes' places in memory that the whole warp reaches at once; elsewhere, one by one as machine/access.h gives them.
class Targets {
 public:
  Targets(const Operation& operation, Warp& warp, uint32_t executing, const Atomic& atomic,
          uint32_t bytes)
      : warp_(warp), atomic_(atomic), bytes_(bytes), base_(operand<uint64_t>(operation, warp, 1)) {
    if (order_of(warp) != nullptr) return;
    const Access access{.space = atomic.space, .offset = atomic.offset};
    Reached reached =
        reach(operation, warp, executing, access, operation.operands[1], bytes, false, addresses_);
    if (reached.arrangement == Arrangement::kElsewhere ||
        !have_values(executing, reached, addresses_, bytes)) {
      return;
    }
    mark_written(executing, reached, addresses_, bytes);
    reached_ = reached;
  }

  std::byte* of(uint32_t lane) {
    if (reached_.arrangement != Arrangement::kElsewhere) {
      return reinterpret_cast<std::byte*>(reached_.host(lane, addresses_, bytes_));
    }
    const uint64_t address = base_[lane] + static_cast<uint64_t>(atomic_.offset);
    return atomic_target(warp_, lane, atomic_.space, address, bytes_);
  }

 private:
  Warp& warp_;
  const Atomic& atomic_;
  uint32_t bytes_;
  const uint64_t* base_;
  Addresses addresses_;
  Reached reached_;
};

// Global memory adds f32 without subnormals, and takes an f64 that is no number as it comes.
template <auto kFunction, class T>
T updated(T old, T value, bool is_global) {
  if constexpr (std::is_same_v<T, float>) {
    if (is_global) return reduce::kAddFloatFlushed(old, value);
  }
  if constexpr (std::is_same_v<T, double>) {
    if (is_global && std::isnan(value)) return value;
  }
  return static_cast<T>(kFunction(old, value));
}

// Operands: d, base, value 0 .. value (count - 1). d is scratch for red.
template <auto kFunction, class T>
Step update(const Operation& operation, Warp& warp, uint32_t executing) {
  const Atomic atomic = decode(operation.immediate);
  const auto* const base = operand<uint64_t>(operation, warp, 1);
  const bool is_global = enter(warp, atomic, executing, base);
  Targets targets(operation, warp, executing, atomic, sizeof(T));
  const T* const values = operand<T>(operation, warp, 2);
  T* const result = operand<T>(operation, warp, 0);
  bool has_changed = false;
  for_each_lane(executing, [&](uint32_t lane) {
    std::byte* const target = targets.of(lane);
    const T old = read<T>(target);
    const T now = updated<kFunction>(old, values[lane], is_global);
    write<T>(target, now);
    has_changed = has_changed || bytes_of(old) != bytes_of(now);
    result[lane] = old;
  });
  if (is_global) leave(operation, warp, executing, atomic, base, result, has_changed);
  return Step::kNext;
}

template <class T>
Step compare_and_swap(const Operation& operation, Warp& warp, uint32_t executing) {
  const Atomic atomic = decode(operation.immediate);
  const auto* const base = operand<uint64_t>(operation, warp, 1);
  const bool is_global = enter(warp, atomic, executing, base);
  Targets targets(operation, warp, executing, atomic, sizeof(T));
  const T* const expected = operand<T>(operation, warp, 2);
  const T* const desired = operand<T>(operation, warp, 3);
  T* const result = operand<T>(operation, warp, 0);
  bool has_changed = false;
  for_each_lane(executing, [&](uint32_t lane) {
    std::byte* const target = targets.of(lane);
    const T old = read<T>(target);
    if (std::memcmp(&old, &expected[lane], sizeof(T)) == 0) {
      write<T>(target, desired[lane]);
      has_changed = has_changed || std::memcmp(&old, &desired[lane], sizeof(T)) != 0;
    }
    result[lane] = old;
  });
  if (is_global) leave(operation, warp, executing, atomic, base, result, has_changed);
  return Step::kNext;
}

// Vectors of f32 or packed halves: operands d0 .. d(n-1), base, v0 .. v(n-1).
template <auto kFunction, class T, size_t kCount>
Step update_vector(const Operation& operation, Warp& warp, uint32_t executing) {
  const Atomic atomic = decode(operation.immediate);
  const uint32_t* const places =
      operation.all_operands != nullptr ? operation.all_operands : operation.operands.data();
  const auto* const base = lanes<uint64_t>(warp, places[kCount]);
  if (enter(warp, atomic, executing, base)) note_progress(warp);
  for_each_lane(executing, [&](uint32_t lane) {
    const uint64_t address = base[lane] + static_cast<uint64_t>(atomic.offset);
    for (size_t i = 0; i < kCount; ++i) {
      std::byte* const target =
          atomic_target(warp, lane, atomic.space, address + i * sizeof(T), sizeof(T));
      const T old = read<T>(target);
      const T value = lanes<T>(warp, places[kCount + 1 + i])[lane];
      write<T>(target, updated<kFunction>(old, value, true));
      lanes<T>(warp, places[i])[lane] = old;
    }
  });
  return Step::kNext;
}

// --- Building.

Atomic atomic_of(const Builder& builder) {
  Atomic atomic;
  if (builder.has(".global")) {
    atomic.space = AddressSpace::kGlobal;
  } else if (builder.has(".shared") || builder.has(".shared::cta") ||
             builder.has(".shared::cluster")) {
    atomic.space = AddressSpace::kShared;
  }
  atomic.strong = !builder.has(".cta") && !builder.has(".cluster");
  atomic.system = builder.has(".sys");
  atomic.releases = builder.has(".release") || builder.has(".acq_rel");
  atomic.publishes = atomic.releases && atomic.strong;
  atomic.acquires = (builder.has(".acquire") || builder.has(".acq_rel")) && atomic.strong;
  return atomic;
}

bool is_reduction(Builder& builder) { return builder.instruction().opcode->head == "red"; }

// Operands d (atom only), base, then `values` of that type. Cache policies may follow.
void add_operands(Builder& builder, ptx::Type type, size_t values) {
  const size_t first = is_reduction(builder) ? 0 : 1;
  builder.expect_operands(first + 1 + values, first + 2 + values);
  first == 0 ? builder.scratch(type) : builder.write(0, type);
  builder.read_address(first);
  for (size_t i = 0; i < values; ++i) builder.read(first + 1 + i, type);
  Atomic atomic = atomic_of(builder);
  atomic.offset = builder.immediate();
  builder.set_immediate(encode(atomic));
}

template <auto kFunction, class T>
void build_update(Builder& builder) {
  add_operands(builder, kPtxType<T>, 1);
  builder.set_handler(&update<kFunction, T>);
}
template <class T>
void build_swap(Builder& builder) {
  add_operands(builder, kPtxType<T>, 2);
  builder.set_handler(&compare_and_swap<T>);
}
template <auto kFunction, class T, size_t kCount>
void build_vector(Builder& builder) {
  const size_t first = is_reduction(builder) ? 0 : 1;
  builder.expect_operands(first + 2, first + 3);
  const auto parts_of = [&](size_t index) {
    const auto parts = builder.children(builder.operand(index));
    if (parts.size() != kCount) builder.reject("the number of registers does not fit its vector");
    return parts;
  };
  for (size_t i = 0; i < kCount; ++i) {
    first == 0 ? builder.scratch(kPtxType<T>) : builder.write(parts_of(0)[i], kPtxType<T>);
  }
  builder.read_address(first);
  for (const ptx::Operand& part : parts_of(first + 1)) builder.read(part, kPtxType<T>);
  Atomic atomic = atomic_of(builder);
  atomic.offset = builder.immediate();
  builder.set_immediate(encode(atomic));
  builder.set_handler(&update_vector<kFunction, T, kCount>);
}

// --- The table: what may stand around the operation is the same for all.

// The operation of an integer form by its name.
template <class U, class S>
void build_integer(Builder& builder) {
  const bool is_signed = builder.has(".s32") || builder.has(".s64");
  if (builder.has(".add")) {
    build_update<reduce::kAdd, U>(builder);
  } else if (builder.has(".min")) {
    is_signed ? build_update<reduce::kMinimum, S>(builder)
              : build_update<reduce::kMinimum, U>(builder);
  } else if (builder.has(".max")) {
    is_signed ? build_update<reduce::kMaximum, S>(builder)
              : build_update<reduce::kMaximum, U>(builder);
  } else if (builder.has(".and")) {
    build_update<reduce::kAnd, U>(builder);
  } else if (builder.has(".or")) {
    build_update<reduce::kOr, U>(builder);
  } else if (builder.has(".xor")) {
    build_update<reduce::kXor, U>(builder);
  } else if (builder.has(".exch")) {
    build_update<kExchange, U>(builder);
  } else {
    build_swap<U>(builder);
  }
}
void build_wrap(Builder& builder) {
  builder.has(".inc") ? build_update<reduce::kIncrement, uint32_t>(builder)
                      : build_update<reduce::kDecrement, uint32_t>(builder);
}
void build_128(Builder& builder) {
  builder.has(".exch") ? build_update<kExchange, Bits128>(builder) : build_swap<Bits128>(builder);
}
template <class T>
void build_halves(Builder& builder) {
  if (builder.has(".add")) {
    build_update<each_half<reduce::kAddHalf, T>, uint32_t>(builder);
  } else if (builder.has(".min")) {
    build_update<each_half<reduce::kMinimumHalf, T>, uint32_t>(builder);
  } else {
    build_update<each_half<reduce::kMaximumHalf, T>, uint32_t>(builder);
  }
}
template <class T>
void build_half(Builder& builder) {
  if (builder.has(".add")) {
    build_update<reduce::kAddHalf, T>(builder);
  } else if (builder.has(".min")) {
    build_update<reduce::kMinimumHalf, T>(builder);
  } else {
    build_update<reduce::kMaximumHalf, T>(builder);
  }
}
template <class T>
void build_half_pairs_vector(Builder& builder) {
  builder.has(".v2") ? build_vector<each_half<reduce::kAddHalf, T>, uint32_t, 2>(builder)
                     : build_vector<each_half<reduce::kAddHalf, T>, uint32_t, 4>(builder);
}

constexpr auto kAtomicForms = std::to_array<Form>({
    {"atom [.relaxed|.acquire|.release|.acq_rel] [.cta|.cluster|.gpu|.sys] "
     "[.global|.shared|.shared::cta|.shared::cluster] (.add|.min|.max|.and|.or|.xor|.exch|.cas) "
     "[.L2::cache_hint] (.b32|.u32|.s32)",
     &build_integer<uint32_t, int32_t>},
    {"atom [.relaxed|.acquire|.release|.acq_rel] [.cta|.cluster|.gpu|.sys] "
     "[.global|.shared|.shared::cta|.shared::cluster] (.add|.min|.max|.and|.or|.xor|.exch|.cas) "
     "[.L2::cache_hint] (.b64|.u64|.s64)",
     &build_integer<uint64_t, int64_t>},
    {"atom [.relaxed|.acquire|.release|.acq_rel] [.cta|.cluster|.gpu|.sys] "
     "[.global|.shared|.shared::cta|.shared::cluster] (.inc|.dec) [.L2::cache_hint] .u32",
     &build_wrap},
    {"atom [.relaxed|.acquire|.release|.acq_rel] [.cta|.cluster|.gpu|.sys] "
     "[.global|.shared|.shared::cta|.shared::cluster] .cas .b16",
     &build_swap<uint16_t>},
    {"atom [.relaxed|.acquire|.release|.acq_rel] [.cta|.cluster|.gpu|.sys] "
     "[.global|.shared|.shared::cta|.shared::cluster] (.exch|.cas) [.L2::cache_hint] .b128",
     &build_128},
    {"atom [.relaxed|.acquire|.release|.acq_rel] [.cta|.cluster|.gpu|.sys] "
     "[.global|.shared|.shared::cta|.shared::cluster] .add [.L2::cache_hint] .f32",
     &build_update<reduce::kAddFloat, float>},
    {"atom [.relaxed|.acquire|.release|.acq_rel] [.cta|.cluster|.gpu|.sys] "
     "[.global|.shared|.shared::cta|.shared::cluster] .add [.L2::cache_hint] .f64",
     &build_update<reduce::kAddFloat, double>},
    {"atom [.relaxed|.acquire|.release|.acq_rel] [.cta|.cluster|.gpu|.sys] "
     "[.global|.shared|.shared::cta|.shared::cluster] .add .noftz [.L2::cache_hint] .f16",
     &build_half<Half>},
    {"atom [.relaxed|.acquire|.release|.acq_rel] [.cta|.cluster|.gpu|.sys] "
     "[.global|.shared|.shared::cta|.shared::cluster] .add .noftz [.L2::cache_hint] .f16x2",
     &build_halves<Half>},
    {"atom [.relaxed|.acquire|.release|.acq_rel] [.cta|.cluster|.gpu|.sys] "
     "[.global|.shared|.shared::cta|.shared::cluster] .add .noftz [.L2::cache_hint] .bf16",
     &build_half<BFloat16>},
    {"atom [.relaxed|.acquire|.release|.acq_rel] [.cta|.cluster|.gpu|.sys] "
     "[.global|.shared|.shared::cta|.shared::cluster] .add .noftz [.L2::cache_hint] .bf16x2",
     &build_halves<BFloat16>},
    {"atom [.relaxed|.acquire|.release|.acq_rel] [.cta|.cluster|.gpu|.sys] [.global] .add "
     "[.L2::cache_hint] .v2 .f32",
     &build_vector<reduce::kAddFloat, float, 2>},
    {"atom [.relaxed|.acquire|.release|.acq_rel] [.cta|.cluster|.gpu|.sys] [.global] .add "
     "[.L2::cache_hint] .v4 .f32",
     &build_vector<reduce::kAddFloat, float, 4>},
    {"atom [.relaxed|.acquire|.release|.acq_rel] [.cta|.cluster|.gpu|.sys] [.global] .add .noftz "
     "[.L2::cache_hint] (.v2|.v4) .f16x2",
     &build_half_pairs_vector<Half>},
    {"atom [.relaxed|.acquire|.release|.acq_rel] [.cta|.cluster|.gpu|.sys] [.global] .add .noftz "
     "[.L2::cache_hint] (.v2|.v4) .bf16x2",
     &build_half_pairs_vector<BFloat16>},
    {"red [.relaxed|.release] [.cta|.cluster|.gpu|.sys] "
     "[.global|.shared|.shared::cta|.shared::cluster] (.add|.min|.max|.and|.or|.xor) "
     "[.L2::cache_hint] (.b32|.u32|.s32)",
     &build_integer<uint32_t, int32_t>},
    {"red [.relaxed|.release] [.cta|.cluster|.gpu|.sys] "
     "[.global|.shared|.shared::cta|.shared::cluster] (.add|.min|.max|.and|.or|.xor) "
     "[.L2::cache_hint] (.b64|.u64|.s64)",
     &build_integer<uint64_t, int64_t>},
    {"red [.relaxed|.release] [.cta|.cluster|.gpu|.sys] "
     "[.global|.shared|.shared::cta|.shared::cluster] (.inc|.dec) [.L2::cache_hint] .u32",
     &build_wrap},
    {"red [.relaxed|.release] [.cta|.cluster|.gpu|.sys] "
     "[.global|.shared|.shared::cta|.shared::cluster] .add [.L2::cache_hint] .f32",
     &build_update<reduce::kAddFloat, float>},
    {"red [.relaxed|.release] [.cta|.cluster|.gpu|.sys] "
     "[.global|.shared|.shared::cta|.shared::cluster] .add [.L2::cache_hint] .f64",
     &build_update<reduce::kAddFloat, double>},
    {"red [.relaxed|.release] [.cta|.cluster|.gpu|.sys] "
     "[.global|.shared|.shared::cta|.shared::cluster] .add .noftz [.L2::cache_hint] .f16",
     &build_half<Half>},
    {"red [.relaxed|.release] [.cta|.cluster|.gpu|.sys] "
     "[.global|.shared|.shared::cta|.shared::cluster] .add .noftz [.L2::cache_hint] .f16x2",
     &build_halves<Half>},
    {"red [.relaxed|.release] [.cta|.cluster|.gpu|.sys] "
     "[.global|.shared|.shared::cta|.shared::cluster] .add .noftz [.L2::cache_hint] .bf16",
     &build_half<BFloat16>},
    {"red [.relaxed|.release] [.cta|.cluster|.gpu|.sys] "
     "[.global|.shared|.shared::cta|.shared::cluster] .add .noftz [.L2::cache_hint] .bf16x2",
     &build_halves<BFloat16>},
    {"red [.relaxed|.release] [.cta|.cluster|.gpu|.sys] [.global] .add [.L2::cache_hint] .v2 .f32",
     &build_vector<reduce::kAddFloat, float, 2>},
    {"red [.relaxed|.release] [.cta|.cluster|.gpu|.sys] [.global] .add [.L2::cache_hint] .v4 .f32",
     &build_vector<reduce::kAddFloat, float, 4>},
    {"red [.relaxed|.release] [.cta|.cluster|.gpu|.sys] [.global] .add .noftz [.L2::cache_hint] "
     "(.v2|.v4) .f16x2",
     &build_half_pairs_vector<Half>},
    {"red [.relaxed|.release] [.cta|.cluster|.gpu|.sys] [.global] .add .noftz [.L2::cache_hint] "
     "(.v2|.v4) .bf16x2",
     &build_half_pairs_vector<BFloat16>},
});

}  // namespace

Family atomic_family() { return {"Atomic operations", "atomic.cc", kAtomicForms}; }

}  // namespace slipstream::emulator
