#include "emulator/machine/executor.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

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
// A turn that has made ordered accesses ends when its warps have executed so many instructions without one. Clusters that
// have fewer left mostly finish in that turn.
constexpr uint64_t kAfterAccess = 512;

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

struct Stretch {
  uint64_t lanes = 0;  // executed
  uint32_t end = 0;    // the operation that said so, or the one to go on with
  Step step = Step::kNext;
};

// Runs operations until one says something else than to go on with the next, or lanes that wait are met (kNext). The
// innermost loop of the emulator: it knows its place without the warp, where each operation would wait for the last one's
// store, and is a function by itself that knows little, so that all of it stays in registers while operations are called.
[[gnu::noinline]] Stretch run_straight(Warp& warp, const Operation* code) {
  uint32_t pc = warp.pc;
  uint64_t lanes = 0;
  do {
    const Operation& operation = code[pc];
    if (const uint32_t executing = executing_lanes(warp, operation); executing != 0) {
      lanes += static_cast<uint32_t>(__builtin_popcount(executing));
      const Step step = operation.execute(operation, warp, executing);
      if (step != Step::kNext) return {lanes, pc, step};
    }
    warp.pc = ++pc;
  } while (pc != warp.merge_pc);
  return {lanes, pc, Step::kNext};
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

Step run_counted(Warp& warp, const Operation* code, Counters& counters) {
  const uint32_t first = warp.pc;
  const Stretch stretch = run_straight(warp, code);
  counters.warp_instructions += stretch.end - first + (stretch.step == Step::kNext ? 0 : 1);
  counters.lane_instructions += stretch.lanes;
  return stretch.step;
}

// Runs the warp to the next place where it may stop, and says whether it goes on.
bool run_some(Warp& warp, const Operation* code, uint64_t slice, Counters& counters) {
  const Step step = warp.unwritten == nullptr ? run_counted(warp, code, counters)
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

// Rounds over the warps of a cluster, until something ends its turn.
class Turn {
 public:
  Turn(Cluster& cluster, Worker& worker, uint64_t budget)
      : cluster_(cluster),
        worker_(worker),
        budget_(budget),
        code_(cluster.grid->program->operations.data()),
        warps_(cluster.ctas.size() * cluster.ctas.front().warps.size()),
        progress_(cluster.progress),
        spins_(cluster, worker) {}

  TurnResult run() {
    const TurnEnd end = run_to_end();
    result_.end = end;
    result_.made_progress = has_progressed();
    result_.warp_instructions = counters_.warp_instructions;
    result_.lane_instructions = counters_.lane_instructions;
    result_.cost = cost();
    return std::move(result_);
  }

 private:
  bool has_progressed() const { return cluster_.progress != progress_; }
  uint64_t cost() const { return counters_.warp_instructions + worker_.extra_cost(); }

  TurnEnd run_to_end() {
    try {
      while (cluster_.live_threads != 0) {
        if (const auto end = run_round()) return *end;
      }
    } catch (const LaneFault& fault) {
      result_.fault = describe_fault(*running_, fault);
      return TurnEnd::kFault;
    } catch (const TurnAbandoned&) {
      return TurnEnd::kAbandoned;
    }
    return TurnEnd::kFinished;
  }

  // All warps once, from the one at which the last turn stopped.
  std::optional<TurnEnd> run_round() {
    const uint64_t before = counters_.warp_instructions;
    spins_.begin_round();
    for (size_t i = 0; i < warps_; ++i) {
      const auto end = run_one(take_next_warp());
      if (cluster_.live_threads == 0) return std::nullopt;
      if (end) return end;
    }
    if (counters_.warp_instructions == before) {
      if (cluster_.waits_for_grids) return TurnEnd::kWaitingForGrids;
      result_.fault = describe_deadlock(cluster_);
      return TurnEnd::kFault;
    }
    if (spins_.ends_spinning()) {
      fall_asleep(cluster_);
      return TurnEnd::kSpinning;
    }
    if (cost() >= budget_) return TurnEnd::kOutOfBudget;
    return std::nullopt;
  }

  Warp& take_next_warp() {
    const size_t warps_of_cta = cluster_.ctas.front().warps.size();
    const size_t taken = cluster_.next_warp;
    cluster_.next_warp = taken + 1 == warps_ ? 0 : taken + 1;
    return cluster_.ctas[taken / warps_of_cta].warps[taken % warps_of_cta];
  }

  std::optional<TurnEnd> run_one(Warp& warp) {
    if (is_done(warp)) return std::nullopt;
    running_ = &warp;
    warp.yielded = false;
    const uint64_t start = counters_.warp_instructions;
    const uint64_t accesses = worker_.ordered_accesses();
    const bool used_up_its_slice = run_warp(warp, code_, counters_);
    const uint64_t executed = counters_.warp_instructions - start;
    cluster_.instructions += executed;
    if (executed != 0) spins_.ran(warp, used_up_its_slice);
    if (requested_stop.load(std::memory_order_relaxed) != 0 && cluster_.live_threads != 0) {
      result_.fault = describe_stop(cluster_);
      return TurnEnd::kFault;
    }
    if (cluster_.wants_to_yield) return TurnEnd::kOutOfBudget;
    if (accesses != worker_.ordered_accesses()) last_access_ = counters_.warp_instructions;
    return holds_up_others() ? std::optional(TurnEnd::kInterrupted) : std::nullopt;
  }

  // Whether others may wait for the end of the turn, and not in vain: a cluster that only polls would do the same in its
  // next turn.
  bool holds_up_others() const {
    return worker_.ordered_accesses() != 0 &&
           counters_.warp_instructions - last_access_ >= kAfterAccess && has_progressed() &&
           cluster_.grid->cluster_count() > 1;
  }

  Cluster& cluster_;
  Worker& worker_;
  const uint64_t budget_;
  const Operation* const code_;
  const size_t warps_;
  const uint64_t progress_;
  SpinWatch spins_;
  Counters counters_;
  uint64_t last_access_ = 0;  // instructions at the end of the last run with an ordered access
  Warp* running_ = nullptr;
  TurnResult result_;
};

}  // namespace

TurnResult run_turn(Cluster& cluster, Worker& worker, uint64_t budget) {
  const DeviceMode mode;
  cluster.worker = &worker;
  cluster.wants_to_yield = false;
  return Turn(cluster, worker, budget).run();
}

}  // namespace slipstream::emulator
