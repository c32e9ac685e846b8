// Events.
#include <cuda_runtime_api.h>

#include <chrono>

#include "emulator/runtime/capture.h"
#include "emulator/runtime/error.h"
#include "emulator/runtime/event.h"
#include "emulator/runtime/runtime.h"
#include "emulator/runtime/stream.h"
#include "emulator/runtime/submit.h"

using namespace slipstream::emulator::runtime;

namespace {

void record(cudaEvent_t handle, cudaStream_t stream, unsigned int flags) {
  Event& event = events().resolve(handle);
  Stream& target = streams().resolve(stream);
  const bool external = (flags & cudaEventRecordExternal) != 0;
  if (target.capture != nullptr && !external) {
    capture_event_record(target, event);
  } else {
    enqueue(target, EventRecordOperation{event.shared_from_this()});
  }
}

// Both waiting and asking run the work before the event.
void reach(Event& event) {
  if (event.capture != nullptr) {
    require(event.capture->ended, cudaErrorCapturedEvent);
    require(false, cudaErrorInvalidValue);  // what an H200 returns once the capture is over
  }
  if (event.ticket == 0) return;
  run_until(event.ticket);
  surface_fault();
}

}  // namespace

extern "C" {

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned int flags) {
  return api("cudaEventCreateWithFlags", [&] {
    require(event != nullptr);
    *event = Events::handle(events().create(flags));
  });
}

cudaError_t cudaEventCreate(cudaEvent_t* event) {
  return cudaEventCreateWithFlags(event, cudaEventDefault);
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  return api_always("cudaEventDestroy", [&] { events().destroy(events().resolve(event)); });
}

cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t stream, unsigned int flags) {
  return api("cudaEventRecordWithFlags", [&] { record(event, stream, flags); });
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  return api("cudaEventRecord", [&] { record(event, stream, cudaEventRecordDefault); });
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  return api("cudaEventSynchronize", [&] { reach(events().resolve(event)); });
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  return api("cudaEventQuery", [&] { reach(events().resolve(event)); });
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  return api("cudaEventElapsedTime", [&] {
    require(milliseconds != nullptr);
    Event& first = events().resolve(start);
    Event& second = events().resolve(end);
    for (const Event* event : {&first, &second}) {
      require(event->has_timing() && event->ticket != 0 && event->capture == nullptr,
              cudaErrorInvalidResourceHandle);
      require(device().completed(event->ticket), cudaErrorNotReady);
    }
    const std::chrono::duration<float, std::milli> elapsed = *second.time - *first.time;
    *milliseconds = elapsed.count();
  });
}

}  // extern "C"
