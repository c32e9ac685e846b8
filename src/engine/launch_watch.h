// How far the device has come with the launches of a step, so that one that hangs can be named.
//
// After each launch its number is copied to the host, in a stream next to the step's: an event without
// time between two kernels leaves them neighbors, and nothing in the step waits for a copy but the
// step's end. In a graph the copies are nodes that only its end depends on. What that costs is why it
// is done on request only.
#pragma once

#include <cuda_runtime_api.h>

#include <span>
#include <string>

#include "engine/pinned_array.h"
#include "pdl/device_buffer.h"
#include "pdl/stream.h"
#include "step/launch_list.h"

namespace slipstream::engine {

class LaunchWatch {
 public:
  // `launches` are those of a step, and outlive this object.
  explicit LaunchWatch(std::span<const step::StepLaunch> launches);
  ~LaunchWatch();
  LaunchWatch(const LaunchWatch&) = delete;
  LaunchWatch& operator=(const LaunchWatch&) = delete;

  // The step's launches, watched: as DecodeStep::enqueue enqueues them.
  void enqueue(int tokens, const pdl::LaunchOptions& options);
  // What the device is at: "launch 45 of 312 (attend of layer 3)", the oldest that has not ended.
  [[nodiscard]] std::string where() const;

 private:
  // Once all before it in `stream` is done, the host is told that `count` launches have ended.
  void tell(int count, cudaStream_t stream);

  std::span<const step::StepLaunch> launches_;
  pdl::Stream side_;
  DeviceBuffer counts_;     // 0 to the number of launches
  PinnedArray<int> ended_;  // one
  cudaEvent_t fork_ = nullptr;
  cudaEvent_t join_ = nullptr;
};

}  // namespace slipstream::engine
