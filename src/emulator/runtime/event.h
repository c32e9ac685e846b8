// Events: a point in the order of work, with a time.
#pragma once

#include <driver_types.h>

#include <chrono>
#include <map>
#include <memory>
#include <vector>

#include "emulator/device/device.h"
#include "emulator/runtime/stream.h"

namespace slipstream::emulator::runtime {

struct Event : std::enable_shared_from_this<Event> {
  unsigned int flags = cudaEventDefault;
  uint32_t device = 0;

  Ticket ticket = 0;  // 0: never recorded, which counts as complete
  DependencyKind kind = DependencyKind::kFull;
  std::shared_ptr<const std::chrono::steady_clock::time_point> time;  // filled in when reached

  // Recorded in a stream under capture: what a stream that waits for the event depends on.
  std::shared_ptr<Capture> capture;
  std::vector<NodeDependency> captured;

  [[nodiscard]] bool has_timing() const { return (flags & cudaEventDisableTiming) == 0; }
  [[nodiscard]] bool is_interprocess() const { return (flags & cudaEventInterprocess) != 0; }
};

class Events {
 public:
  Event& create(unsigned int flags);
  void destroy(Event& event);
  // Throws ApiError cudaErrorInvalidResourceHandle for an unknown one.
  Event& resolve(cudaEvent_t handle);
  [[nodiscard]] static cudaEvent_t handle(const Event& event);
  void forget_work(uint32_t device);

 private:
  std::map<cudaEvent_t, std::shared_ptr<Event>> created_;
};

Events& events();

// Puts a time stamp after `dependencies` and makes it the event's point.
Ticket record_event(Event& event, const std::vector<Dependency>& dependencies);

}  // namespace slipstream::emulator::runtime
