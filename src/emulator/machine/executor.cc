#include "emulator/machine/executor.h"

#include <algorithm>
#include <cstring>

#include "emulator/arithmetic/rounding_mode.h"
#include "emulator/machine/fault_report.h"
#include "emulator/machine/grid_run.h"
#include "emulator/machine/stall_report.h"
#include "emulator/machine/stop_request.h"
#include "emulator/machine/unwritten_values.h"

namespace slipstream::emulator {
namespace {

// A warp hands over to the next after so many instructions. After some such slices a group that could run, but is not the
// lowest, has a short turn.
constexpr uint64_t kSlice = 16384;
constexpr uint32_t kSlicesBeforeTurn = 4;
constexpr uint64_t kShortTurn = 1024;

struct Counters {
  uint64_t warp_instructions = 0;
  uint64_t lane_instructions = 0;
};

uint32_t executing_lanes(const Warp& warp, const Operation& operation) {
  if (operation.guard == 0) return warp.active;
  uint32_t guard = 0;
  std::memcpy(&guard, warp.registers + operation.guard, sizeof(guard));
  return warp.active & (guard ^ operation.guard_flip);
}

// Runs operations until one says something else than to go on with the next, or lanes that wait are met (kNext). The
// innermost loop of the emulator: it knows its place without the warp, where each operation would wait for the last one's
// store.
Step run_straight(Warp& warp, const Operation* code, Counters& counters) {
  const uint32_t meeting = warp.merge_pc;
  const uint32_t first = warp.pc;
  uint32_t pc = first;
  uint64_t lanes = 0;
  Step step = Step::kNext;
  do {
    const Operation& operation = code[pc];
    if (const uint32_t executing = executing_lanes(warp, operation); executing != 0) {
      lanes += static_cast<uint32_t>(__builtin_popcount(executing));
      step = operation.execute(operation, warp, executing);
      if (step != Step::kNext) break;
    }
    warp.pc = ++pc;
  } while (pc != meeting);
  counters.warp_instructions += pc - first + (step == Step::kNext ? 0 : 1);
  counters.lane_instructions += lanes;
  return step;
}

// The same while some registers of the warp have no values, and until all have.
Step run_following(Warp& warp, const Operation* code, Counters& counters) {
  do {
    const Operation& operation = code[warp.pc];
    use_guard(operation, warp);
    ++counters.warp_instructions;
    if (const uint32_t executing = executing_lanes(warp, operation); executing != 0) {
      counters.lane_instructions += static_cast<uint32_t>(__builtin_popcount(executing));
      const Step step = execute_following(operation, warp, executing);
      if (step != Step::kNext) return step;
    }
  } while (++warp.pc != warp.merge_pc && warp.unwritten != nullptr);
  return Step::kNext;
}

// Runs the warp to the next place where it may stop, and says whether it goes on.
bool run_some(Warp& warp, const Operation* code, uint64_t slice, Counters& counters) {
  const Step step = warp.unwritten == nullptr ? run_straight(warp, code, counters)
                                              : run_following(warp, code, counters);
  if (step == Step::kFollow) ++warp.pc;
  if (step == Step::kNext || step == Step::kFollow) {
    if (warp.pc == warp.merge_pc) meet(warp);
    return true;
  }
  const bool has_lanes = step != Step::kReschedule || (!warp.yielded && select_group(warp));
  // Only jumps make loops, so only they check the slice.
  return has_lanes && counters.warp_instructions < slice;
}

// Runs the warp until it parks, yields or has used up its slice, and says whether it has.
bool run_warp(Warp& warp, const Operation* code, Counters& total) {
  const uint64_t slice = warp.hold ? kShortTurn : kSlice;
  Counters counters;
  bool goes_on = warp.active != 0 || select_group(warp);
  while (goes_on) goes_on = run_some(warp, code, slice, counters);
  const bool slice_is_used_up = warp.active != 0 && counters.warp_instructions >= slice;
  if (slice_is_used_up && slice == kShortTurn) end_hold(warp);
  if (slice_is_used_up && slice == kSlice && ++warp.slices % kSlicesBeforeTurn == 0) rotate(warp);
  total.warp_instructions += counters.warp_instructions;
  total.lane_instructions += counters.lane_instructions;
  return slice_is_used_up;
}

bool is_done(const Warp& warp) { return warp.live == 0; }

// Notices when a cluster only spins. Rounds go over all its warps.
class SpinWatch {
 public:
  SpinWatch(Cluster& cluster, const Worker& worker) : cluster_(cluster), worker_(worker) {}

