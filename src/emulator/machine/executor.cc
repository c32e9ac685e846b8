#include "emulator/machine/executor.h"

#include <algorithm>
#include <cstring>

#include "emulator/machine/fault_report.h"
#include "emulator/machine/grid_run.h"

namespace slipstream::emulator {
namespace {

// A warp hands over to the next after so many instructions; a group of diverged lanes does too.
constexpr uint64_t kSlice = 16384;

struct Counters {
  uint64_t warp_instructions = 0;
  uint64_t lane_instructions = 0;
};

uint32_t executing_lanes(const Warp& warp, const Operation& operation) {
  uint32_t guard = 0;
  std::memcpy(&guard, warp.registers + operation.guard, sizeof(guard));
  return warp.active & (guard ^ operation.guard_flip);
}

// Runs the warp until it parks, yields or has used up its slice. The innermost loop of the
// emulator.
void run_warp(Warp& warp, const Operation* code, Counters& counters) {
  uint64_t executed = 0;
  uint64_t lanes = 0;
  for (bool goes_on = warp.active != 0 || select_group(warp); goes_on;) {
    const Operation& operation = code[warp.pc];
    const uint32_t executing = executing_lanes(warp, operation);
    ++executed;
    Step step = Step::kNext;
    if (executing != 0) {
      lanes += static_cast<uint32_t>(__builtin_popcount(executing));
      step = operation.execute(operation, warp, executing);
    }
    if (step == Step::kNext) {
      if (++warp.pc == warp.merge_pc) {
        put_back(warp);
        goes_on = select_group(warp);
      }
      continue;
    }
    if (step == Step::kReschedule) goes_on = !warp.yielded && select_group(warp);
    // Only jumps make loops, so only they check the slice.
    goes_on = goes_on && executed < kSlice;
  }
  if (warp.active != 0 && executed >= kSlice) rotate(warp);
  counters.warp_instructions += executed;
  counters.lane_instructions += lanes;
}

bool is_done(const Warp& warp) { return warp.live == 0; }

}  // namespace

TurnResult run_turn(Cluster& cluster, Worker& worker, uint64_t budget) {
  const Operation* const code = cluster.grid->program->operations.data();
  cluster.worker = &worker;
  cluster.wants_to_yield = false;
  TurnResult result;
  Counters counters;
  Warp* running = nullptr;
  const auto finish = [&](TurnEnd end) {
    result.end = end;
    result.warp_instructions = counters.warp_instructions;
    result.lane_instructions = counters.lane_instructions;
    return result;
  };
  try {
    while (cluster.live_threads != 0) {
      const uint64_t before = counters.warp_instructions;
      for (Cta& cta : cluster.ctas) {
        for (Warp& warp : cta.warps) {
          if (is_done(warp)) continue;
          running = &warp;
          warp.yielded = false;
          const uint64_t start = counters.warp_instructions;
          run_warp(warp, code, counters);
          cluster.instructions += counters.warp_instructions - start;
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
