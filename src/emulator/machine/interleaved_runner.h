// Runs several grids at once on one host thread, as programmatic dependencies allow.
//
// A grid starts as soon as its dependencies permit: programmatic ones when every CTA of the earlier
// grid has triggered or exited. Of the clusters that can run, the overlapped schedule takes one of
// the youngest grid, so that what a grid does before it waits comes as early as it can; the
// adversarial schedule takes any, in short turns, keeps the writes of a grid from others until it
// is complete, and delays that.
#pragma once

#include <cstdint>
#include <deque>
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
  explicit InterleavedRunner(DeviceContext& device);

  // Runs until the ticket is complete, or everything if it is 0. Complete work leaves the queue.
  std::optional<Fault> run_until(WorkQueue& queue, Ticket ticket, Statistics& statistics);
  // Forgets grids that have started.
  void clear();

 private:
  struct Unit {
    Cluster* cluster = nullptr;
    uint64_t triggered = 0;  // CTAs that have triggered or exited, as counted so far
  };
  struct ActiveGrid {
    GridRun* run = nullptr;
    std::deque<Unit> ready;
    std::vector<Unit> waiting;         // for prerequisite grids
    uint64_t unfinished_turns = 0;     // since it was last passed over
    std::optional<uint64_t> flush_at;  // all CTAs have exited; complete when the clock is there
  };

  bool is_adversarial() const;
  bool can_start(const WorkItem& item) const;
  bool prerequisites_complete(const WorkItem& item, const WorkQueue& queue) const;
  bool is_released(Ticket ticket) const;
  bool all_started(Ticket ticket) const;
  // Starts what can start; host operations run at once. Returns whether anything happened.
  bool start_ready(WorkQueue& queue);
  void start_grid(Ticket ticket, GridRun& grid);
  void fill(ActiveGrid& grid);
  ActiveGrid* choose_grid();
  void run_one_turn(ActiveGrid& grid, Statistics& statistics);
  void count_triggers(ActiveGrid& grid, Unit& unit);
  void end_grid(ActiveGrid& grid);
  bool flush_due_grids(WorkQueue& queue, bool at_once, Statistics& statistics);
  void resume_waiting(WorkQueue& queue);

  DeviceContext& device_;
  Worker worker_;
  std::mt19937_64 random_;
  bool seeded_ = false;
  uint64_t clock_ = 0;  // turns
  const WorkQueue* queue_ = nullptr;
  std::map<Ticket, ActiveGrid> active_;
  std::optional<Fault> fault_;
};

}  // namespace slipstream::emulator
