#include "emulator/machine/interleaved_runner.h"

#include <algorithm>
#include <ranges>
#include <utility>

#include "emulator/machine/cluster_pool.h"
#include "emulator/machine/delayed_stores.h"
#include "emulator/machine/overlay.h"
#include "emulator/machine/race_check.h"

namespace slipstream::emulator {
namespace {

constexpr uint64_t kOverlappedBudget = 1 << 16;
constexpr uint64_t kLongestAdversarialBudget = 1 << 14;
// Turns for which an adversarial grid may stay incomplete after its last CTA has exited.
constexpr uint64_t kLongestFlushDelay = 64;
// Turns for which the adversarial schedule may hold one of several devices back: some launches.
constexpr uint64_t kLongestHold = 1 << 12;

}  // namespace

InterleavedRunner::InterleavedRunner(const Settings& settings, Devices& devices)
    : settings_(settings), devices_(devices) {}

void InterleavedRunner::drop(uint32_t device) {
  std::erase_if(active_,
                [&](const auto& grid) { return grid.second.run->device->number == device; });
}

bool InterleavedRunner::is_adversarial() const {
  return settings_.schedule == Schedule::kAdversarial;
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
                         case DependencyKind::kBlockStart:
                         case DependencyKind::kLaunchCompletion:
                           return all_started(dependency.ticket);
                         default:
                           return false;
                       }
                     });
}

bool InterleavedRunner::start_ready(WorkQueue& queue) {
  while (!queue.news().empty()) {
    const Ticket ticket = *queue.news().begin();
    queue.news().erase(ticket);
    WorkItem& item = queue.at(ticket);
    if (active_.contains(ticket) || !can_start(item)) continue;
    if (item.grid != nullptr) {
      item.grid->prerequisites_complete = !queue.awaits(item);
      start_grid(ticket, *item.grid);
    } else {
      fault_ = run_host_operation(ticket, item.operation, devices_[item.device]);
      if (!fault_) complete(queue, ticket);
    }
    return true;
  }
  return false;
}

void InterleavedRunner::start_grid(Ticket ticket, GridRun& grid) {
  ActiveGrid& active = active_[ticket];
  active.run = &grid;
  if (is_adversarial()) grid.overlay = std::make_unique<Overlay>();
  fill(ticket, active);
}

// Starts clusters until as many are alive as the device holds.
void InterleavedRunner::fill(Ticket ticket, ActiveGrid& grid) {
  GridRun& run = *grid.run;
  while (run.next_cluster < run.cluster_count() &&
         run.next_cluster - run.finished_clusters < run.resident_clusters) {
    grid.ready.push_back({run.pool->acquire(run, run.next_cluster++), 0});
  }
  if (run.next_cluster == run.cluster_count()) queue_->tell_dependents(ticket);
}

// Returns whether a cluster that was asleep has something to do.
bool InterleavedRunner::wake_clusters() {
  bool any = false;
  for (auto& [ticket, grid] : active_) {
    for (Cluster* const cluster : grid.run->wake()) {
      grid.ready.push_back({cluster, grid.triggered.at(cluster)});
      grid.triggered.erase(cluster);
      any = true;
    }
  }
  return any;
}

// The device that is held back has a turn only where no other one has something to do, or a grid whose
// writes are due some day: then there is none to choose.
void InterleavedRunner::hold_one_device_back(Candidates& candidates) {
  if (devices_.size() == 1) return;
  if (clock_ >= held_until_) {
    // Half of the time none.
    held_device_ = static_cast<uint32_t>(random_() % (2 * devices_.size()));
    held_until_ = clock_ + random_() % kLongestHold;
  }
  const auto is_held = [&](const auto* active) {
    return active->second.run->device->number == held_device_;
  };
  const bool others_go_on = !std::ranges::all_of(candidates, is_held) ||
                            std::ranges::any_of(active_, [&](const auto& active) {
                              return active.second.flush_at && !is_held(&active);
                            });
  if (others_go_on) std::erase_if(candidates, is_held);
}

// 0: none can run.
Ticket InterleavedRunner::choose_grid() {
  Candidates candidates;
  for (auto& active : active_) {
    if (!active.second.ready.empty()) candidates.push_back(&active);
  }
  if (is_adversarial()) hold_one_device_back(candidates);
  if (candidates.empty()) return 0;
  if (is_adversarial()) return candidates[random_() % candidates.size()]->first;
  // The youngest goes first, until each of its clusters has had a turn without finishing: it may
  // spin until an older grid makes progress.
  for (const auto* active : std::views::reverse(candidates)) {
    const auto& [ticket, grid] = *active;
    if (grid.unfinished_turns < grid.ready.size()) return ticket;
  }
  for (auto* const active : candidates) active->second.unfinished_turns = 0;
  return candidates.back()->first;
}

