// Runs several grids at once on one host thread, as programmatic dependencies allow, on all devices.
//
// A grid starts as soon as its dependencies permit: programmatic ones when every CTA of the earlier
// grid has triggered or exited. Of the clusters that can run, the overlapped schedule takes one of
// the youngest grid, so that what a grid does before it waits comes as early as it can; the
// adversarial schedule takes any, in short turns, keeps the writes of a grid from others until it
// is complete, and delays that. Of several devices it lets one after another fall behind as far as it can:
// launches that take turns on all of them would hardly ever come out of step. A cluster that only polls
// sleeps until what it polls has changed.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <random>
#include <vector>

#include "emulator/machine/executor.h"
#include "emulator/machine/work.h"
#include "emulator/machine/worker.h"

namespace slipstream::emulator {

class InterleavedRunner {
 public:
  using Devices = std::deque<DeviceContext>;
  InterleavedRunner(const Settings& settings, Devices& devices);

  // Runs until `is_reached`, or until all that could run polls in vain. Complete work leaves the
  // queue. A fault ends the run; whoever calls then drops the work of its device.
  std::optional<Fault> run_until(WorkQueue& queue, const std::function<bool()>& is_reached,
                                 Statistics& statistics);
  // Forgets grids that have started on a device.
  void drop(uint32_t device);

 private:
  struct Unit {
    Cluster* cluster = nullptr;
    uint64_t triggered = 0;  // CTAs that have triggered or exited, as counted so far
  };
  struct ActiveGrid {
    GridRun* run = nullptr;
    std::deque<Unit> ready;
    std::vector<Unit> waiting;               // for prerequisite grids
    std::map<Cluster*, uint64_t> triggered;  // of clusters that are asleep
    uint64_t unfinished_turns = 0;           // since it was last passed over
    std::optional<uint64_t> flush_at;  // all CTAs have exited; complete when the clock is there
  };

  bool is_adversarial() const;
  bool can_start(const WorkItem& item) const;
  bool is_released(Ticket ticket) const;
  bool all_started(Ticket ticket) const;
  // Starts what can start; host operations run at once. Returns whether anything happened.
  bool start_ready(WorkQueue& queue);
  void start_grid(Ticket ticket, GridRun& grid);
  void fill(Ticket ticket, ActiveGrid& grid);
  bool wake_clusters();
  using Candidates = std::vector<std::pair<const Ticket, ActiveGrid>*>;
  void hold_one_device_back(Candidates& candidates);
  Ticket choose_grid();
  void run_one_turn(Ticket ticket, Statistics& statistics);
  void count_triggers(Ticket ticket, ActiveGrid& grid, Unit& unit);
  bool flush_due_grids(WorkQueue& queue, bool at_once, Statistics& statistics);
  void complete(WorkQueue& queue, Ticket ticket);
  static void resume(ActiveGrid& grid);
  bool deliver_stores();

  const Settings& settings_;
  Devices& devices_;
  Worker worker_;
  std::mt19937_64 random_;
  bool seeded_ = false;
  uint64_t clock_ = 0;  // turns
  uint32_t held_device_ = 0;
  uint64_t held_until_ = 0;
  WorkQueue* queue_ = nullptr;
  std::map<Ticket, ActiveGrid> active_;
  std::optional<Fault> fault_;
};

}  // namespace slipstream::emulator
