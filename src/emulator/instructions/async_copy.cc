// Asynchronous copies. They read, and those into global memory write, when they are issued: a legal
// order, if one of many. When those into shared memory arrive is decided in late_copies.h.
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

// An address operand and the offset that follows it.
uint64_t address_at(const Operation& operation, Warp& warp, size_t index, uint32_t lane) {
  return operand<const uint64_t>(operation, warp, index)[lane] +
         operand<const uint64_t>(operation, warp, index + 1)[lane];
}

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
  if (order_of(warp) != nullptr) watch_whole_copies(operation, warp, executing, bytes);
  for_each_lane(executing, [&](uint32_t lane) {
    std::array<std::byte, 16> data{};
    const uint32_t read = has_lane(ignored, lane) ? 0 : read_bytes[lane];
    if (read > bytes) {
      raise(FaultKind::kIllegalInstruction, lane,
            fmt::format("cp.async reads {} bytes to write {}", read, bytes));
    }
    const uint64_t from = address_at(operation, warp, 2, lane);
    if (read == bytes) {
      load(warp, lane, AddressSpace::kGlobal, from, data.data(), bytes, bytes, Watched::kAlready);
    } else if (read > 0) {
      load(warp, lane, AddressSpace::kGlobal, from, data.data(), read, 1);
    }
    const uint64_t to = address_at(operation, warp, 0, lane);
    if (late) {
      send_few(warp, lane, to, std::span(data).first(bytes));
    } else {
      std::memcpy(writable_shared(warp, lane, to, bytes, bytes), data.data(), bytes);
    }
  });
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
    arrive(warp, lane, address_at(operation, warp, 0, lane), {.is_additional = kIsAdditional});
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
  return Step::kNext;
}

// immediate: groups that may be pending.
Step wait_for_groups(const Operation& operation, Warp& warp, uint32_t executing) {
  deliver_groups(warp, executing, static_cast<uint32_t>(operation.immediate));
  return Step::kNext;
}

void build_wait_for_groups(Builder& builder) {
  builder.expect_operands(1, 1);
  builder.set_immediate(builder.constant(0));
  builder.set_handler(&wait_for_groups);
}

Step wait_for_all(const Operation& /*operation*/, Warp& warp, uint32_t executing) {
  deliver_all(warp, executing);
  return Step::kNext;
}

// --- Instructions that have nothing left to do.

Step do_nothing(const Operation& /*operation*/, Warp& /*warp*/, uint32_t /*executing*/) {
  return Step::kNext;
}

void build_bulk_wait_for_groups(Builder& builder) {
  builder.expect_operands(1, 1);
  (void)builder.constant(0);  // must be one
  builder.set_handler(&do_nothing);
}

// --- cp.async.bulk: any multiple of 16 bytes, by one thread.

constexpr uint32_t kBulkUnit = 16;

void check_bulk_size(uint32_t lane, uint32_t bytes) {
  if (bytes % kBulkUnit != 0) {
    raise(FaultKind::kIllegalInstruction, lane,
          fmt::format("a bulk copy of {} bytes, which is no multiple of {}", bytes, kBulkUnit));
  }
}

// The same place in the shared memory of CTA `rank`, as an address that is valid in the whole
// cluster.
uint64_t in_cta(uint64_t address, uint32_t rank) {
  constexpr uint64_t kOffset = (1ULL << kSharedRankShift) - 1;
  return (address & kOffset) | uint64_t{rank + 1} << kSharedRankShift;
}

// Operands: to, offset, from, offset, bytes, mbarrier, offset, mask of CTAs. immediate: whether the
// mask counts.
template <AddressSpace kFrom>
Step copy_to_shared(const Operation& operation, Warp& warp, uint32_t executing) {
  const auto* const sizes = operand<const uint32_t>(operation, warp, 4);
  const auto* const masks = operand<const uint16_t>(operation, warp, 7);
  if (order_of(warp) != nullptr) {
    watch_operation(warp, {.kind = race::AccessKind::kRead, .async_proxy = true});
  }
  std::vector<std::byte> data;
  for_each_lane(executing, [&](uint32_t lane) {
    check_bulk_size(lane, sizes[lane]);
    data.resize(sizes[lane]);
    load(warp, lane, kFrom, address_at(operation, warp, 2, lane), data.data(), sizes[lane],
         kBulkUnit);
    const uint64_t to = address_at(operation, warp, 0, lane);
    const uint64_t barrier = address_at(operation, warp, 5, lane);
    if (operation.immediate == 0) {
      send_counted(warp, lane, to, data, kBulkUnit, barrier);
      return;
    }
    for_each_lane(masks[lane], [&](uint32_t rank) {
      send_counted(warp, lane, in_cta(to, rank), data, kBulkUnit, in_cta(barrier, rank));
    });
  });
  return Step::kNext;
}