void InterleavedRunner::count_triggers(Ticket ticket, ActiveGrid& grid, Unit& unit) {
  const auto& ctas = unit.cluster->ctas;
  const auto now =
      static_cast<uint64_t>(std::count_if(ctas.begin(), ctas.end(), [](const Cta& cta) {
        return cta.triggered || cta.live_threads == 0;
      }));
  if (now == unit.triggered) return;
  grid.run->triggered_ctas += now - unit.triggered;
  unit.triggered = now;
  if (is_released(ticket)) queue_->tell_dependents(ticket);
}

void InterleavedRunner::run_one_turn(Ticket ticket, Statistics& statistics) {
  ActiveGrid& grid = active_.at(ticket);
  const size_t chosen = is_adversarial() ? random_() % grid.ready.size() : 0;
  Unit unit = grid.ready[chosen];
  grid.ready.erase(grid.ready.begin() + static_cast<ptrdiff_t>(chosen));
  const uint64_t budget =
      is_adversarial() ? 1 + random_() % kLongestAdversarialBudget : kOverlappedBudget;
  worker_.begin_turn(*grid.run->device, nullptr, 0);
  TurnResult result = run_turn(*unit.cluster, worker_, budget);
  ++clock_;
  statistics.warp_instructions += result.warp_instructions;
  statistics.lane_instructions += result.lane_instructions;
  statistics.productive_turns += result.made_progress ? 1 : 0;
  count_triggers(ticket, grid, unit);
  switch (result.end) {
    case TurnEnd::kFinished:
      grid.run->pool->release(unit.cluster);
      ++grid.run->finished_clusters;
      fill(ticket, grid);
      if (grid.run->finished_clusters == grid.run->cluster_count()) {
        grid.flush_at = clock_ + (is_adversarial() ? random_() % kLongestFlushDelay : 0);
      }
      break;
    case TurnEnd::kOutOfBudget:
    case TurnEnd::kInterrupted:
      ++grid.unfinished_turns;
      grid.ready.push_back(unit);
      break;
    case TurnEnd::kWaitingForGrids:
      grid.waiting.push_back(unit);
      break;
    case TurnEnd::kSpinning:
      grid.run->asleep.push_back(unit.cluster);
      grid.triggered[unit.cluster] = unit.triggered;
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
    if (grid.run->overlay != nullptr) grid.run->overlay->publish(*grid.run->device->memory);
    if (DelayedStores* const delayed = grid.run->device->delayed) delayed->arrive_all_of(ticket);
    ++statistics.grids;
    statistics.ctas += grid.run->launch.grid.count();
    const Ticket due = ticket;
    if (RaceCheck* const races = grid.run->device->races) races->complete(due);
    active_.erase(due);
    complete(queue, due);
    return true;
  }
  return false;
}

void InterleavedRunner::complete(WorkQueue& queue, Ticket ticket) {
  const std::vector<Ticket> dependents = queue.at(ticket).dependents;
  queue.complete(ticket);
  for (const Ticket dependent : dependents) {
    const auto active = active_.find(dependent);
    if (active == active_.end() || active->second.run->prerequisites_complete) continue;
    if (!queue.awaits(queue.at(dependent))) resume(active->second);
  }
}

// Clusters in griddepcontrol.wait go on once every prerequisite grid is complete.
void InterleavedRunner::resume(ActiveGrid& grid) {
  grid.run->prerequisites_complete = true;
  const auto go_on = [](Cluster& cluster) {
    cluster.waits_for_grids = false;
    notify(cluster);
  };
  for (const Unit& unit : grid.waiting) grid.ready.push_back(unit);
  grid.waiting.clear();
  // Of a cluster that spins, other warps may wait.
  for (Cluster* const cluster : grid.run->asleep) {
    wake_up(*cluster);
    grid.ready.push_back({cluster, grid.triggered.at(cluster)});
  }
  grid.run->asleep.clear();
  grid.triggered.clear();
  for (const Unit& unit : grid.ready) go_on(*unit.cluster);
}

// Nothing else can happen. Returns whether there was one.
bool InterleavedRunner::deliver_stores() {
  DelayedStores* const delayed = devices_.front().delayed;
  if (delayed == nullptr || delayed->empty()) return false;
  delayed->arrive_all();
  return true;
}

std::optional<Fault> InterleavedRunner::run_until(WorkQueue& queue,
                                                  const std::function<bool()>& is_reached,
                                                  Statistics& statistics) {
  if (!seeded_) {
    random_.seed(settings_.seed);
    seeded_ = true;
  }
  queue_ = &queue;
  fault_.reset();
  while (!fault_ && !is_reached()) {
    if (start_ready(queue) || flush_due_grids(queue, false, statistics)) continue;
    wake_clusters();
    if (const Ticket ticket = choose_grid(); ticket != 0) {
      run_one_turn(ticket, statistics);
    } else if (!flush_due_grids(queue, true, statistics) && !deliver_stores()) {
      break;
    }
  }
  return std::exchange(fault_, std::nullopt);
}

}  // namespace slipstream::emulator
