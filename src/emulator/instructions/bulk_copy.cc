// cp.async.bulk and cp.reduce.async.bulk: any multiple of 16 bytes, by one thread. When copies into
// shared memory arrive is decided in late_copies.h, when those out of it take place in
// machine/bulk_store.h.
#include <fmt/format.h>

#include <array>
#include <vector>

#include "emulator/instructions/bulk_reduction.h"
#include "emulator/instructions/families.h"
#include "emulator/instructions/lanes.h"
#include "emulator/instructions/late_copies.h"
#include "emulator/instructions/mbarrier.h"
#include "emulator/machine/access.h"
#include "emulator/machine/watch.h"

namespace slipstream::emulator {
namespace {

constexpr uint32_t kBulkUnit = 16;

void check_bulk_size(uint32_t lane, uint32_t bytes) {
  if (bytes % kBulkUnit != 0) {
    raise(FaultKind::kIllegalInstruction, lane,
          fmt::format("a bulk copy of {} bytes, which is no multiple of {}", bytes, kBulkUnit));
  }
}

// How a form's modifiers choose its reduction.
struct ReductionForm {
  Reduction reduction = Reduction::kAdd;
  TensorType type = TensorType::kU32;
};

int64_t encode(const ReductionForm& form) {
  return static_cast<int64_t>(form.reduction) << 8 | static_cast<int64_t>(form.type);
}
Combine combine_of(int64_t immediate) {
  return combine_of(static_cast<Reduction>(immediate >> 8),
                    static_cast<TensorType>(immediate & 0xff));
}

// --- Into shared memory, counted by an mbarrier.

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
    const uint64_t from = address_at(operation, warp, 2, lane);
    const uint64_t to = address_at(operation, warp, 0, lane);
    const uint64_t barrier = address_at(operation, warp, 5, lane);
    constexpr bool kIsShared = kFrom == AddressSpace::kShared;
    const bool written =
        load(warp, lane, kFrom, from, data.data(), sizes[lane], kBulkUnit,
             kIsShared ? Watched::kAlready : Watched::kNotYet, Reach::kAll, Unwritten::kFollowed);
    if constexpr (kIsShared) {
      note_counted(warp, lane, barrier, from, sizes[lane], race::AccessKind::kRead);
    }
    const auto send = [&](uint64_t target, uint64_t counter) {
      send_counted(warp, lane, target, data, kBulkUnit, counter);
      if (!written) copy_unwritten(warp, lane, kFrom, from, target, sizes[lane]);
    };
    if (operation.immediate == 0) return send(to, barrier);
    for_each_lane(masks[lane],
                  [&](uint32_t rank) { send(in_cta(to, rank), in_cta(barrier, rank)); });
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

// Operands: to, offset, from, offset, bytes, mbarrier, offset. immediate: the reduction.
Step reduce_to_shared(const Operation& operation, Warp& warp, uint32_t executing) {
  const auto* const sizes = operand<const uint32_t>(operation, warp, 4);
  for_each_lane(executing, [&](uint32_t lane) {
    check_bulk_size(lane, sizes[lane]);
    const uint64_t from = address_at(operation, warp, 2, lane);
    const uint64_t barrier = address_at(operation, warp, 5, lane);
    const std::byte* const source = readable_shared(warp, lane, from, sizes[lane], kBulkUnit);
    note_counted(warp, lane, barrier, from, sizes[lane], race::AccessKind::kRead);
    send_counted(warp, lane, address_at(operation, warp, 0, lane), {source, sizes[lane]}, kBulkUnit,
                 barrier, combine_of(operation.immediate));
  });
  return Step::kNext;
}

// --- Out of shared memory, waited for by groups.
// Operands: to, offset, from, offset, bytes. immediate: the reduction.

template <bool kReduces>
Step store_to_global(const Operation& operation, Warp& warp, uint32_t executing) {
  const auto* const sizes = operand<const uint32_t>(operation, warp, 4);
  for_each_lane(executing, [&](uint32_t lane) {
    check_bulk_size(lane, sizes[lane]);
    const std::byte* const from =
        source_of_store(warp, lane, address_at(operation, warp, 2, lane), sizes[lane], kBulkUnit);
    issue_store(warp, {.lane = lane,
                       .combine = kReduces ? combine_of(operation.immediate) : nullptr,
                       .sources = {{from, sizes[lane]}},
                       .targets = {{address_at(operation, warp, 0, lane), sizes[lane]}}});
  });
  return Step::kNext;
}

void read_store_operands(Builder& builder) {
  builder.read_address_and_offset(0);
  builder.read_address_and_offset(1);
  builder.read(2, ptx::Type::kU32);
}

// "[to], [from], bytes{, policy}"
void build_store_to_global(Builder& builder) {
  const size_t operands = 3 + (builder.has(".L2::cache_hint") ? 1 : 0);
  builder.expect_operands(operands, operands);
  read_store_operands(builder);
  builder.set_handler(&store_to_global<false>);
}

TensorType element_type(ptx::Type type) {
  switch (type) {
    case ptx::Type::kS32:
      return TensorType::kS32;
    case ptx::Type::kB64:
    case ptx::Type::kU64:
      return TensorType::kU64;
    case ptx::Type::kS64:
      return TensorType::kS64;
    case ptx::Type::kF16:
      return TensorType::kF16;
    case ptx::Type::kBf16:
      return TensorType::kBf16;
    case ptx::Type::kF32:
      return TensorType::kF32Ftz;  // so PTX has it, where there is no tensor map to say otherwise
    case ptx::Type::kF64:
      return TensorType::kF64;
    default:
      return TensorType::kU32;
  }
}

// "[to], [from], bytes{, [mbarrier]}{, policy}". Slot `operation` of the pattern names the reduction.
template <size_t kOperation>
void build_reduction(Builder& builder) {
  const bool is_counted = builder.has(".mbarrier::complete_tx::bytes");
  const size_t operands = 3 + (is_counted ? 1 : 0) + (builder.has(".L2::cache_hint") ? 1 : 0);
  builder.expect_operands(operands, operands);
  read_store_operands(builder);
  if (is_counted) builder.read_address_and_offset(3);
  const ReductionForm form{
      reduction_from_name(builder.slot(kOperation)),
      element_type(ptx::type_from_name(builder.last_slot().substr(1))),
  };
  builder.set_immediate(encode(form));
  builder.set_handler(is_counted ? &reduce_to_shared : &store_to_global<true>);
}

// --- Groups. immediate: groups that may be pending.

Step commit(const Operation& /*operation*/, Warp& warp, uint32_t executing) {
  commit_stores(warp, executing);
  return Step::kNext;
}

template <auto kWait>
Step wait_for_groups(const Operation& operation, Warp& warp, uint32_t executing) {
  kWait(warp, executing, static_cast<uint32_t>(operation.immediate));
  return Step::kNext;
}

void build_wait_for_groups(Builder& builder) {
  builder.expect_operands(1, 1);
  builder.set_immediate(builder.constant(0));
  builder.set_handler(builder.has(".read") ? &wait_for_groups<&read_stores>
                                           : &wait_for_groups<&finish_stores>);
}

// --- Operands: from, offset, bytes. There is no cache; the rules for the operands are the same.

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

// Which slots of the patterns name the reduction.
constexpr size_t kInShared = 6;
constexpr size_t kInGlobal = 7;

constexpr auto kBulkCopyForms = std::to_array<Form>({
    {"cp .async .bulk (.shared::cluster|.shared::cta) .global .mbarrier::complete_tx::bytes "
     "[.multicast::cluster] [.L2::cache_hint]",
     &build_copy_to_shared<AddressSpace::kGlobal>, kArrivesLate},
    {"cp .async .bulk .shared::cluster .shared::cta .mbarrier::complete_tx::bytes",
     &build_copy_to_shared<AddressSpace::kShared>, kArrivesLate},
    {"cp .async .bulk .global .shared::cta .bulk_group [.L2::cache_hint]", &build_store_to_global,
     kStoredLate},
    {"cp .async .bulk .commit_group", &build_without_operands<&commit>},
    {"cp .async .bulk .wait_group [.read]", &build_wait_for_groups},
    {"cp .async .bulk .prefetch .L2 .global [.L2::cache_hint]", &build_prefetch,
     "no effect but the checks of its operands"},
    {"cp .reduce .async .bulk .shared::cluster .shared::cta .mbarrier::complete_tx::bytes "
     "(.and|.or|.xor) .b32",
     &build_reduction<kInShared>, kArrivesLate},
    {"cp .reduce .async .bulk .shared::cluster .shared::cta .mbarrier::complete_tx::bytes "
     "(.add|.min|.max) (.u32|.s32)",
     &build_reduction<kInShared>, kArrivesLate},
    {"cp .reduce .async .bulk .shared::cluster .shared::cta .mbarrier::complete_tx::bytes "
     "(.inc|.dec) .u32",
     &build_reduction<kInShared>, kArrivesLate},
    {"cp .reduce .async .bulk .shared::cluster .shared::cta .mbarrier::complete_tx::bytes "
     ".add .u64",
     &build_reduction<kInShared>, kArrivesLate},
    {"cp .reduce .async .bulk .global .shared::cta .bulk_group [.L2::cache_hint] (.and|.or|.xor) "
     "(.b32|.b64)",
     &build_reduction<kInGlobal>, kStoredLate},
    {"cp .reduce .async .bulk .global .shared::cta .bulk_group [.L2::cache_hint] .add "
     "(.u32|.s32|.u64|.f32|.f64)",
     &build_reduction<kInGlobal>, kStoredLate},
    {"cp .reduce .async .bulk .global .shared::cta .bulk_group [.L2::cache_hint] .add .noftz "
     "(.f16|.bf16)",
     &build_reduction<kInGlobal>, kStoredLate},
    {"cp .reduce .async .bulk .global .shared::cta .bulk_group [.L2::cache_hint] (.min|.max) "
     "(.u32|.s32|.u64|.s64|.f16|.bf16)",
     &build_reduction<kInGlobal>, kStoredLate},
    {"cp .reduce .async .bulk .global .shared::cta .bulk_group [.L2::cache_hint] (.inc|.dec) .u32",
     &build_reduction<kInGlobal>, kStoredLate},
});

}  // namespace

Family bulk_copy_family() { return {"Copies of blocks", "bulk_copy.cc", kBulkCopyForms}; }

}  // namespace slipstream::emulator
