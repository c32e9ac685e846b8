// Barriers in shared memory that count arrivals of threads and bytes of asynchronous copies.
#include "emulator/instructions/mbarrier.h"

#include <fmt/format.h>

#include <array>
#include <cstring>

#include "emulator/instructions/families.h"
#include "emulator/instructions/lanes.h"
#include "emulator/instructions/late_copies.h"
#include "emulator/machine/access.h"
#include "emulator/machine/cta.h"
#include "emulator/machine/watch.h"

namespace slipstream::emulator {
namespace {

constexpr uint32_t kObjectBytes = 8;
constexpr uint32_t kCountBits = 20;
constexpr uint32_t kByteBits = 21;
constexpr uint32_t kExpectedShift = kCountBits;
constexpr uint32_t kByteShift = 2 * kCountBits;
constexpr uint32_t kParityShift = kByteShift + kByteBits;
constexpr uint32_t kMarkShift = kParityShift + 1;
constexpr uint64_t kMark = 1;  // in the two top bits: neither unwritten nor zeroed memory has it

bool is_mbarrier(uint64_t bits) { return bits >> kMarkShift == kMark; }

uint64_t load_bits(Warp& warp, uint32_t lane, uint64_t address) {
  uint64_t bits = 0;
  std::memcpy(&bits, readable_shared(warp, lane, address, kObjectBytes, kObjectBytes),
              sizeof(bits));
  return bits;
}

void store_bits(Warp& warp, uint32_t lane, uint64_t address, uint64_t bits) {
  std::memcpy(writable_shared(warp, lane, address, kObjectBytes, kObjectBytes), &bits,
              sizeof(bits));
}

[[noreturn]] void raise_illegal(uint32_t lane, uint64_t address, const std::string& what) {
  raise(FaultKind::kIllegalInstruction, lane,
        fmt::format("mbarrier at shared address {:#x}: {}", address, what), address);
}

// The race check's name for an mbarrier.
uint64_t key_of(Warp& warp, uint32_t lane, uint64_t address) {
  const SharedPlace place = resolve_shared(warp, lane, address, kObjectBytes, kObjectBytes);
  return uint64_t{place.cta->rank} << 32U | place.offset;
}

// A thread that waits for the phase is ordered after this lane.
void note_arrival(Warp& warp, uint32_t lane, uint64_t address, bool parity) {
  if (race::ClusterOrder* const order = order_of(warp)) {
    order->arrive_mbarrier(order_index(warp), lane, key_of(warp, lane, address), parity);
  }
}

// Ends the phase if nothing is pending, and stores the state.
void settle(Warp& warp, uint32_t lane, uint64_t address, MbarrierState state) {
  if (state.pending == 0 && state.bytes == 0) {
    state.parity = !state.parity;
    state.pending = state.expected;
    if (race::ClusterOrder* const order = order_of(warp)) {
      order->reset_mbarrier(key_of(warp, lane, address), state.parity);
    }
    notify(*warp.cta->cluster);
  }
  store_bits(warp, lane, address, state.pack());
}

void add_bytes(uint32_t lane, uint64_t address, int64_t bytes, MbarrierState& state) {
  const int64_t sum = state.bytes + bytes;
  if (sum > kMaxBytes || sum < -kMaxBytes) {
    raise_illegal(lane, address,
                  fmt::format("{} pending bytes; there may be at most {}", sum, kMaxBytes));
  }
  state.bytes = static_cast<int32_t>(sum);
}

}  // namespace

uint64_t MbarrierState::pack() const {
  constexpr uint64_t kByteMask = (1ULL << kByteBits) - 1;
  return uint64_t{pending} | uint64_t{expected} << kExpectedShift |
         (static_cast<uint64_t>(bytes) & kByteMask) << kByteShift |
         uint64_t{parity ? 1U : 0U} << kParityShift | kMark << kMarkShift;
}

MbarrierState MbarrierState::unpack(uint64_t bits) {
  MbarrierState state;
  state.pending = static_cast<uint32_t>(bits & kMaxArrivals);
  state.expected = static_cast<uint32_t>(bits >> kExpectedShift & kMaxArrivals);
  state.bytes =
      static_cast<int32_t>(static_cast<int64_t>(bits << (64 - kParityShift)) >> (64 - kByteBits));
  state.parity = (bits >> kParityShift & 1U) != 0;
  return state;
}

MbarrierState read_mbarrier(Warp& warp, uint32_t lane, uint64_t address) {
  const uint64_t bits = load_bits(warp, lane, address);
  if (!is_mbarrier(bits)) {
    raise_illegal(lane, address, "it was not initialized, or something wrote over it");
  }
  return MbarrierState::unpack(bits);
}

void announce_bytes(Warp& warp, uint32_t lane, uint64_t address, uint32_t bytes) {
  MbarrierState state = read_mbarrier(warp, lane, address);
  add_bytes(lane, address, bytes, state);
  store_bits(warp, lane, address, state.pack());
}

void complete_bytes(Warp& warp, uint32_t lane, uint64_t address, uint32_t bytes) {
  note_sender(warp, lane, address);
  complete_noted_bytes(warp, lane, address, bytes);
}

void note_sender(Warp& warp, uint32_t lane, uint64_t address) {
  note_arrival(warp, lane, address, read_mbarrier(warp, lane, address).parity);
}

void complete_noted_bytes(Warp& warp, uint32_t lane, uint64_t address, uint32_t bytes) {
  MbarrierState state = read_mbarrier(warp, lane, address);
  add_bytes(lane, address, -int64_t{bytes}, state);
  settle(warp, lane, address, state);
}

void note_counted(Warp& warp, uint32_t lane, uint64_t barrier, uint64_t address, uint32_t bytes,
                  race::AccessKind kind) {
  race::ClusterOrder* const order = order_of(warp);
  if (order == nullptr) return;
  const uint64_t key = key_of(warp, lane, barrier);
  const bool parity = read_mbarrier(warp, lane, barrier).parity;
  watch_start(warp, race::Background::kCounted, key);
  watch_background(warp, race::Background::kCounted, key, lane, address, bytes, kind);
  order->count_on_mbarrier(order->background(race::Background::kCounted, key), key, parity);
}

void note_copies_done(Warp& warp, uint32_t lane, uint64_t barrier) {
  race::ClusterOrder* const order = order_of(warp);
  if (order == nullptr) return;
  order->count_on_mbarrier(order->background(race::Background::kLaneCopies, order_index(warp)),
                           key_of(warp, lane, barrier), read_mbarrier(warp, lane, barrier).parity);
}

const std::byte* mbarrier_object(Warp& warp, uint32_t lane, uint64_t address) {
  return readable_shared(warp, lane, address, kObjectBytes, kObjectBytes);
}

MbarrierState arrive(Warp& warp, uint32_t lane, uint64_t address, const Arrival& arrival) {
  const MbarrierState before = read_mbarrier(warp, lane, address);
  MbarrierState state = before;
  add_bytes(lane, address, arrival.announced_bytes, state);
  state.pending += arrival.is_additional ? arrival.count : 0;
  if (arrival.count == 0 || arrival.count > state.pending) {
    raise_illegal(
        lane, address,
        fmt::format("{} arrivals, where its phase expects {} more", arrival.count, state.pending));
  }
  state.pending -= arrival.count;
  if (arrival.drops_out) {
    if (arrival.count > state.expected) {
      raise_illegal(
          lane, address,
          fmt::format("{} arrivals drop out of the {} it expects", arrival.count, state.expected));
    }
    state.expected -= arrival.count;
  }
  note_arrival(warp, lane, address, state.parity);
  settle(warp, lane, address, state);
  return before;
}

namespace {

uint64_t barrier_at(const Operation& operation, Warp& warp, size_t index, uint32_t lane) {
  return operand<const uint64_t>(operation, warp, index)[lane] +
         static_cast<uint64_t>(operation.immediate);
}

// --- Life. Operands: address[, count].

Step initialize(const Operation& operation, Warp& warp, uint32_t executing) {
  const auto* const counts = operand<const uint32_t>(operation, warp, 1);
  for_each_lane(executing, [&](uint32_t lane) {
    const uint64_t address = barrier_at(operation, warp, 0, lane);
    const uint32_t count = counts[lane];
    if (count == 0 || count > kMaxArrivals) {
      raise_illegal(lane, address,
                    fmt::format("an arrival count of {}; it must be 1 to {}", count, kMaxArrivals));
    }
    if (race::ClusterOrder* const order = order_of(warp)) {
      order->reset_mbarrier(key_of(warp, lane, address), false);
      order->reset_mbarrier(key_of(warp, lane, address), true);
    }
    store_bits(warp, lane, address, MbarrierState{.pending = count, .expected = count}.pack());
  });
  return Step::kNext;
}

void build_initialize(Builder& builder) {
  builder.expect_operands(2, 2);
  builder.read_address(0);
  builder.read(1, ptx::Type::kU32);
  builder.set_handler(&initialize);
}

Step invalidate(const Operation& operation, Warp& warp, uint32_t executing) {
  for_each_lane(executing, [&](uint32_t lane) {
    const uint64_t address = barrier_at(operation, warp, 0, lane);
    read_mbarrier(warp, lane, address);
    store_bits(warp, lane, address, 0);
  });
  return Step::kNext;
}

void build_invalidate(Builder& builder) {
  builder.expect_operands(1, 1);
  builder.read_address(0);
  builder.set_handler(&invalidate);
}

// --- Arrivals. Operands: state, address, count, announced bytes.

template <bool kDropsOut>
Step arrive_lanes(const Operation& operation, Warp& warp, uint32_t executing) {
  auto* const states = operand<uint64_t>(operation, warp, 0);
  const auto* const counts = operand<const uint32_t>(operation, warp, 2);
  const auto* const bytes = operand<const uint32_t>(operation, warp, 3);
  for_each_lane(executing, [&](uint32_t lane) {
    const Arrival arrival{
        .count = counts[lane], .announced_bytes = bytes[lane], .drops_out = kDropsOut};
    states[lane] = arrive(warp, lane, barrier_at(operation, warp, 1, lane), arrival).pack();
  });
  return Step::kNext;
}

// "state, [address]{, count}", "_, [address]{, count}", or with the bytes for .expect_tx in place
// of the count.
template <bool kDropsOut>
void build_arrive(Builder& builder) {
  const bool announces = builder.has(".expect_tx");
  const bool needs_count = announces || builder.has(".noComplete");
  // A remote arrival has no state; the address may then stand alone.
  const size_t address = builder.operand(0).kind == ptx::OperandKind::kAddress ? 0 : 1;
  builder.expect_operands(address + (needs_count ? 2 : 1), address + 2);
  if (address == 1) {
    builder.write(0, ptx::Type::kB64);
  } else {
    builder.scratch(ptx::Type::kB64);
  }
  builder.read_address(address);
  const bool has_last = builder.count() == address + 2;
  if (has_last && !announces) {
    builder.read(address + 1, ptx::Type::kU32);
  } else {
    builder.read_constant(1, ptx::Type::kU32);
  }
  if (announces) {
    builder.read(address + 1, ptx::Type::kU32);
  } else {
    builder.read_constant(0, ptx::Type::kU32);
  }
  builder.set_handler(&arrive_lanes<kDropsOut>);
}

// --- Transaction bytes. Operands: address, bytes.

template <auto kChange>
Step change_bytes(const Operation& operation, Warp& warp, uint32_t executing) {
  const auto* const bytes = operand<const uint32_t>(operation, warp, 1);
  for_each_lane(executing, [&](uint32_t lane) {
    kChange(warp, lane, barrier_at(operation, warp, 0, lane), bytes[lane]);
  });
  return Step::kNext;
}

template <auto kChange>
void build_change_bytes(Builder& builder) {
  builder.expect_operands(2, 2);
  builder.read_address(0);
  builder.read(1, ptx::Type::kU32);
  builder.set_handler(&change_bytes<kChange>);
}

// --- Waiting. Operands: done, address, state or parity.

template <bool kIsParity>
uint32_t lanes_done(const Operation& operation, Warp& warp, uint32_t executing) {
  uint32_t done = 0;
  for_each_lane(executing, [&](uint32_t lane) {
    deliver_counted(warp, lane, barrier_at(operation, warp, 1, lane));
    const MbarrierState now = read_mbarrier(warp, lane, barrier_at(operation, warp, 1, lane));
    bool waited_for = false;
    if constexpr (kIsParity) {
      waited_for = (operand<const uint32_t>(operation, warp, 2)[lane] & 1U) != 0;
    } else {
      waited_for = MbarrierState::unpack(operand<const uint64_t>(operation, warp, 2)[lane]).parity;
    }
    if (now.parity == waited_for) return;
    done |= 1U << lane;
    if (race::ClusterOrder* const order = order_of(warp)) {
      const uint64_t key = key_of(warp, lane, barrier_at(operation, warp, 1, lane));
      order->leave_mbarrier(order_index(warp), 1U << lane, key, waited_for);
    }
  });
  return done;
}

template <bool kIsParity>
Step test_wait(const Operation& operation, Warp& warp, uint32_t executing) {
  const uint32_t done = lanes_done<kIsParity>(operation, warp, executing);
  assign(predicate(operation, warp, 0), done, executing);
  return done == executing ? Step::kNext : yield(warp);
}

// On a GPU it may time out. Here it waits as long as something can still complete the phase.
template <bool kIsParity>
Step try_wait(const Operation& operation, Warp& warp, uint32_t executing) {
  const uint32_t done = lanes_done<kIsParity>(operation, warp, executing);
  if (done == 0) return wait_for_change(warp, executing);
  assign(predicate(operation, warp, 0), done, executing);
  return Step::kNext;
}

template <bool kIsTry>
void build_wait(Builder& builder) {
  builder.expect_operands(3, kIsTry ? 4 : 3);  // the fourth says how long to wait
  builder.write(0, ptx::Type::kPred);
  builder.read_address(1);
  const bool is_parity = builder.has(".parity");
  builder.read(2, is_parity ? ptx::Type::kU32 : ptx::Type::kB64);
  if (kIsTry) {
    builder.set_handler(is_parity ? &try_wait<true> : &try_wait<false>);
  } else {
    builder.set_handler(is_parity ? &test_wait<true> : &test_wait<false>);
  }
}

constexpr auto kPendingCount = [](uint64_t state) { return MbarrierState::unpack(state).pending; };

constexpr auto kMbarrierForms = std::to_array<Form>({
    {"mbarrier .init [.shared|.shared::cta] .b64", &build_initialize},
    {"mbarrier .inval [.shared|.shared::cta] .b64", &build_invalidate},
    {"mbarrier .expect_tx [.relaxed] [.cta|.cluster] [.shared|.shared::cta|.shared::cluster] .b64",
     &build_change_bytes<&announce_bytes>},
    {"mbarrier .complete_tx [.relaxed] [.cta|.cluster] [.shared|.shared::cta|.shared::cluster] "
     ".b64",
     &build_change_bytes<&complete_bytes>},
    {"mbarrier .arrive [.noComplete] [.release|.relaxed] [.cta|.cluster] "
     "[.shared|.shared::cta|.shared::cluster] .b64",
     &build_arrive<false>},
    {"mbarrier .arrive .expect_tx [.release|.relaxed] [.cta|.cluster] "
     "[.shared|.shared::cta|.shared::cluster] .b64",
     &build_arrive<false>},
    {"mbarrier .arrive_drop [.noComplete] [.release|.relaxed] [.cta|.cluster] "
     "[.shared|.shared::cta|.shared::cluster] .b64",
     &build_arrive<true>},
    {"mbarrier .arrive_drop .expect_tx [.release|.relaxed] [.cta|.cluster] "
     "[.shared|.shared::cta|.shared::cluster] .b64",
     &build_arrive<true>},
    {"mbarrier .test_wait [.parity] [.acquire|.relaxed] [.cta|.cluster] [.shared|.shared::cta] "
     ".b64",
     &build_wait<false>},
    {"mbarrier .try_wait [.parity] [.acquire|.relaxed] [.cta|.cluster] [.shared|.shared::cta] .b64",
     &build_wait<true>, "waits as long as the phase can still complete; never times out"},
    {"mbarrier .pending_count .b64", &build<kPendingCount, uint32_t, uint64_t>},
});

}  // namespace

Family mbarrier_family() { return {"mbarrier", "mbarrier.cc", kMbarrierForms}; }

}  // namespace slipstream::emulator
