// How one rank waits for its device: for ever, or no longer than LoadOptions::step_limit.
#include <fmt/core.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "engine/rank_engine.h"
#include "engine/step_limit.h"
#include "io/log.h"

namespace slipstream::engine {

void RankEngine::synchronize(int64_t steps) const {
  if (options_.step_limit > 0) {
    wait_for("cudaStreamQuery", steps, [&] { return cudaStreamQuery(options_.stream); });
  } else {
    check_cuda(cudaStreamSynchronize(options_.stream), "cudaStreamSynchronize");
  }
  if (member_ != nullptr) member_->require_all_alive();
}

void RankEngine::await_arrival(int64_t step) const {
  if (options_.step_limit == 0) return;
  wait_for("cudaEventQuery", 1, [&] { return cudaEventQuery(ring_.arrival(step)); });
}

void RankEngine::wait_for(const char* call, int64_t steps,
                          const std::function<cudaError_t()>& query) const {
  const double limit = options_.step_limit * static_cast<double>(std::max<int64_t>(steps, 1));
  wait_within(limit, call, query, [&] {
    is_over_limit_ = true;
    return fmt::format("a step must end within step_limit = {} s, has not; {}", options_.step_limit,
                       where_it_hangs());
  });
}

std::string RankEngine::where_it_hangs() const {
  const std::string device =
      is_one_of_several() ? fmt::format("the device of rank {}", meeting_->rank()) : "the device";
  return fmt::format("{} hangs {}", device,
                     watch_ ? watch_->where() : "somewhere (trace_launches would tell where)");
}

bool RankEngine::hangs() const {
  // Other ranks may have ended the work before this one waited for its device.
  if (options_.step_limit > 0 && !is_over_limit_) {
    try {
      const auto steps = static_cast<int64_t>(queue_.size() + (run_ ? run_->on_the_way.size() : 0));
      wait_for("cudaStreamQuery", steps, [&] { return cudaStreamQuery(options_.stream); });
    } catch (const CudaError&) {
      if (!is_over_limit_) return false;  // it is lost, and waits for nothing
      io::log(LogLevel::kError, {.rank = options_.rank}, "{}", where_it_hangs());
    }
  }
  if (!is_over_limit_ || cudaStreamQuery(options_.stream) != cudaErrorNotReady) return false;
  (void)cudaGetLastError();
  return true;
}

void RankEngine::end(std::unique_ptr<RankEngine> rank) {
  if (rank == nullptr || !rank->hangs()) return;
  // Until the process ends; whoever looks for leaks finds it here.
  static std::mutex mutex;
  static auto& left_alone = *new std::vector<std::unique_ptr<RankEngine>>;
  const std::scoped_lock lock(mutex);
  left_alone.push_back(std::move(rank));
}

}  // namespace slipstream::engine
