// Runs one grid on several host threads, with the same result on any number of them: to its end, or
// until all its clusters poll memory that only other grids could change.
//
// Clusters take turns, in an order that depends on nothing but the grid: first come, first served,
// and a cluster whose turn ends before it has finished goes to the end of the queue. A thread runs
// the turn it has taken ahead of time, but global atomics and other accesses that are ordered
// between CTAs wait until all earlier turns are over. So that those end soon, a turn that has made
// such an access is interrupted when no more follow, and the cluster goes on a few turns later: CTAs
// that draw tickets and look back at others do most of their work in between.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "emulator/machine/executor.h"
#include "emulator/machine/grid_run.h"
#include "emulator/machine/launch.h"
#include "emulator/machine/worker.h"

namespace slipstream::emulator {

class ParallelRunner {
 public:
  explicit ParallelRunner(const Settings& settings);
  ~ParallelRunner();
  ParallelRunner(const ParallelRunner&) = delete;
  ParallelRunner& operator=(const ParallelRunner&) = delete;

  // Begins the grid or goes on with it, and adds to the statistics. Whoever calls again has seen
  // that some cluster can get on.
  std::optional<Fault> run(GridRun& grid, Statistics& statistics);

 private:
  struct Entry {
    uint64_t index = 0;          // of the cluster
    Cluster* cluster = nullptr;  // null: not started
    uint64_t budget = 0;         // until it goes to the end of the queue
  };
  struct EndedTurn {
    Entry entry;
    TurnResult result;
  };

  void start_helpers();
  void help();
  void take_turns(Worker& worker, std::unique_lock<std::mutex>& lock);
  void commit_turns();
  void commit(EndedTurn& ended);
  bool may_take_turn() const;
  void queue(uint64_t index, Cluster* cluster);
  void queue_soon(Entry entry);
  void wake_clusters();
  bool is_over() const;

  const Settings& settings_;
  Worker own_worker_;
  std::vector<std::thread> helpers_;

  std::mutex mutex_;  // guards all that follows
  std::condition_variable changed_;
  bool shut_down_ = false;
  uint64_t job_ = 0;         // counts grids, so that a helper knows a new one
  uint32_t busy_ = 0;        // threads inside take_turns
  GridRun* grid_ = nullptr;  // null: nothing to do
  Statistics* statistics_ = nullptr;
  std::deque<Entry> ready_;
  uint64_t next_turn_ = 0;
  bool gives_way_ = false;               // every cluster is asleep
  std::map<uint64_t, EndedTurn> ended_;  // turns that are over, but not all before them
  TurnOrder order_;
  std::optional<Fault> fault_;
};

}  // namespace slipstream::emulator
