// Asynchronous copies of single lanes. They read when they are issued; when they arrive is decided in
// late_copies.h. Copies of blocks are in bulk_copy.cc, of tensors in tensor_copy.cc.
#include <fmt/format.h>

#include <array>
#include <cstring>
#include <span>
#include <vector>

#include "emulator/instructions/families.h"
#include "emulator/instructions/lanes.h"
#include "emulator/instructions/late_copies.h"
#include "emulator/instructions/mbarrier.h"
#include "emulator/machine/access.h"
#include "emulator/machine/watch.h"

namespace slipstream::emulator {
namespace {

// --- cp.async: 4, 8 or 16 bytes per lane from global to shared memory.
// Operands: to, offset, from, offset, bytes to read, predicate that reads nothing. immediate: bytes
// to write.

// Reports to the race check the lanes that read every byte they write, which is nearly all of them.
void watch_whole_copies(const Operation& operation, Warp& warp, uint32_t executing,
                        uint32_t bytes) {
  const auto* const read_bytes = operand<const uint32_t>(operation, warp, 4);
  const uint32_t ignored = predicate(operation, warp, 5);
  alignas(64) std::array<uint64_t, kWarpSize> addresses;
  uint32_t whole = 0;
  for_each_lane(executing & ~ignored, [&](uint32_t lane) {
    addresses[lane] = address_at(operation, warp, 2, lane);
    whole |= read_bytes[lane] == bytes ? 1U << lane : 0;
  });
  if (whole != 0) {
    watch_operation(warp, {.kind = race::AccessKind::kRead});
    watch_lanes(warp, whole, addresses.data(), bytes);
  }
}

Step copy_few(const Operation& operation, Warp& warp, uint32_t executing) {
  const auto bytes = static_cast<uint32_t>(operation.immediate);
  const auto* const read_bytes = operand<const uint32_t>(operation, warp, 4);
  const uint32_t ignored = predicate(operation, warp, 5);
  const bool late = copies_are_late(warp);
  const bool is_watched = order_of(warp) != nullptr;
  if (is_watched) {
    watch_whole_copies(operation, warp, executing, bytes);
    watch_start(warp, race::Background::kLaneCopies, order_index(warp));
  }
  alignas(64) std::array<uint64_t, kWarpSize> places;
  for_each_lane(executing, [&](uint32_t lane) {
    std::array<std::byte, 16> data{};
    const uint32_t read = has_lane(ignored, lane) ? 0 : read_bytes[lane];
    if (read > bytes) {
      raise(FaultKind::kIllegalInstruction, lane,
            fmt::format("cp.async reads {} bytes to write {}", read, bytes));
    }
    const uint64_t from = address_at(operation, warp, 2, lane);
    bool written = true;
    if (read == bytes) {
      written = load(warp, lane, AddressSpace::kGlobal, from, data.data(), bytes, bytes,
                     Watched::kAlready, Reach::kAll, Unwritten::kFollowed);
    } else if (read > 0) {
      written = load(warp, lane, AddressSpace::kGlobal, from, data.data(), read, 1,
                     Watched::kNotYet, Reach::kAll, Unwritten::kFollowed);
    }
    const uint64_t to = address_at(operation, warp, 0, lane);
    if (late) {
      send_few(warp, lane, to, std::span(data).first(bytes));
    } else {
      std::memcpy(writable_shared(warp, lane, to, bytes, bytes), data.data(), bytes);
    }
    if (!written) copy_unwritten(warp, lane, AddressSpace::kGlobal, from, to, read);
    places[lane] = to;
  });
  if (is_watched) {
    watch_background_lanes(warp, race::Background::kLaneCopies, order_index(warp), executing,
                           places.data(), bytes, race::AccessKind::kWrite);
  }
  return Step::kNext;
}

bool is_predicate(const Builder& builder, size_t index) {
  const ptx::Operand& operand = builder.operand(index);
  return operand.kind == ptx::OperandKind::kRegister && builder.register_bytes(operand) == 0;
}

// "[to], [from], bytes{, bytes to read | predicate}{, policy}"
void build_copy_few(Builder& builder) {
  const size_t policy = builder.has(".L2::cache_hint") ? 1 : 0;
  builder.expect_operands(3 + policy, 4 + policy);
  const int64_t bytes = builder.constant(2);
  const bool allowed = bytes == 16 || (!builder.has(".cg") && (bytes == 4 || bytes == 8));
  if (!allowed) {
    builder.reject(builder.has(".cg") ? "it must copy 16 bytes" : "it must copy 4, 8 or 16 bytes");
  }
  builder.read_address_and_offset(0);
  builder.read_address_and_offset(1);
  const bool has_fourth = builder.count() == 4 + policy;
  const bool ignores = has_fourth && is_predicate(builder, 3);
  if (has_fourth && !ignores) {
    builder.read(3, ptx::Type::kU32);
  } else {
    builder.read_constant(static_cast<uint64_t>(bytes), ptx::Type::kU32);
  }
  if (ignores) {
    builder.read(3, ptx::Type::kPred);
  } else {
    builder.read_constant(0, ptx::Type::kPred);
  }
  builder.set_immediate(bytes);
  builder.set_handler(&copy_few);
}

// Operand: address of the mbarrier. The copies before it arrive now at the latest, and so does this
// arrival.
template <bool kIsAdditional>
Step arrive_after_copies(const Operation& operation, Warp& warp, uint32_t executing) {
  deliver_all(warp, executing);
  for_each_lane(executing, [&](uint32_t lane) {
    const uint64_t barrier = address_at(operation, warp, 0, lane);
    note_copies_done(warp, lane, barrier);
    arrive(warp, lane, barrier, {.is_additional = kIsAdditional});
  });
  return Step::kNext;
}

void build_arrive_after_copies(Builder& builder) {
  builder.expect_operands(1, 1);
  builder.read_address_and_offset(0);
  builder.set_handler(builder.has(".noinc") ? &arrive_after_copies<false>
                                            : &arrive_after_copies<true>);
}

Step commit(const Operation& /*operation*/, Warp& warp, uint32_t executing) {
  commit_group(warp, executing);
  if (order_of(warp) != nullptr) {
    watch_commit(warp, race::Background::kLaneCopies, order_index(warp));
  }
  return Step::kNext;
}

// immediate: groups that may be pending.
Step wait_for_groups(const Operation& operation, Warp& warp, uint32_t executing) {
  const auto pending = static_cast<uint32_t>(operation.immediate);
  deliver_groups(warp, executing, pending);
  if (order_of(warp) != nullptr) {
    watch_group_wait(warp, race::Background::kLaneCopies, order_index(warp), pending);
  }
  return Step::kNext;
}

void build_wait_for_groups(Builder& builder) {
  builder.expect_operands(1, 1);
  builder.set_immediate(builder.constant(0));
  builder.set_handler(&wait_for_groups);
}

Step wait_for_all(const Operation& /*operation*/, Warp& warp, uint32_t executing) {
  deliver_all(warp, executing);
  if (order_of(warp) != nullptr) {
    watch_commit(warp, race::Background::kLaneCopies, order_index(warp));
    watch_group_wait(warp, race::Background::kLaneCopies, order_index(warp), 0);
  }
  return Step::kNext;
}

// --- st.async: a register or a vector into a peer's shared memory, counted on the peer's mbarrier.
// Operands: to, offset, mbarrier, offset, values.

template <class T, size_t kCount>
Step store_remote(const Operation& operation, Warp& warp, uint32_t executing) {
  constexpr uint32_t kBytes = sizeof(T) * kCount;
  for_each_lane(executing, [&](uint32_t lane) {
    std::array<T, kCount> values;
    for (size_t i = 0; i < kCount; ++i) values[i] = operand<const T>(operation, warp, 4 + i)[lane];
    send_counted(warp, lane, address_at(operation, warp, 0, lane), std::as_bytes(std::span(values)),
                 kBytes, address_at(operation, warp, 2, lane));
  });
  return Step::kNext;
}

template <size_t kCount>
void build_store_remote_of(Builder& builder, ptx::Type type) {
  const ptx::Operand& vector = builder.operand(1);
  const auto values = vector.kind == ptx::OperandKind::kVector
                          ? builder.children(vector)
                          : std::span<const ptx::Operand>(&vector, 1);
  if (values.size() != kCount) builder.reject("the number of registers does not fit .v2 or .v4");
  for (const ptx::Operand& value : values) builder.read(value, type);
  builder.set_handler(ptx::size_of(type) == 4 ? &store_remote<uint32_t, kCount>
                                              : &store_remote<uint64_t, kCount>);
}

// "[to], value or {values}, [mbarrier]"
void build_store_remote(Builder& builder) {
  builder.expect_operands(3, 3);
  builder.read_address_and_offset(0);
  builder.read_address_and_offset(2);
  const ptx::Type type = ptx::type_from_name(builder.last_slot().substr(1));
  if (builder.has(".v4")) {
    build_store_remote_of<4>(builder, type);
  } else if (builder.has(".v2")) {
    build_store_remote_of<2>(builder, type);
  } else {
    build_store_remote_of<1>(builder, type);
  }
}

constexpr auto kAsyncCopyForms = std::to_array<Form>({
    {"cp .async (.ca|.cg) (.shared|.shared::cta) .global [.L2::cache_hint] "
     "[.L2::64B|.L2::128B|.L2::256B]",
     &build_copy_few, kArrivesLate},
    {"cp .async .commit_group", &build_without_operands<&commit>},
    {"cp .async .wait_group", &build_wait_for_groups},
    {"cp .async .wait_all", &build_without_operands<&wait_for_all>},
    {"cp .async .mbarrier .arrive [.noinc] [.shared|.shared::cta] .b64",
     &build_arrive_after_copies},
    {"st .async [.weak] .shared::cluster .mbarrier::complete_tx::bytes [.v2|.v4] "
     "(.b32|.b64|.u32|.u64|.s32|.s64|.f32|.f64)",
     &build_store_remote, kArrivesLate},
});

}  // namespace

Family async_copy_family() {
  return {"Asynchronous copies of lanes", "async_copy.cc", kAsyncCopyForms};
}

}  // namespace slipstream::emulator
