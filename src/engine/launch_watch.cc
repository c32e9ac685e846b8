#include "engine/launch_watch.h"

#include <fmt/core.h>

#include <atomic>
#include <numeric>
#include <vector>

namespace slipstream::engine {
namespace {

DeviceBuffer counts_up_to(size_t launches) {
  std::vector<int> counts(launches + 1);
  std::iota(counts.begin(), counts.end(), 0);
  DeviceBuffer result(counts.size() * sizeof(int));
  result.copy_from_host(counts.data(), result.bytes());
  return result;
}

cudaEvent_t event_without_time() {
  cudaEvent_t event = nullptr;
  check_cuda(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "cudaEventCreate");
  return event;
}

}  // namespace

LaunchWatch::LaunchWatch(std::span<const step::StepLaunch> launches)
    : launches_(launches),
      counts_(counts_up_to(launches.size())),
      ended_(1),
      fork_(event_without_time()),
      join_(event_without_time()) {
  // As after a step: none has begun.
  *ended_.data() = static_cast<int>(launches.size());
}

LaunchWatch::~LaunchWatch() {
  (void)cudaEventDestroy(fork_);
  (void)cudaEventDestroy(join_);
}

void LaunchWatch::tell(int count, cudaStream_t stream) {
  check_cuda(cudaEventRecord(fork_, stream), "cudaEventRecord");
  check_cuda(cudaStreamWaitEvent(side_.get(), fork_, 0), "cudaStreamWaitEvent");
  check_cuda(cudaMemcpyAsync(ended_.data(), static_cast<const int*>(counts_.data()) + count,
                             sizeof(int), cudaMemcpyDeviceToHost, side_.get()),
             "copy of the number of a launch");
}

void LaunchWatch::enqueue(int tokens, const pdl::LaunchOptions& options) {
  tell(0, options.stream);
  int ended = 0;
  for (const step::StepLaunch& launch : launches_) {
    launch.enqueue(tokens, options);
    tell(++ended, options.stream);
  }
  check_cuda(cudaEventRecord(join_, side_.get()), "cudaEventRecord");
  check_cuda(cudaStreamWaitEvent(options.stream, join_, 0), "cudaStreamWaitEvent");
}

std::string LaunchWatch::where() const {
  // The device writes it meanwhile.
  const auto ended = static_cast<size_t>(std::atomic_ref(*ended_.data()).load());
  if (ended == launches_.size()) return "in front of a step: none of its launches has begun";
  const step::StepLaunch& launch = launches_[ended];
  return fmt::format("in launch {} of {}: {}, layer {}", ended + 1, launches_.size(), launch.title,
                     launch.layer);
}

}  // namespace slipstream::engine
