#include "emulator/runtime/event.h"

#include "emulator/runtime/error.h"
#include "emulator/runtime/runtime.h"
#include "emulator/runtime/submit.h"

namespace slipstream::emulator::runtime {

Events& events() {
  static auto* all = new Events;
  return *all;
}

Event& Events::create(unsigned int flags) {
  constexpr unsigned int kKnown =
      cudaEventBlockingSync | cudaEventDisableTiming | cudaEventInterprocess;
  require((flags & ~kKnown) == 0);
  auto event = std::make_shared<Event>();
  event->flags = flags;
  require(!event->is_interprocess() || !event->has_timing());
  event->device = current_device();
  Event& result = *event;
  created_.emplace(handle(result), std::move(event));
  return result;
}

void Events::destroy(Event& event) { created_.erase(handle(event)); }

Event& Events::resolve(cudaEvent_t handle) {
  const auto found = created_.find(handle);
  if (found == created_.end()) {
    throw ApiError(cudaErrorInvalidResourceHandle, "there is no such event");
  }
  return *found->second;
}

cudaEvent_t Events::handle(const Event& event) {
  return reinterpret_cast<cudaEvent_t>(const_cast<Event*>(&event));
}

void Events::forget_work(uint32_t device) {
  for (auto& [unused, event] : created_) {
    if (event->device != device) continue;
    event->ticket = 0;
    event->capture = nullptr;
    event->captured.clear();
  }
}

Ticket record_event(Event& event, const std::vector<Dependency>& dependencies) {
  auto time = std::make_shared<std::chrono::steady_clock::time_point>();
  event.time = time;
  event.kind = DependencyKind::kFull;
  event.capture = nullptr;
  event.captured.clear();
  event.ticket = device().submit([time] { *time = std::chrono::steady_clock::now(); },
                                 tickets_of(dependencies), event.device);
  return event.ticket;
}

}  // namespace slipstream::emulator::runtime
