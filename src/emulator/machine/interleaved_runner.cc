#include "emulator/machine/interleaved_runner.h"

#include <algorithm>

#include "emulator/machine/cluster_pool.h"
#include "emulator/machine/overlay.h"
#include "emulator/machine/race_check.h"

namespace slipstream::emulator {
namespace {

constexpr uint64_t kOverlappedBudget = 1 << 16;
constexpr uint64_t kLongestAdversarialBudget = 1 << 14;
// Turns for which an adversarial grid may stay incomplete after its last CTA has exited.
constexpr uint64_t kLongestFlushDelay = 64;

}  // namespace

InterleavedRunner::InterleavedRunner(DeviceContext& device) : device_(device), worker_(device) {}

void InterleavedRunner::clear() {
  active_.clear();
  fault_.reset();
}

bool InterleavedRunner::is_adversarial() const {
  return device_.settings->schedule == Schedule::kAdversarial;
}

bool InterleavedRunner::is_released(Ticket ticket) const {
  const auto grid = active_.find(ticket);
  return grid != active_.end() &&
         grid->second.run->triggered_ctas == grid->second.run->launch.grid.count();
}

bool InterleavedRunner::all_started(Ticket ticket) const {
  const auto grid = active_.find(ticket);
  return grid != active_.end() &&
         grid->second.run->next_cluster == grid->second.run->cluster_count();
}

bool InterleavedRunner::can_start(const WorkItem& item) const {
  return std::all_of(item.dependencies.begin(), item.dependencies.end(),
                     [&](const Dependency& dependency) {
                       if (!queue_->contains(dependency.ticket)) return true;
                       switch (dependency.kind) {
                         case DependencyKind::kProgrammatic:
                           return is_released(dependency.ticket);
                         case DependencyKind::kLaunchCompletion:
                           return all_started(dependency.ticket);
                         default:
                           return false;
                       }
                     });
}

bool InterleavedRunner::prerequisites_complete(const WorkItem& item, const WorkQueue& queue) const {
  return std::none_of(
      item.dependencies.begin(), item.dependencies.end(),
      [&](const Dependency& dependency) { return queue.contains(dependency.ticket); });
}

bool InterleavedRunner::start_ready(WorkQueue& queue) {
  for (auto item = queue.begin(); item != queue.end(); ++item) {
    if (active_.contains(item->first) || !can_start(item->second)) continue;
    if (item->second.grid != nullptr) {
      item->second.grid->prerequisites_complete = prerequisites_complete(item->second, queue);
      start_grid(item->first, *item->second.grid);
    } else {
      fault_ = run_host_operation(item->first, item->second.operation, device_);
      queue.erase(item);
      resume_waiting(queue);
    }
    return true;
  }
  return false;
}

void InterleavedRunner::start_grid(Ticket ticket, GridRun& grid) {
  ActiveGrid& active = active_[ticket];
  active.run = &grid;
  if (is_adversarial()) grid.overlay = std::make_unique<Overlay>();
  fill(active);
}

// Starts clusters until as many are alive as the device holds.
void InterleavedRunner::fill(ActiveGrid& grid) {
  GridRun& run = *grid.run;
  while (run.next_cluster < run.cluster_count() &&
         run.next_cluster - run.finished_clusters < run.resident_clusters) {
    grid.ready.push_back({run.pool->acquire(run, run.next_cluster++), 0});
  }
}

InterleavedRunner::ActiveGrid* InterleavedRunner::choose_grid() {
  std::vector<ActiveGrid*> candidates;
  for (auto& [ticket, grid] : active_) {
    if (!grid.ready.empty()) candidates.push_back(&grid);
  }
  if (candidates.empty()) return nullptr;
  if (is_adversarial()) return candidates[random_() % candidates.size()];
  // The youngest goes first, until each of its clusters has had a turn without finishing: it may
  // spin until an older grid makes progress.
  for (auto grid = candidates.rbegin(); grid != candidates.rend(); ++grid) {
    if ((*grid)->unfinished_turns < (*grid)->ready.size()) {
      return *grid;
    }
  }
  for (ActiveGrid* const grid : candidates) grid->unfinished_turns = 0;
  return candidates.back();
}

void InterleavedRunner::count_triggers(ActiveGrid& grid, Unit& unit) {
  const auto& ctas = unit.cluster->ctas;
  const auto now =
      static_cast<uint64_t>(std::count_if(ctas.begin(), ctas.end(), [](const Cta& cta) {
        return cta.triggered || cta.live_threads == 0;
      }));
  grid.run->triggered_ctas += now - unit.triggered;
  unit.triggered = now;
}

void InterleavedRunner::run_one_turn(ActiveGrid& grid, Statistics& statistics) {
  const size_t chosen = is_adversarial() ? random_() % grid.ready.size() : 0;
  Unit unit = grid.ready[chosen];
  grid.ready.erase(grid.ready.begin() + static_cast<ptrdiff_t>(chosen));
  const uint64_t budget =
      is_adversarial() ? 1 + random_() % kLongestAdversarialBudget : kOverlappedBudget;
  worker_.begin_turn(nullptr, 0);
  TurnResult result = run_turn(*unit.cluster, worker_, budget);
  ++clock_;
  statistics.warp_instructions += result.warp_instructions;
  statistics.lane_instructions += result.lane_instructions;
  count_triggers(grid, unit);
  switch (result.end) {
    case TurnEnd::kFinished:
      grid.run->pool->release(unit.cluster);
      ++grid.run->finished_clusters;
      fill(grid);
      if (grid.run->finished_clusters == grid.run->cluster_count()) {
        grid.flush_at = clock_ + (is_adversarial() ? random_() % kLongestFlushDelay : 0);
      }
      break;
    case TurnEnd::kOutOfBudget:
      ++grid.unfinished_turns;
      grid.ready.push_back(unit);
      break;
    case TurnEnd::kWaitingForGrids:
      grid.waiting.push_back(unit);
      break;
    case TurnEnd::kFault:
      fault_ = std::move(result.fault);
      break;
    case TurnEnd::kAbandoned:
      break;
  }
}

// Completes grids whose writes are due; all of them if `at_once`. Returns whether there was one.
bool InterleavedRunner::flush_due_grids(WorkQueue& queue, bool at_once, Statistics& statistics) {
  for (auto& [ticket, grid] : active_) {
    if (!grid.flush_at || (!at_once && *grid.flush_at > clock_)) continue;
    if (grid.run->overlay != nullptr) grid.run->overlay->publish(*device_.memory);
    ++statistics.grids;
    statistics.ctas += grid.run->launch.grid.count();
    const Ticket complete = ticket;
    if (device_.races != nullptr) device_.races->complete(complete);
    active_.erase(complete);
    queue.erase(complete);
    resume_waiting(queue);
    return true;
  }
  return false;
}

// Clusters in griddepcontrol.wait go on once every prerequisite grid is complete.
void InterleavedRunner::resume_waiting(WorkQueue& queue) {
  for (auto& [ticket, grid] : active_) {
    if (!prerequisites_complete(queue.at(ticket), queue)) continue;
    grid.run->prerequisites_complete = true;
    for (Unit& unit : grid.waiting) {
      unit.cluster->waits_for_grids = false;
      notify(*unit.cluster);
      grid.ready.push_back(unit);
    }
    grid.waiting.clear();
    for (Unit& unit : grid.ready) {
      unit.cluster->waits_for_grids = false;
      notify(*unit.cluster);
    }
  }
}

std::optional<Fault> InterleavedRunner::run_until(WorkQueue& queue, Ticket ticket,
                                                  Statistics& statistics) {
  if (!seeded_) {
    random_.seed(device_.settings->seed);
    seeded_ = true;
  }
  queue_ = &queue;
  while (!fault_ && (ticket == 0 ? !queue.empty() : queue.contains(ticket))) {
    if (start_ready(queue) || flush_due_grids(queue, false, statistics)) continue;
    if (ActiveGrid* const grid = choose_grid()) {
      run_one_turn(*grid, statistics);
    } else {
      flush_due_grids(queue, true, statistics);
    }
  }
  return fault_;
}

}  // namespace slipstream::emulator
