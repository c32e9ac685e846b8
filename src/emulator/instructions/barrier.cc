// Barriers of a CTA and of a warp, and fences.
#include <fmt/format.h>

#include <array>

#include "emulator/instructions/families.h"
#include "emulator/instructions/lanes.h"
#include "emulator/machine/access.h"
#include "emulator/machine/cta.h"
#include "emulator/machine/fault_report.h"
#include "emulator/machine/grid_run.h"
#include "emulator/machine/grid_shape.h"
#include "emulator/machine/watch.h"

namespace slipstream::emulator {
namespace {

enum class Kind : uint8_t { kSync, kArrive, kPopulation, kAnd, kOr };

constexpr bool reduces(Kind kind) { return kind >= Kind::kPopulation; }

uint32_t count_lanes(uint32_t mask) { return static_cast<uint32_t>(__builtin_popcount(mask)); }

// Operands: d, predicate, barrier, thread count (0: all). immediate: 1 if the whole warp must come.
NamedBarrier& barrier_of(const Operation& operation, Warp& warp, uint32_t lane, uint32_t& index) {
  index = operand<uint32_t>(operation, warp, 2)[lane];
  const uint32_t threads = operand<uint32_t>(operation, warp, 3)[lane];
  if (index >= kNamedBarriers) {
    raise(FaultKind::kIllegalInstruction, lane,
          fmt::format("barrier {} does not exist; a CTA has {}", index, kNamedBarriers));
  }
  if (threads % kWarpSize != 0) {
    raise(FaultKind::kIllegalInstruction, lane,
          fmt::format("barrier {} for {} threads, which is no multiple of the warp size", index,
                      threads));
  }
  NamedBarrier& barrier = warp.cta->barriers[index];
  if (barrier.in_use && barrier.expected != threads) {
    raise(FaultKind::kDivergentBarrier, lane,
          fmt::format("barrier {} for {} threads, while others wait at it for {} (0: all)", index,
                      threads, barrier.expected));
  }
  barrier.in_use = true;
  barrier.expected = threads;
  return barrier;
}

template <Kind kKind>
Step finish(const Operation& operation, Warp& warp, uint32_t executing) {
  const uint32_t result = warp.detail;
  warp.resumed = false;
  if constexpr (kKind == Kind::kPopulation) {
    const uint32_t count = result & ~(kBarrierAny | kBarrierAll);
    for_each_lane(executing,
                  [&](uint32_t lane) { operand<uint32_t>(operation, warp, 0)[lane] = count; });
  } else if constexpr (reduces(kKind)) {
    const uint32_t flag = kKind == Kind::kAnd ? kBarrierAll : kBarrierAny;
    assign(predicate(operation, warp, 0), (result & flag) != 0 ? kAllLanes : 0, executing);
  }
  return Step::kNext;
}

// A barrier of all threads that a part of a warp has left: undefined, though GPUs go on.
void report_exited_lanes(Warp& warp, uint32_t lane) {
  const uint32_t exited = lanes_of(*warp.cta->cluster->grid, warp.index) & ~warp.live;
  if (exited == 0) return;
  report_once(warp, LaneFault(FaultKind::kExitedLanes, lane, 0,
                              fmt::format("lanes {:#010x} of warp {} have exited and do not come "
                                          "to this barrier, as the others of the warp do",
                                          exited, warp.index)));
}

template <Kind kKind>
Step synchronize(const Operation& operation, Warp& warp, uint32_t executing) {
  if (warp.resumed) return finish<kKind>(operation, warp, executing);
  const bool is_aligned = operation.immediate != 0;
  if (is_aligned && !gather(warp, operation, warp.live, executing)) {
    return park(warp, executing, Wait::kConvergence, warp.live);
  }
  const auto lane = static_cast<uint32_t>(__builtin_ctz(executing));
  uint32_t index = 0;
  NamedBarrier& barrier = barrier_of(operation, warp, lane, index);
  if (is_aligned && barrier.expected == 0) report_exited_lanes(warp, lane);
  const bool counts_whole_warp = barrier.expected != 0 && executing == warp.live;
  barrier.arrived += counts_whole_warp ? kWarpSize : count_lanes(executing);
  if (race::ClusterOrder* const order = order_of(warp)) {
    order->arrive(order_index(warp), executing, index);
  }
  if constexpr (reduces(kKind)) {
    barrier.count_true += count_lanes(predicate(operation, warp, 1) & executing);
    barrier.contributed += count_lanes(executing);
  }
  if constexpr (kKind == Kind::kArrive) {
    complete_barriers(*warp.cta);
    return Step::kNext;
  }
  const Step step = park(warp, executing, Wait::kBarrier, index);
  complete_barriers(*warp.cta);
  return step;
}

// Builds d (or scratch), predicate (or none), barrier, threads.
template <Kind kKind>
void build_barrier(Builder& builder) {
  const size_t first = reduces(kKind) ? 1 : 0;
  const size_t last = reduces(kKind) ? 1 : 0;
  const size_t least = first + 1 + last + (kKind == Kind::kArrive ? 1 : 0);
  builder.expect_operands(least, first + 2 + last);
  const bool has_count = builder.count() == first + 2 + last;
  const ptx::Type result = kKind == Kind::kPopulation ? ptx::Type::kB32 : ptx::Type::kPred;
  if constexpr (reduces(kKind)) {
    builder.write(0, result);
    builder.read(builder.count() - 1, ptx::Type::kPred);
  } else {
    builder.scratch(result);
    builder.read_constant(0, ptx::Type::kPred);
  }
  builder.read(first, ptx::Type::kB32);
  has_count ? builder.read(first + 1, ptx::Type::kB32) : builder.read_constant(0, ptx::Type::kB32);
  const bool is_aligned = builder.instruction().opcode->head == "bar" || builder.has(".aligned");
  builder.set_immediate(is_aligned ? 1 : 0);
  builder.set_handler(&synchronize<kKind>);
}

// --- bar.warp.sync: lanes may come from different instructions. Operand: mask.

Step synchronize_warp(const Operation& operation, Warp& warp, uint32_t executing) {
  if (warp.resumed) {
    warp.resumed = false;
    return Step::kNext;
  }
  const auto first = static_cast<uint32_t>(__builtin_ctz(executing));
  const uint32_t mask = operand<uint32_t>(operation, warp, 0)[first];
  if ((mask & executing) == 0) {
    raise(FaultKind::kIllegalInstruction, first,
          fmt::format("member mask {:#010x} does not name lane {}", mask, first));
  }
  const auto& operations = warp.cta->cluster->grid->program->operations;
  const auto is_here = [&](const Group& group) {
    return group.wait == Wait::kConvergence && (group.lanes & mask) != 0 &&
           operations[group.pc].execute == &synchronize_warp;
  };
  uint32_t arrived = executing;
  for (const Group& group : warp.groups) arrived |= is_here(group) ? group.lanes : 0;
  if ((mask & warp.live & ~arrived) != 0) return park(warp, executing, Wait::kConvergence, mask);
  if (race::ClusterOrder* const order = order_of(warp)) {
    order->synchronize_lanes(order_index(warp), mask);
  }
  for (Group& group : warp.groups) {
    if (is_here(group)) {
      group.wait = Wait::kNone;
      group.resumed = true;
      group.detail = 0;
    }
  }
  return Step::kNext;
}
void build_warp_barrier(Builder& builder) {
  builder.expect_operands(1, 1);
  builder.read(0, ptx::Type::kB32);
  builder.set_handler(&synchronize_warp);
}

// --- Fences. Within a grid every store is visible at once; other grids see it when it is
// published.

Step nothing(const Operation& /*operation*/, Warp& /*warp*/, uint32_t /*executing*/) {
  return Step::kNext;
}
// immediate: what the fence does, and how far.
constexpr int64_t kReleases = 1;
constexpr int64_t kAcquires = 2;
constexpr int64_t kSystem = 4;
// Within a CTA every store is visible at once; the race check asks who has fenced.
Step fence_block(const Operation& /*operation*/, Warp& warp, uint32_t /*executing*/) {
  if (race::ClusterOrder* const order = order_of(warp)) order->fence_block(order_index(warp));
  return Step::kNext;
}
Step fence_memory(const Operation& operation, Warp& warp, uint32_t /*executing*/) {
  const bool releases = (operation.immediate & kReleases) != 0;
  if (releases) publish(warp);
  if (race::ClusterOrder* const order = order_of(warp)) {
    const bool system = (operation.immediate & kSystem) != 0;
    order->fence(order_index(warp), system ? race::Scope::kSystem : race::Scope::kDevice,
                 (operation.immediate & kAcquires) != 0, releases);
    if (releases) order->fence_block(order_index(warp));
  }
  return Step::kNext;
}
void build_fence(Builder& builder) {
  const bool is_wide = builder.has(".gpu") || builder.has(".sys") || builder.has(".gl");
  builder.set_immediate((builder.has(".acquire") ? 0 : kReleases) |
                        (builder.has(".release") ? 0 : kAcquires) |
                        (builder.has(".sys") ? kSystem : 0));
  builder.set_handler(is_wide ? &fence_memory : &fence_block);
}
Step fence_proxy(const Operation& /*operation*/, Warp& warp, uint32_t /*executing*/) {
  if (order_of(warp) != nullptr) watch_proxy_fence(warp);
  return Step::kNext;
}
void build_proxy_fence(Builder& builder) {
  const bool is_shared = builder.has(".async.shared::cta") ||
                         builder.has(".async.shared::cluster") || builder.has(".shared::cta") ||
                         builder.has(".shared::cluster") || builder.has(".alias");
  builder.set_handler(is_shared ? &nothing : &fence_proxy);
}
void build_nothing(Builder& builder) { builder.set_handler(&nothing); }

constexpr auto kBarrierForms = std::to_array<Form>({
    {"bar [.cta] .sync", &build_barrier<Kind::kSync>},
    {"bar [.cta] .arrive", &build_barrier<Kind::kArrive>},
    {"bar [.cta] .red .popc .u32", &build_barrier<Kind::kPopulation>},
    {"bar [.cta] .red .and .pred", &build_barrier<Kind::kAnd>},
    {"bar [.cta] .red .or .pred", &build_barrier<Kind::kOr>},
    {"barrier [.cta] .sync [.aligned]", &build_barrier<Kind::kSync>},
    {"barrier [.cta] .arrive [.aligned]", &build_barrier<Kind::kArrive>},
    {"barrier [.cta] .red .popc [.aligned] .u32", &build_barrier<Kind::kPopulation>},
    {"barrier [.cta] .red .and [.aligned] .pred", &build_barrier<Kind::kAnd>},
    {"barrier [.cta] .red .or [.aligned] .pred", &build_barrier<Kind::kOr>},
    {"bar .warp .sync", &build_warp_barrier},
    {"membar (.cta|.gl|.sys)", &build_fence},
    {"fence [.sc|.acq_rel|.acquire|.release] (.cta|.cluster|.gpu|.sys)", &build_fence},
    {"fence .proxy (.alias|.async)", &build_proxy_fence, "proxies are one: no effect"},
    {"fence .proxy .async (.global|.shared::cta|.shared::cluster)", &build_proxy_fence,
     "proxies are one: no effect"},
    {"fence .proxy .tensormap::generic (.acquire|.release|.acq_rel) (.cta|.cluster|.gpu|.sys)",
     &build_nothing, "proxies are one: no effect"},
    {"fence .mbarrier_init .release .cluster", &build_nothing, "no effect"},
    {"fence .acquire .sync_restrict::shared::cluster .cluster", &build_nothing, "no effect"},
    {"fence .release .sync_restrict::shared::cta .cluster", &build_nothing, "no effect"},
});

}  // namespace

Family barrier_family() { return {"Barriers and fences", "barrier.cc", kBarrierForms}; }

}  // namespace slipstream::emulator
