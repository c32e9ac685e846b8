// cp.async.bulk.tensor and its kind: boxes of tensors that tensor maps describe (tensor_box.h).
// When loads arrive is decided in late_copies.h, when stores take place in machine/bulk_store.h.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "emulator/arithmetic/floating.h"
#include "emulator/instructions/aligned.h"
#include "emulator/instructions/bulk_reduction.h"
#include "emulator/instructions/families.h"
#include "emulator/instructions/lanes.h"
#include "emulator/instructions/late_copies.h"
#include "emulator/instructions/tensor_box.h"
#include "emulator/machine/access.h"
#include "emulator/machine/watch.h"
#include "emulator/program/round_up.h"

namespace slipstream::emulator {
namespace {

constexpr uint32_t kSharedAlignment = 128;  // of a box
// OOB-NaN fill is this 16-bit pattern in tensors of every type.
constexpr std::array<uint8_t, 2> kNanPattern = {0xf7, 0x7f};

// An address operand and the offset that follows it.
uint64_t address_of(const Operation& operation, Warp& warp, size_t index, uint32_t lane) {
  return listed_operand<const uint64_t>(operation, warp, index)[lane] +
         listed_operand<const uint64_t>(operation, warp, index + 1)[lane];
}

// --- The map and the coordinates. Operands: map, offset, coordinates.

[[noreturn]] void raise_for_map(uint32_t lane, uint64_t address, const std::string& what) {
  raise(FaultKind::kIllegalInstruction, lane, fmt::format("tensor map at {:#x}: {}", address, what),
        address);
}

TensorMap read_map(Warp& warp, uint32_t lane, uint64_t address) {
  std::array<std::byte, kTensorMapBytes> bytes;
  load(warp, lane, AddressSpace::kGeneric, address, bytes.data(), kTensorMapBytes,
       kTensorMapAlignment, Watched::kAlready);
  const std::optional<TensorMap> map = unpack(bytes);
  if (!map) {
    raise_for_map(lane, address, "it was never encoded, or something wrote over it");
  }
  if (const auto problem = problem_of(*map)) raise_for_map(lane, address, *problem);
  return *map;
}

// immediate: the rank, and more above it.
constexpr int64_t kRankMask = 7;

Coordinates coordinates_at(const Operation& operation, Warp& warp, size_t index, uint32_t lane) {
  Coordinates at{};
  for (uint32_t i = 0; i < (operation.immediate & kRankMask); ++i) {
    at[i] = listed_operand<const int32_t>(operation, warp, index + i)[lane];
  }
  return at;
}

// What a copy is about.
struct Request {
  TensorMap map;
  Coordinates at{};
};

// Operand `index`: the map.
Request request_of(const Operation& operation, Warp& warp, size_t index, uint32_t lane) {
  const auto rank = static_cast<uint32_t>(operation.immediate & kRankMask);
  const uint64_t address = address_of(operation, warp, index, lane);
  const Request request{read_map(warp, lane, address),
                        coordinates_at(operation, warp, index + 2, lane)};
  const TensorMap& map = request.map;
  if (map.rank != rank) {
    raise_for_map(
        lane, address,
        fmt::format("its tensor has rank {}, and the copy {} coordinates", map.rank, rank));
  }
  if (const auto reason = unknown_copy(map, request.at)) raise_for_map(lane, address, *reason);
  if (!starts_aligned(map, request.at)) {
    raise_for_map(lane, address,
                  fmt::format("coordinate 0 is {}, so that the box does not start at a multiple of "
                              "{} bytes in its {} tensor",
                              request.at[0], kTensorChunk, name_of(map.type)));
  }
  return request;
}

struct Copy {
  TensorMap map;
  Coordinates at{};
  Box box;
};

// The copy between that tensor and shared memory at `shared`.
Copy copy_of(const Operation& operation, Warp& warp, size_t index, uint32_t lane, uint64_t shared) {
  resolve_shared(warp, lane, shared, 0, kSharedAlignment);
  const Request request = request_of(operation, warp, index, lane);
  return {request.map, request.at, make_box(request.map, request.at)};
}

// --- Loads.

void fill(const TensorMap& map, std::span<std::byte> bytes) {
  if (map.fill == TensorFill::kZero) {
    std::memset(bytes.data(), 0, bytes.size());
    return;
  }
  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = std::byte{kNanPattern[i % kNanPattern.size()]};
  }
}

// tf32 tensors hold f32 values, which a load rounds to the nearest tf32, ties away from zero.
void round_to_tf32(std::span<std::byte> bytes) {
  constexpr uint32_t kHalf = 0x1000;
  constexpr uint32_t kKept = ~0x1fffU;
  constexpr uint32_t kInfinity = 0x7f800000;
  for (size_t at = 0; at < bytes.size(); at += sizeof(uint32_t)) {
    uint32_t bits = 0;
    std::memcpy(&bits, &bytes[at], sizeof(bits));
    const uint32_t magnitude = bits & ~0x80000000U;
    if (magnitude > kInfinity) {
      bits = kCanonicalNan & kKept;
    } else if (magnitude < kInfinity) {
      bits = (bits + kHalf) & kKept;
    }
    std::memcpy(&bytes[at], &bits, sizeof(bits));
  }
}

// Reads a row of the box, filled up where it is outside of the tensor. Returns whether nobody has to follow it.
bool load_row(Warp& warp, uint32_t lane, const TensorMap& map, const BoxRow& row,
              std::span<std::byte> into) {
  if (row.end <= row.begin) {
    fill(map, into);
    return true;
  }
  fill(map, into.first(row.begin));
  fill(map, into.subspan(row.end));
  const auto inside = into.subspan(row.begin, row.end - row.begin);
  const bool written =
      load(warp, lane, AddressSpace::kGlobal, row.address, inside.data(), row.end - row.begin,
           kTensorChunk, Watched::kNotYet, Reach::kAll, Unwritten::kFollowed);
  if (map.type == TensorType::kTf32 || map.type == TensorType::kTf32Ftz) round_to_tf32(inside);
  return written;
}

// What a load puts into shared memory, from the box's place on: all of the bytes, or of a swizzled
// box the chunks that are marked.
struct Image {
  std::vector<std::byte> bytes;
  std::vector<bool> chunks;
  std::vector<BoxRow> unwritten;  // that have bytes without values
};

Image load_rows(Warp& warp, uint32_t lane, const Copy& copy) {
  Image image{std::vector<std::byte>(copy.box.bytes()), {}, {}};
  for (const BoxRow& row : copy.box.rows) {
    const auto into = std::span(image.bytes).subspan(row.offset, copy.box.row_bytes);
    if (!load_row(warp, lane, copy.map, row, into)) image.unwritten.push_back(row);
  }
  return image;
}

// Chunks stay in their line of 128 bytes, to which the box is aligned.
Image load_swizzled_rows(Warp& warp, uint32_t lane, const Copy& copy, uint64_t to) {
  const Box& box = copy.box;
  const size_t lines = (box.rows.size() * box.row_pitch + kSharedAlignment - 1) / kSharedAlignment;
  Image image{std::vector<std::byte>(lines * kSharedAlignment),
              std::vector<bool>(lines * kSharedAlignment / kTensorChunk),
              {}};
  std::vector<std::byte> values(box.row_bytes);
  for (const BoxRow& row : box.rows) {
    if (!load_row(warp, lane, copy.map, row, values)) image.unwritten.push_back(row);
    for (uint32_t at = 0; at < box.row_bytes; at += kTensorChunk) {
      const uint64_t place = swizzled(to + row.offset + at, copy.map.swizzle) - to;
      std::memcpy(&image.bytes[place], &values[at], kTensorChunk);
      image.chunks[place / kTensorChunk] = true;
    }
  }
  return image;
}

Image load_box(Warp& warp, uint32_t lane, const Copy& copy, uint64_t to) {
  return copy.map.swizzle == TensorSwizzle::kNone ? load_rows(warp, lane, copy)
                                                  : load_swizzled_rows(warp, lane, copy, to);
}

// Calls send(offset, bytes) for each run of bytes that the load writes; mostly there is one.
template <class Send>
void for_each_run(const Image& image, Send send) {
  const std::span<const std::byte> bytes(image.bytes);
  if (image.chunks.empty()) {
    send(0, bytes);
    return;
  }
  const auto end = image.chunks.end();
  for (auto first = std::find(image.chunks.begin(), end, true); first != end;) {
    const auto last = std::find(first, end, false);
    const auto offset = static_cast<size_t>(first - image.chunks.begin()) * kTensorChunk;
    send(offset, bytes.subspan(offset, static_cast<size_t>(last - first) * kTensorChunk));
    first = std::find(last, end, true);
  }
}

// After the load into shared memory at `base`, `to` or the same place of another CTA.
void leave_unwritten(Warp& warp, uint32_t lane, const Image& image, TensorSwizzle swizzle,
                     uint64_t to, uint64_t base) {
  for (const BoxRow& row : image.unwritten) {
    for (uint32_t at = row.begin; at < row.end;) {
      const uint32_t bytes = std::min(kTensorChunk - at % kTensorChunk, row.end - at);
      const uint64_t place = swizzled(to + row.offset + at, swizzle);
      copy_unwritten(warp, lane, AddressSpace::kGlobal, row.address + at - row.begin,
                     base + (place - to), bytes);
      at += bytes;
    }
  }
}

// immediate: whether the mask counts.
constexpr int64_t kMulticast = 8;

// Operands: to, offset, mbarrier, offset, mask of CTAs, map, offset, coordinates.
Step load_tensor(const Operation& operation, Warp& warp, uint32_t executing) {
  const bool multicasts = (operation.immediate & kMulticast) != 0;
  if (order_of(warp) != nullptr) {
    watch_operation(warp, {.kind = race::AccessKind::kRead, .async_proxy = true});
  }
  for_each_lane(executing, [&](uint32_t lane) {
    const uint64_t to = address_of(operation, warp, 0, lane);
    const uint64_t barrier = address_of(operation, warp, 2, lane);
    const Copy copy = copy_of(operation, warp, 5, lane, to);
    const Image image = load_box(warp, lane, copy, to);
    const auto send_to = [&](uint64_t base, uint64_t counter) {
      for_each_run(image, [&](uint64_t offset, std::span<const std::byte> bytes) {
        send_counted(warp, lane, base + offset, bytes, kTensorChunk, counter);
      });
      leave_unwritten(warp, lane, image, copy.map.swizzle, to, base);
    };
    if (!multicasts) {
      send_to(to, barrier);
      return;
    }
    for_each_lane(listed_operand<const uint16_t>(operation, warp, 4)[lane],
                  [&](uint32_t target) { send_to(in_cta(to, target), in_cta(barrier, target)); });
  });
  return Step::kNext;
}

// --- Stores and reductions.

// Unlike loads, stores cannot start before the tensor.
void check_signs(const Copy& copy, uint32_t lane) {
  for (size_t i = 0; i < copy.map.rank; ++i) {
    if (copy.at[i] >= 0) continue;
    raise(FaultKind::kIllegalInstruction, lane,
          fmt::format("a store of a box must not have negative coordinates, coordinate {} is {}", i,
                      copy.at[i]));
  }
}

// Where the last chunk of a row ends of which a part lies inside of the tensor. Such chunks are written whole. The
// memory may end before: what follows it does not matter to anyone.
uint32_t end_of_chunks(Warp& warp, const BoxRow& row) {
  const uint32_t bytes = round_up(row.end, kTensorChunk) - row.begin;
  return std::max(row.end, row.begin + bytes_in_allocation(warp, row.address, bytes));
}

// Adds the chunks of a row that lie inside of the tensor.
void add_row(Warp& warp, const Copy& copy, const BoxRow& row, uint64_t from, BulkStore& store) {
  if (row.end <= row.begin) return;
  const uint32_t end = end_of_chunks(warp, row);
  store.targets.push_back({row.address, end - row.begin});
  const bool is_swizzled = copy.map.swizzle != TensorSwizzle::kNone;
  for (uint32_t at = row.begin; at < end;) {
    const uint32_t bytes = is_swizzled ? std::min(kTensorChunk, end - at) : end - at;
    const uint64_t place = swizzled(from + row.offset + at, copy.map.swizzle);
    store.sources.push_back({source_of_store(warp, store.lane, place, bytes, kTensorChunk), bytes});
    at += bytes;
  }
}

Combine combine_for(uint32_t lane, Reduction reduction, TensorType type) {
  const Combine combine = combine_of(reduction, type);
  if (combine == nullptr) {
    raise(FaultKind::kIllegalInstruction, lane,
          fmt::format("there is no reduction {} of {} tensors", name_of(reduction), name_of(type)));
  }
  return combine;
}

constexpr int64_t kReductionShift = 8;  // of the immediate

// Operands: from, offset, map, offset, coordinates.
template <bool kReduces>
Step store_tensor(const Operation& operation, Warp& warp, uint32_t executing) {
  const auto reduction = static_cast<Reduction>(operation.immediate >> kReductionShift);
  for_each_lane(executing, [&](uint32_t lane) {
    const uint64_t from = address_of(operation, warp, 0, lane);
    const Copy copy = copy_of(operation, warp, 2, lane, from);
    check_signs(copy, lane);
    BulkStore store{.lane = lane, .sources = {}, .targets = {}};
    if (kReduces) store.combine = combine_for(lane, reduction, copy.map.type);
    for (const BoxRow& row : copy.box.rows) add_row(warp, copy, row, from, store);
    issue_store(warp, std::move(store));
  });
  return Step::kNext;
}

// --- Prefetches: there is no cache; the rules for the operands are the same.

Step prefetch_tensor(const Operation& operation, Warp& warp, uint32_t executing) {
  for_each_lane(executing, [&](uint32_t lane) { (void)request_of(operation, warp, 0, lane); });
  return Step::kNext;
}

// --- Building.

uint32_t rank_of(const Builder& builder) {
  for (uint32_t rank = 1; rank <= kMaxTensorRank; ++rank) {
    if (builder.has(fmt::format(".{}d", rank))) return rank;
  }
  return 0;
}

// The coordinates of "[map, {coordinates}]"; none where the operand is something else.
std::span<const ptx::Operand> coordinates_of(Builder& builder, const ptx::Operand& operand) {
  const auto parts = builder.children(operand);
  const bool has_vector = parts.size() == 1 && parts[0].kind == ptx::OperandKind::kVector;
  return has_vector ? builder.children(parts[0]) : std::span<const ptx::Operand>();
}

void read_map_operands(Builder& builder, size_t index) {
  builder.read_address_and_offset(index);
  const auto coordinates = coordinates_of(builder, builder.operand(index));
  const uint32_t rank = rank_of(builder);
  if (coordinates.size() != rank) {
    builder.reject(fmt::format("it must have {} coordinates, it has {}", rank, coordinates.size()));
  }
  for (const ptx::Operand& coordinate : coordinates) builder.read(coordinate, ptx::Type::kS32);
}

// "[to], [map, {coordinates}], [mbarrier]{, mask}{, policy}"
void build_load(Builder& builder) {
  const bool multicasts = builder.has(".multicast::cluster");
  const size_t operands = 3 + (multicasts ? 1 : 0) + (builder.has(".L2::cache_hint") ? 1 : 0);
  builder.expect_operands(operands, operands);
  builder.read_address_and_offset(0);
  builder.read_address_and_offset(2);
  if (multicasts) {
    builder.read(3, ptx::Type::kU16);
  } else {
    builder.read_constant(0, ptx::Type::kU16);
  }
  read_map_operands(builder, 1);
  builder.set_immediate(rank_of(builder) | (multicasts ? kMulticast : 0));
  builder.set_handler(&load_tensor);
}

// "[map, {coordinates}], [from]{, policy}"
void read_store_operands(Builder& builder) {
  const size_t operands = 2 + (builder.has(".L2::cache_hint") ? 1 : 0);
  builder.expect_operands(operands, operands);
  builder.read_address_and_offset(1);
  read_map_operands(builder, 0);
}

void build_store(Builder& builder) {
  read_store_operands(builder);
  builder.set_immediate(rank_of(builder));
  builder.set_handler(&store_tensor<false>);
}

void build_reduce(Builder& builder) {
  constexpr size_t kOperationSlot = 7;
  read_store_operands(builder);
  const Reduction reduction = reduction_from_name(builder.slot(kOperationSlot));
  builder.set_immediate(rank_of(builder) | static_cast<int64_t>(reduction) << kReductionShift);
  builder.set_handler(&store_tensor<true>);
}

// "[map, {coordinates}]{, policy}"
void build_prefetch(Builder& builder) {
  const size_t operands = 1 + (builder.has(".L2::cache_hint") ? 1 : 0);
  builder.expect_operands(operands, operands);
  read_map_operands(builder, 0);
  builder.set_immediate(rank_of(builder));
  builder.set_handler(&prefetch_tensor);
}

constexpr auto kTensorCopyForms = std::to_array<Form>({
    {"cp .async .bulk .tensor (.1d|.2d|.3d|.4d|.5d) (.shared::cluster|.shared::cta) .global "
     "[.tile] .mbarrier::complete_tx::bytes [.multicast::cluster] [.L2::cache_hint]",
     &build_load, kArrivesLate},
    {"cp .async .bulk .tensor (.1d|.2d|.3d|.4d|.5d) .global .shared::cta [.tile] .bulk_group "
     "[.L2::cache_hint]",
     &build_store, kStoredLate},
    {"cp .reduce .async .bulk .tensor (.1d|.2d|.3d|.4d|.5d) .global .shared::cta "
     "(.add|.min|.max|.inc|.dec|.and|.or|.xor) [.tile] .bulk_group [.L2::cache_hint]",
     &build_reduce, kStoredLate},
    {"cp .async .bulk .prefetch .tensor (.1d|.2d|.3d|.4d|.5d) .L2 .global [.tile] "
     "[.L2::cache_hint]",
     &build_prefetch, "no effect but the checks of its operands"},
});

}  // namespace

Family tensor_copy_family() { return {"Copies of tensors", "tensor_copy.cc", kTensorCopyForms}; }

}  // namespace slipstream::emulator
