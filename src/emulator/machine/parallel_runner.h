// Runs one grid to its end on several host threads, with the same result on any number of them.
//
// Clusters take turns, in an order that depends on nothing but the grid: first come, first served,
// and a cluster whose turn ends before it has finished goes to the end of the queue. A thread runs
// the turn it has taken ahead of time, but global atomics and other accesses that are ordered
// between CTAs wait until all earlier turns are over.
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
  explicit ParallelRunner(DeviceContext& device);
  ~ParallelRunner();
  ParallelRunner(const ParallelRunner&) = delete;
  ParallelRunner& operator=(const ParallelRunner&) = delete;

  // Runs the grid to its end, and adds to the statistics.
  std::optional<Fault> run(GridRun& grid, Statistics& statistics);

 private:
  struct Entry {
    uint64_t index = 0;          // of the cluster
    Cluster* cluster = nullptr;  // null: not started
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
  bool is_over() const;

  DeviceContext& device_;
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
  std::map<uint64_t, EndedTurn> ended_;  // turns that are over, but not all before them
  TurnOrder order_;
  std::optional<Fault> fault_;
};

}  // namespace slipstream::emulator
