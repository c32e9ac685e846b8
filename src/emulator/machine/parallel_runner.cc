#include "emulator/machine/parallel_runner.h"

#include <algorithm>
#include <chrono>
#include <system_error>

#include "emulator/machine/cluster_pool.h"

namespace slipstream::emulator {
namespace {

// Instructions in a turn. Long, so that most CTAs end in their first and few are alive at a time.
constexpr uint64_t kTurnBudget = 1 << 20;
constexpr uint64_t kAllTurns = ~0ULL;
// Turns from one that was interrupted to the next of its cluster, and so the most that run at a time: more of them would
// have less of their registers in the processors' caches.
constexpr uint64_t kWindow = 8;

uint32_t thread_count(const Settings& settings) {
  if (settings.check_races) return 1;
  return settings.threads != 0 ? settings.threads
                               : std::max(std::thread::hardware_concurrency(), 1U);
}

}  // namespace

ParallelRunner::ParallelRunner(const Settings& settings) : settings_(settings) {}

ParallelRunner::~ParallelRunner() {
  {
    const std::lock_guard lock(mutex_);
    shut_down_ = true;
  }
  changed_.notify_all();
  for (std::thread& helper : helpers_) helper.join();
}

// Where the system has no more threads to give, fewer do: the result does not depend on their number.
void ParallelRunner::start_helpers() {
  const uint32_t wanted = thread_count(settings_) - 1;
  try {
    while (helpers_.size() < wanted) helpers_.emplace_back([this] { help(); });
  } catch (const std::system_error&) {
  }
}

void ParallelRunner::help() {
  Worker worker;
  std::unique_lock lock(mutex_);
  for (uint64_t seen = 0;;) {
    changed_.wait(lock, [&] { return shut_down_ || (grid_ != nullptr && job_ != seen); });
    if (shut_down_) return;
    seen = job_;
    take_turns(worker, lock);
  }
}

std::optional<Fault> ParallelRunner::run(GridRun& grid, Statistics& statistics) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point start = Clock::now();
  const bool is_parallel = grid.cluster_count() > 1 && thread_count(settings_) > 1;
  if (is_parallel) start_helpers();
  std::unique_lock lock(mutex_);
  grid_ = &grid;
  statistics_ = &statistics;
  ready_.clear();
  ended_.clear();
  fault_.reset();
  next_turn_ = 0;
  gives_way_ = false;
  order_.committed = 0;
  order_.stopped = false;
  for (; grid.next_cluster < std::min(grid.resident_clusters, grid.cluster_count());
       ++grid.next_cluster) {
    queue(grid.next_cluster, nullptr);
  }
  wake_clusters();
  gives_way_ = ready_.empty();
  if (is_parallel) {
    ++job_;
    changed_.notify_all();
  }
  take_turns(own_worker_, lock);
  changed_.wait(lock, [&] { return busy_ == 0; });
  grid_ = nullptr;
  statistics.seconds += std::chrono::duration<double>(Clock::now() - start).count();
  if (!gives_way_) {
    ++statistics.grids;
    statistics.ctas += grid.finished_clusters * grid.cluster.count();
  }
  return fault_;
}

bool ParallelRunner::is_over() const {
  return order_.stopped || gives_way_ || grid_->finished_clusters == grid_->cluster_count();
}

void ParallelRunner::wake_clusters() {
  for (Cluster* const cluster : grid_->wake()) queue(cluster->index, cluster);
}

void ParallelRunner::queue(uint64_t index, Cluster* cluster) {
  ready_.push_back({index, cluster, kTurnBudget});
}

// Nobody takes a turn that far ahead of those that are over, so that its place is not taken yet.
void ParallelRunner::queue_soon(Entry entry) {
  const uint64_t place = order_.committed + kWindow - next_turn_;
  ready_.insert(ready_.begin() + static_cast<ptrdiff_t>(std::min(place, ready_.size())), entry);
}

bool ParallelRunner::may_take_turn() const {
  const bool is_near =
      !grid_->program->may_make_ordered_accesses || next_turn_ < order_.committed + kWindow;
  return is_near && !ready_.empty();
}

void ParallelRunner::take_turns(Worker& worker, std::unique_lock<std::mutex>& lock) {
  ++busy_;
  while (!is_over()) {
    if (!may_take_turn()) {
      changed_.wait(lock, [&] { return is_over() || may_take_turn(); });
      continue;
    }
    EndedTurn ended;
    ended.entry = ready_.front();
    ready_.pop_front();
    const uint64_t turn = next_turn_++;
    lock.unlock();
    if (ended.entry.cluster == nullptr) {
      ended.entry.cluster = grid_->pool->acquire(*grid_, ended.entry.index, &worker);
    }
    worker.begin_turn(*grid_->device, &order_, turn);
    ended.result = run_turn(*ended.entry.cluster, worker, ended.entry.budget);
    lock.lock();
    ended_[turn] = std::move(ended);
    commit_turns();
  }
  --busy_;
  changed_.notify_all();
}

void ParallelRunner::commit_turns() {
  for (auto turn = ended_.begin();
       !order_.stopped && turn != ended_.end() && turn->first == order_.committed;
       turn = ended_.begin()) {
    commit(turn->second);
    ended_.erase(turn);
    order_.committed = order_.stopped ? kAllTurns : order_.committed + 1;
    order_.committed.notify_all();
  }
  if (ready_.empty() && order_.committed == next_turn_ && !is_over()) {
    wake_clusters();
    gives_way_ = ready_.empty();
  }
  changed_.notify_all();
}

void ParallelRunner::commit(EndedTurn& ended) {
  statistics_->warp_instructions += ended.result.warp_instructions;
  statistics_->lane_instructions += ended.result.lane_instructions;
  statistics_->productive_turns += ended.result.made_progress ? 1 : 0;
  switch (ended.result.end) {
    case TurnEnd::kFinished:
      grid_->pool->release(ended.entry.cluster);
      ++grid_->finished_clusters;
      if (grid_->next_cluster < grid_->cluster_count()) {
        queue(grid_->next_cluster++, nullptr);
      }
      break;
    case TurnEnd::kOutOfBudget:
    case TurnEnd::kWaitingForGrids:
      queue(ended.entry.index, ended.entry.cluster);
      wake_clusters();
      break;
    case TurnEnd::kInterrupted:
      ended.entry.budget -= std::min(ended.entry.budget, ended.result.cost);
      queue_soon(ended.entry);
      break;
    case TurnEnd::kSpinning:
      grid_->asleep.push_back(ended.entry.cluster);
      break;
    case TurnEnd::kFault:
      fault_ = std::move(ended.result.fault);
      order_.stopped = true;
      break;
    case TurnEnd::kAbandoned:
      break;
  }
}

}  // namespace slipstream::emulator