  void begin_round() {
    all_spin_ = true;
    computes_ = false;
    polls_ = false;
    progress_ = cluster_.progress;
    cost_ = worker_.extra_cost();
  }
  void ran(const Warp& warp, bool used_up_its_slice) {
    all_spin_ = all_spin_ && warp.polls.is_spinning() && !used_up_its_slice;
    computes_ = computes_ || used_up_its_slice;
    polls_ = polls_ || warp.polls.unchanged() != 0;
  }
  // Either every warp that ran spins, or for many rounds some poll and the others do no more than
  // wait for them at barriers.
  bool ends_spinning() {
    // Other things cost extra as well: a kernel that sleeps for a while waits for nobody.
    const bool polled = polls_ && worker_.extra_cost() != cost_;
    const bool is_quiet = !computes_ && cluster_.progress == progress_;
    cluster_.quiet_rounds = is_quiet ? cluster_.quiet_rounds + (polled ? 1 : 0) : 0;
    return all_spin_ || cluster_.quiet_rounds >= kPollsBeforeGivingWay;
  }

 private:
  Cluster& cluster_;
  const Worker& worker_;
  bool all_spin_ = true;
  bool computes_ = false;
  bool polls_ = false;
  uint64_t progress_ = 0;
  uint64_t cost_ = 0;
};

}  // namespace

TurnResult run_turn(Cluster& cluster, Worker& worker, uint64_t budget) {
  const DeviceMode mode;
  const Operation* const code = cluster.grid->program->operations.data();
  cluster.worker = &worker;
  cluster.wants_to_yield = false;
  TurnResult result;
  Counters counters;
  Warp* running = nullptr;
  const uint64_t progress = cluster.progress;
  SpinWatch spins(cluster, worker);
  const auto finish = [&](TurnEnd end) {
    result.end = end;
    result.made_progress = cluster.progress != progress;
    result.warp_instructions = counters.warp_instructions;
    result.lane_instructions = counters.lane_instructions;
    return result;
  };
  try {
    while (cluster.live_threads != 0) {
      const uint64_t before = counters.warp_instructions;
      spins.begin_round();
      for (Cta& cta : cluster.ctas) {
        for (Warp& warp : cta.warps) {
          if (is_done(warp)) continue;
          running = &warp;
          warp.yielded = false;
          const uint64_t start = counters.warp_instructions;
          const bool used_up_its_slice = run_warp(warp, code, counters);
          cluster.instructions += counters.warp_instructions - start;
          if (counters.warp_instructions != start) spins.ran(warp, used_up_its_slice);
          if (requested_stop.load(std::memory_order_relaxed) != 0 && cluster.live_threads != 0) {
            result.fault = describe_stop(cluster);
            return finish(TurnEnd::kFault);
          }
          if (cluster.wants_to_yield && cluster.live_threads != 0) {
            return finish(TurnEnd::kOutOfBudget);
          }
        }
      }
      if (counters.warp_instructions == before) {
        if (cluster.waits_for_grids) return finish(TurnEnd::kWaitingForGrids);
        result.fault = describe_deadlock(cluster);
        return finish(TurnEnd::kFault);
      }
      if (cluster.live_threads != 0 && spins.ends_spinning()) {
        fall_asleep(cluster);
        return finish(TurnEnd::kSpinning);
      }
      if (cluster.live_threads != 0 &&
          (counters.warp_instructions + worker.extra_cost() >= budget)) {
        return finish(TurnEnd::kOutOfBudget);
      }
    }
  } catch (const LaneFault& fault) {
    result.fault = describe_fault(*running, fault);
    return finish(TurnEnd::kFault);
  } catch (const TurnAbandoned&) {
    return finish(TurnEnd::kAbandoned);
  }
  return finish(TurnEnd::kFinished);
}

}  // namespace slipstream::emulator