// "[to], [from], bytes, [mbarrier]{, mask}{, policy}"
template <AddressSpace kFrom>
void build_copy_to_shared(Builder& builder) {
  const bool multicasts = builder.has(".multicast::cluster");
  const size_t operands = 4 + (multicasts ? 1 : 0) + (builder.has(".L2::cache_hint") ? 1 : 0);
  builder.expect_operands(operands, operands);
  builder.read_address_and_offset(0);
  builder.read_address_and_offset(1);
  builder.read(2, ptx::Type::kU32);
  builder.read_address_and_offset(3);
  if (multicasts) {
    builder.read(4, ptx::Type::kU16);
  } else {
    builder.read_constant(0, ptx::Type::kU16);
  }
  builder.set_immediate(multicasts ? 1 : 0);
  builder.set_handler(&copy_to_shared<kFrom>);
}

// Operands: to, offset, from, offset, bytes.
Step copy_to_global(const Operation& operation, Warp& warp, uint32_t executing) {
  const auto* const sizes = operand<const uint32_t>(operation, warp, 4);
  if (order_of(warp) != nullptr) {
    watch_operation(warp, {.kind = race::AccessKind::kWrite, .async_proxy = true});
  }
  for_each_lane(executing, [&](uint32_t lane) {
    check_bulk_size(lane, sizes[lane]);
    const std::byte* const from =
        readable_shared(warp, lane, address_at(operation, warp, 2, lane), sizes[lane], kBulkUnit);
    store(warp, lane, AddressSpace::kGlobal, address_at(operation, warp, 0, lane), from,
          sizes[lane], kBulkUnit);
  });
  return Step::kNext;
}

void build_copy_to_global(Builder& builder) {
  const size_t operands = 3 + (builder.has(".L2::cache_hint") ? 1 : 0);
  builder.expect_operands(operands, operands);
  builder.read_address_and_offset(0);
  builder.read_address_and_offset(1);
  builder.read(2, ptx::Type::kU32);
  builder.set_handler(&copy_to_global);
}

// Operands: from, offset, bytes. There is no cache; the rules for the operands are the same.
Step prefetch(const Operation& operation, Warp& warp, uint32_t executing) {
  const auto* const sizes = operand<const uint32_t>(operation, warp, 2);
  for_each_lane(executing, [&](uint32_t lane) {
    check_bulk_size(lane, sizes[lane]);
    if (sizes[lane] > 0) {
      check_global(warp, lane, address_at(operation, warp, 0, lane), sizes[lane], kBulkUnit);
    }
  });
  return Step::kNext;
}

void build_prefetch(Builder& builder) {
  const size_t operands = 2 + (builder.has(".L2::cache_hint") ? 1 : 0);
  builder.expect_operands(operands, operands);
  builder.read_address_and_offset(0);
  builder.read(1, ptx::Type::kU32);
  builder.set_handler(&prefetch);
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

constexpr std::string_view kDoneAtIssue = "done when issued";
constexpr std::string_view kArrivesLate =
    "reads when issued; arrives at once, in the adversarial schedule when it is waited for";

constexpr auto kForms = std::to_array<Form>({
    {"cp .async (.ca|.cg) (.shared|.shared::cta) .global [.L2::cache_hint] "
     "[.L2::64B|.L2::128B|.L2::256B]",
     &build_copy_few, kArrivesLate},
    {"cp .async .commit_group", &build_without_operands<&commit>},
    {"cp .async .wait_group", &build_wait_for_groups},
    {"cp .async .wait_all", &build_without_operands<&wait_for_all>},
    {"cp .async .mbarrier .arrive [.noinc] [.shared|.shared::cta] .b64",
     &build_arrive_after_copies},
    {"cp .async .bulk (.shared::cluster|.shared::cta) .global .mbarrier::complete_tx::bytes "
     "[.multicast::cluster] [.L2::cache_hint]",
     &build_copy_to_shared<AddressSpace::kGlobal>, kArrivesLate},
    {"cp .async .bulk .shared::cluster .shared::cta .mbarrier::complete_tx::bytes",
     &build_copy_to_shared<AddressSpace::kShared>, kArrivesLate},
    {"cp .async .bulk .global .shared::cta .bulk_group [.L2::cache_hint]", &build_copy_to_global,
     kDoneAtIssue},
    {"cp .async .bulk .commit_group", &build_without_operands<&do_nothing>},
    {"cp .async .bulk .wait_group [.read]", &build_bulk_wait_for_groups},
    {"st .async [.weak] .shared::cluster .mbarrier::complete_tx::bytes [.v2|.v4] "
     "(.b32|.b64|.u32|.u64|.s32|.s64|.f32|.f64)",
     &build_store_remote, kArrivesLate},
    {"cp .async .bulk .prefetch .L2 .global [.L2::cache_hint]", &build_prefetch,
     "no effect but the checks of its operands"},
});

}  // namespace

Family async_copy_family() { return {"Asynchronous copies", "async_copy.cc", kForms}; }

}  // namespace slipstream::emulator
