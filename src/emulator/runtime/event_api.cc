// Events.
#include <cuda_runtime_api.h>
#include <fmt/format.h>

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
  if (event.device != target.device) {
    throw ApiError(cudaErrorInvalidResourceHandle,
                   fmt::format("the event is one of device {}, the stream one of device {}",
                               event.device, target.device));
  }
  const bool external = (flags & cudaEventRecordExternal) != 0;
  if (target.capture != nullptr && !external) {
    capture_event_record(target, event);
  } else {
    enqueue(target, EventRecordOperation{event.shared_from_this()});
    // Other processes cannot run what they would wait for (ipc_api.cc).
    if (event.is_interprocess()) run_until(event.ticket);
  }
}

void forbid_if_captured(const Event& event) {
  if (event.capture == nullptr) return;
  require(event.capture->ended, cudaErrorCapturedEvent);
  require(false, cudaErrorInvalidValue);  // what an H200 returns once the capture is over
}

// Both waiting and asking run the work before the event.
void wait_for(const Event& event) {
  forbid_if_captured(event);
  const uint32_t device = event.device;
  if (event.ticket != 0) run_until(event.ticket);
  surface_fault(device);
}

void ask_about(const Event& event) {
  forbid_if_captured(event);
  const bool is_complete = event.ticket == 0 || try_run_until(event.ticket);
  surface_fault(event.device);
  require(is_complete, cudaErrorNotReady);
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
  return api("cudaEventSynchronize", [&] { wait_for(events().resolve(event)); });
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  return api("cudaEventQuery", [&] { ask_about(events().resolve(event)); });
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  return api("cudaEventElapsedTime", [&] {
    require(milliseconds != nullptr);
    Event& first = events().resolve(start);
    Event& second = events().resolve(end);
    require(first.device == second.device, cudaErrorInvalidResourceHandle);
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
