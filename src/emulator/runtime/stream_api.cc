// Streams.
#include <cuda_runtime_api.h>

#include "emulator/runtime/capture.h"
#include "emulator/runtime/error.h"
#include "emulator/runtime/event.h"
#include "emulator/runtime/runtime.h"
#include "emulator/runtime/stream.h"
#include "emulator/runtime/submit.h"

using namespace slipstream::emulator::runtime;

namespace {

// Greater priorities are lower numbers.
constexpr int kLeastPriority = 0;
constexpr int kGreatestPriority = -5;

void create_stream(cudaStream_t* stream, unsigned int flags, int priority) {
  require(stream != nullptr && (flags & ~static_cast<unsigned>(cudaStreamNonBlocking)) == 0);
  const int clamped = std::min(kLeastPriority, std::max(kGreatestPriority, priority));
  *stream = streams().handle(streams().create(flags, clamped));
}

}  // namespace

extern "C" {

cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  return api("cudaStreamCreate", [&] { create_stream(stream, cudaStreamDefault, 0); });
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned int flags) {
  return api("cudaStreamCreateWithFlags", [&] { create_stream(stream, flags, 0); });
}

cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned int flags, int priority) {
  return api("cudaStreamCreateWithPriority", [&] { create_stream(stream, flags, priority); });
}

cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  return api_always("cudaDeviceGetStreamPriorityRange", [&] {
    if (least != nullptr) *least = kLeastPriority;
    if (greatest != nullptr) *greatest = kGreatestPriority;
  });
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  return api_always("cudaStreamDestroy", [&] {
    require(stream != nullptr && stream != cudaStreamLegacy && stream != cudaStreamPerThread,
            cudaErrorInvalidResourceHandle);
    Stream& target = streams().resolve(stream);
    abandon_capture(target);
    streams().destroy(target);
  });
}

cudaError_t cudaStreamGetPriority(cudaStream_t stream, int* priority) {
  return api("cudaStreamGetPriority", [&] {
    require(priority != nullptr);
    *priority = streams().resolve(stream).priority;
  });
}

cudaError_t cudaStreamGetFlags(cudaStream_t stream, unsigned int* flags) {
  return api("cudaStreamGetFlags", [&] {
    require(flags != nullptr);
    *flags = streams().resolve(stream).flags;
  });
}

cudaError_t cudaStreamGetId(cudaStream_t stream, unsigned long long* id) {
  return api("cudaStreamGetId", [&] {
    require(id != nullptr);
    *id = streams().resolve(stream).id;
  });
}

cudaError_t cudaStreamGetDevice(cudaStream_t stream, int* device) {
  return api("cudaStreamGetDevice", [&] {
    require(device != nullptr);
    *device = static_cast<int>(streams().resolve(stream).device);
  });
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  return api("cudaStreamSynchronize", [&] {
    Stream& target = streams().resolve(stream);
    forbid_if_captured(target);
    forbid_implicit_dependency(target);
    streams().synchronize(target);
  });
}

// Asking makes the device work, so that a program that polls gets on.
cudaError_t cudaStreamQuery(cudaStream_t stream) {
  return api("cudaStreamQuery", [&] {
    Stream& target = streams().resolve(stream);
    forbid_if_captured(target);
    forbid_implicit_dependency(target);
    require(streams().is_complete(target), cudaErrorNotReady);
  });
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned int flags) {
  return api("cudaStreamWaitEvent", [&] {
    Stream& target = streams().resolve(stream);
    Event& awaited = events().resolve(event);
    const bool external = (flags & cudaEventWaitExternal) != 0;
    if (awaited.capture != nullptr && !external) {
      capture_event_wait(target, awaited);
    } else if (target.capture != nullptr && !external) {
      // The graph cannot depend on work outside of it.
      target.capture->invalidated = true;
      throw ApiError(cudaErrorStreamCaptureIsolation);
    } else {
      enqueue(target, EventWaitOperation{awaited.shared_from_this()});
    }
  });
}

cudaError_t cudaStreamGetAttribute(cudaStream_t stream, cudaStreamAttrID attribute,
                                   cudaStreamAttrValue* value) {
  return api("cudaStreamGetAttribute", [&] {
    require(value != nullptr);
    const Stream& target = streams().resolve(stream);
    const auto found = target.attributes.find(attribute);
    *value = found == target.attributes.end() ? cudaStreamAttrValue{} : found->second;
    if (attribute == cudaLaunchAttributePriority) value->priority = target.priority;
  });
}

cudaError_t cudaStreamSetAttribute(cudaStream_t stream, cudaStreamAttrID attribute,
                                   const cudaStreamAttrValue* value) {
  return api("cudaStreamSetAttribute", [&] {
    require(value != nullptr);
    streams().resolve(stream).attributes[attribute] = *value;
  });
}

cudaError_t cudaStreamCopyAttributes(cudaStream_t destination, cudaStream_t source) {
  return api("cudaStreamCopyAttributes", [&] {
    streams().resolve(destination).attributes = streams().resolve(source).attributes;
  });
}

cudaError_t cudaStreamAttachMemAsync(cudaStream_t stream, void* pointer, size_t /*length*/,
                                     unsigned int /*flags*/) {
  return api("cudaStreamAttachMemAsync", [&] {
    static_cast<void>(streams().resolve(stream));
    require(device().find(reinterpret_cast<uint64_t>(pointer)).has_value());
  });
}

}  // extern "C"
