// Exchange between the lanes of a warp.
#include <fmt/format.h>

#include <array>
#include <type_traits>

#include "emulator/instructions/families.h"
#include "emulator/instructions/lanes.h"
#include "emulator/instructions/member_sets.h"
#include "emulator/machine/cta.h"
#include "emulator/machine/fault_report.h"
#include "emulator/machine/grid_run.h"
#include "emulator/machine/grid_shape.h"

namespace slipstream::emulator {
namespace {

// --- shfl: operands d, p, a, b, c, mask.

enum class Shuffle : uint8_t { kUp, kDown, kButterfly, kIndex };

// Which lane is read, and whether it is in range. `c` holds the last lane of a segment in its low bits, and which lane bits
// choose the segment.
template <Shuffle kMode>
uint32_t source_of(uint32_t lane, uint32_t b, uint32_t c) {
  const uint32_t by = b & 31U;
  if constexpr (kMode == Shuffle::kUp) return lane - by;
  if constexpr (kMode == Shuffle::kDown) return lane + by;
  if constexpr (kMode == Shuffle::kButterfly) return lane ^ by;
  const uint32_t segment = (c >> 8U) & 31U;
  return (lane & segment) | (by & ~segment);
}
template <Shuffle kMode>
bool is_in_range(uint32_t lane, uint32_t source, uint32_t c) {
  const uint32_t segment = (c >> 8U) & 31U;
  const uint32_t last = (lane & segment) | (c & 31U & ~segment);
  return kMode == Shuffle::kUp ? static_cast<int32_t>(source) >= static_cast<int32_t>(last)
                               : source <= last;
}

// The mask names the lane that is read, so its thread should have been there.
void report_exited_lane(Warp& warp, uint32_t lane, uint32_t source) {
  if (!has_lane(lanes_of(*warp.cta->cluster->grid, warp.index) & ~warp.live, source)) return;
  report_once(warp, LaneFault(FaultKind::kExitedLanes, lane, 0,
                              fmt::format("lane {} reads the value of lane {}, which has exited",
                                          lane, source)));
}

// Of all lanes, by loops of their own that become vector instructions.
using LaneValues = std::array<uint32_t, kWarpSize>;

// A bit for each lane that has 1.
uint32_t mask_of(const LaneValues& lanes) {
  uint32_t mask = 0;
  for (uint32_t lane = 0; lane < kWarpSize; ++lane) mask |= lanes[lane] << lane;
  return mask;
}

struct Sources {
  alignas(64) LaneValues lane;  // their own where they can read no other's
  alignas(64) LaneValues in_range;
  alignas(64) LaneValues usable;
};
template <Shuffle kMode>
void find_sources(const uint32_t* b, const uint32_t* c, uint32_t members, Sources& sources) {
  for (uint32_t lane = 0; lane < kWarpSize; ++lane) {
    const uint32_t source = source_of<kMode>(lane, b[lane], c[lane]);
    const uint32_t in_range = is_in_range<kMode>(lane, source, c[lane]) ? 1 : 0;
    // What a lane outside the member set holds is undefined; its own value is as good as any.
    const uint32_t usable = in_range & members >> (source & 31U);
    sources.lane[lane] = usable != 0 ? source : lane;
    sources.in_range[lane] = in_range;
    sources.usable[lane] = usable;
  }
}

template <Shuffle kMode>
Step shuffle(const Operation& operation, Warp& warp, uint32_t executing) {
  const auto* const masks = operand<uint32_t>(operation, warp, 5);
  return for_each_member_set(operation, warp, executing, masks, [&](uint32_t members) {
    const auto* const a = operand<uint32_t>(operation, warp, 2);
    const auto* const b = operand<uint32_t>(operation, warp, 3);
    const auto* const c = operand<uint32_t>(operation, warp, 4);
    Sources sources;
    find_sources<kMode>(b, c, members, sources);
    const uint32_t in_range = mask_of(sources.in_range);
    const uint32_t usable = mask_of(sources.usable);
    for_each_lane(in_range & ~usable & members, [&](uint32_t lane) {
      const uint32_t source = source_of<kMode>(lane, b[lane], c[lane]);
      if (has_lane(masks[lane], source)) report_exited_lane(warp, lane, source);
    });
    alignas(64) LaneValues values;
    for (uint32_t lane = 0; lane < kWarpSize; ++lane) values[lane] = a[sources.lane[lane]];
    assign_lanes(operand<uint32_t>(operation, warp, 0), values.data(), members);
    assign(predicate(operation, warp, 1), in_range, members);
  });
}

template <Shuffle kMode>
void build_shuffle(Builder& builder) {
  builder.expect_operands(5, 5);
  const ptx::Operand& target = builder.operand(0);
  if (target.kind == ptx::OperandKind::kPair) {
    builder.write(builder.children(target)[0], ptx::Type::kB32);
    builder.write(builder.children(target)[1], ptx::Type::kPred);
  } else {
    builder.write(target, ptx::Type::kB32);
    builder.scratch(ptx::Type::kPred);
  }
  for (size_t i = 1; i < 5; ++i) builder.read(i, ptx::Type::kB32);
  builder.set_handler(&shuffle<kMode>);
}

// --- vote: operands d, a, mask.

enum class Vote : uint8_t { kAll, kAny, kUniform, kBallot };

template <Vote kVote>
Step vote(const Operation& operation, Warp& warp, uint32_t executing) {
  const auto* const masks = operand<uint32_t>(operation, warp, 2);
  return for_each_member_set(operation, warp, executing, masks, [&](uint32_t members) {
    const uint32_t votes = predicate(operation, warp, 1) & members;
    if constexpr (kVote == Vote::kBallot) {
      alignas(64) LaneValues all;
      all.fill(votes);
      assign_lanes(operand<uint32_t>(operation, warp, 0), all.data(), members);
    } else {
      const bool holds = kVote == Vote::kAll   ? votes == members
                         : kVote == Vote::kAny ? votes != 0
                                               : votes == members || votes == 0;
      assign(predicate(operation, warp, 0), holds ? kAllLanes : 0, members);
    }
  });
}

template <Vote kVote>
void build_vote(Builder& builder) {
  builder.expect_operands(3, 3);
  builder.write(0, kVote == Vote::kBallot ? ptx::Type::kB32 : ptx::Type::kPred);
  builder.read(1, ptx::Type::kPred);
  builder.read(2, ptx::Type::kB32);
  builder.set_handler(&vote<kVote>);
}

// --- match: operands d, p, a, mask.

template <class T, bool kAll>
Step match(const Operation& operation, Warp& warp, uint32_t executing) {
  const auto* const masks = operand<uint32_t>(operation, warp, 3);
  return for_each_member_set(operation, warp, executing, masks, [&](uint32_t members) {
    const T* const values = operand<T>(operation, warp, 2);
    auto* const result = operand<uint32_t>(operation, warp, 0);
    std::array<uint32_t, kWarpSize> same{};
    for_each_lane(members, [&](uint32_t lane) {
      for_each_lane(members, [&](uint32_t other) {
        same[lane] |= static_cast<uint32_t>(values[other] == values[lane]) << other;
      });
    });
    uint32_t all_same = 0;
    for_each_lane(members, [&](uint32_t lane) {
      const bool agrees = same[lane] == members;
      all_same |= static_cast<uint32_t>(agrees) << lane;
      result[lane] = kAll && !agrees ? 0 : same[lane];
    });
    assign(predicate(operation, warp, 1), all_same, members);
  });
}

template <class T, bool kAll>
void build_match(Builder& builder) {
  builder.expect_operands(3, 3);
  const ptx::Operand& target = builder.operand(0);
  if (kAll && target.kind == ptx::OperandKind::kPair) {
    builder.write(builder.children(target)[0], ptx::Type::kB32);
    builder.write(builder.children(target)[1], ptx::Type::kPred);
  } else {
    builder.write(target, ptx::Type::kB32);
    builder.scratch(ptx::Type::kPred);
  }
  builder.read(1, kPtxType<T>);
  builder.read(2, ptx::Type::kB32);
  builder.set_handler(&match<T, kAll>);
}

// --- redux: operands d, a, mask.

constexpr auto kAdd = [](auto a, auto b) { return a + b; };
constexpr auto kAnd = [](auto a, auto b) { return a & b; };
constexpr auto kOr = [](auto a, auto b) { return a | b; };
constexpr auto kXor = [](auto a, auto b) { return a ^ b; };
constexpr auto kMinimum = [](auto a, auto b) { return a < b ? a : b; };
constexpr auto kMaximum = [](auto a, auto b) { return a > b ? a : b; };

template <auto kFunction, class T>
Step reduce(const Operation& operation, Warp& warp, uint32_t executing) {
  const auto* const masks = operand<uint32_t>(operation, warp, 2);
  return for_each_member_set(operation, warp, executing, masks, [&](uint32_t members) {
    const T* const values = operand<T>(operation, warp, 1);
    T sum = values[__builtin_ctz(members)];
    for_each_lane(members & (members - 1),
                  [&](uint32_t lane) { sum = kFunction(sum, values[lane]); });
    T* const result = operand<T>(operation, warp, 0);
    for_each_lane(members, [&](uint32_t lane) { result[lane] = sum; });
  });
}
template <auto kFunction, class T>
void build_reduce(Builder& builder) {
  read_operands<T, T, uint32_t>(builder);
  builder.set_handler(&reduce<kFunction, T>);
}

// --- elect: operands d, p, mask. The least lane is elected.

Step elect(const Operation& operation, Warp& warp, uint32_t executing) {
  const auto* const masks = operand<uint32_t>(operation, warp, 2);
  return for_each_member_set(operation, warp, executing, masks, [&](uint32_t members) {
    const auto leader = static_cast<uint32_t>(__builtin_ctz(members));
    auto* const result = operand<uint32_t>(operation, warp, 0);
    for_each_lane(members, [&](uint32_t lane) { result[lane] = leader; });
    assign(predicate(operation, warp, 1), 1U << leader, members);
  });
}
void build_elect(Builder& builder) {
  builder.expect_operands(2, 2);
  const ptx::Operand& target = builder.operand(0);
  if (target.kind != ptx::OperandKind::kPair) builder.reject("its destination must be d|p");
  builder.write(builder.children(target)[0], ptx::Type::kB32);
  builder.write(builder.children(target)[1], ptx::Type::kPred);
  builder.read(1, ptx::Type::kB32);
  builder.set_handler(&elect);
}

Step active_mask(const Operation& operation, Warp& warp, uint32_t executing) {
  auto* const result = operand<uint32_t>(operation, warp, 0);
  for_each_lane(executing, [&](uint32_t lane) { result[lane] = executing; });
  return Step::kNext;
}
void build_active_mask(Builder& builder) {
  builder.expect_operands(1, 1);
  builder.write(0, ptx::Type::kB32);
  builder.set_handler(&active_mask);
}

constexpr auto kCollectiveForms = std::to_array<Form>({
    {"shfl .sync .up .b32", &build_shuffle<Shuffle::kUp>},
    {"shfl .sync .down .b32", &build_shuffle<Shuffle::kDown>},
    {"shfl .sync .bfly .b32", &build_shuffle<Shuffle::kButterfly>},
    {"shfl .sync .idx .b32", &build_shuffle<Shuffle::kIndex>},
    {"vote .sync .all .pred", &build_vote<Vote::kAll>},
    {"vote .sync .any .pred", &build_vote<Vote::kAny>},
    {"vote .sync .uni .pred", &build_vote<Vote::kUniform>},
    {"vote .sync .ballot .b32", &build_vote<Vote::kBallot>},
    {"match .any .sync .b32", &build_match<uint32_t, false>},
    {"match .any .sync .b64", &build_match<uint64_t, false>},
    {"match .all .sync .b32", &build_match<uint32_t, true>},
    {"match .all .sync .b64", &build_match<uint64_t, true>},
    {"redux .sync .add (.u32|.s32)", &build_reduce<kAdd, uint32_t>},
    {"redux .sync .min .u32", &build_reduce<kMinimum, uint32_t>},
    {"redux .sync .min .s32", &build_reduce<kMinimum, int32_t>},
    {"redux .sync .max .u32", &build_reduce<kMaximum, uint32_t>},
    {"redux .sync .max .s32", &build_reduce<kMaximum, int32_t>},
    {"redux .sync .and .b32", &build_reduce<kAnd, uint32_t>},
    {"redux .sync .or .b32", &build_reduce<kOr, uint32_t>},
    {"redux .sync .xor .b32", &build_reduce<kXor, uint32_t>},
    {"elect .sync", &build_elect, "elects the lowest lane"},
    {"activemask .b32", &build_active_mask},
});

}  // namespace

Family collective_family() { return {"Exchange within a warp", "collective.cc", kCollectiveForms}; }

}  // namespace slipstream::emulator
