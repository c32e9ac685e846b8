// Streams and events, which are the runtime's, as its null, legacy and per-thread streams are.
#include <cuda.h>
#include <cuda_runtime_api.h>

#include <memory>

#include "emulator/driver/call.h"
#include "emulator/driver/context.h"
#include "emulator/runtime/stream.h"

using namespace slipstream::emulator::driver;
using slipstream::emulator::runtime::require;
using slipstream::emulator::runtime::streams;

namespace {

// What cuStreamAddCallback hands to the program's function.
struct StreamCallback {
  CUstreamCallback function;
  void* user_data;
};

void run_stream_callback(cudaStream_t stream, cudaError_t code, void* data) {
  const std::unique_ptr<StreamCallback> callback(static_cast<StreamCallback*>(data));
  callback->function(stream, result_of(code), callback->user_data);
}

}  // namespace

extern "C" {

CUresult cuStreamCreate(CUstream* stream, unsigned flags) {
  return with_context("cuStreamCreate", [&] { return cudaStreamCreateWithFlags(stream, flags); });
}

CUresult cuStreamCreateWithPriority(CUstream* stream, unsigned flags, int priority) {
  return with_context("cuStreamCreateWithPriority",
                      [&] { return cudaStreamCreateWithPriority(stream, flags, priority); });
}

CUresult cuStreamDestroy(CUstream stream) {
  return with_context("cuStreamDestroy", [&] { return cudaStreamDestroy(stream); });
}

CUresult cuStreamSynchronize(CUstream stream) {
  return with_context("cuStreamSynchronize", [&] { return cudaStreamSynchronize(stream); });
}

CUresult cuStreamQuery(CUstream stream) {
  return with_context("cuStreamQuery", [&] { return cudaStreamQuery(stream); });
}

CUresult cuStreamWaitEvent(CUstream stream, CUevent event, unsigned flags) {
  return with_context("cuStreamWaitEvent",
                      [&] { return cudaStreamWaitEvent(stream, event, flags); });
}

CUresult cuStreamAddCallback(CUstream stream, CUstreamCallback function, void* user_data,
                             unsigned flags) {
  if (function == nullptr) return CUDA_ERROR_INVALID_VALUE;
  return with_context("cuStreamAddCallback", [&] {
    auto callback = std::make_unique<StreamCallback>(StreamCallback{function, user_data});
    // Of a call that fails it stays: the function may have been called all the same.
    return cudaStreamAddCallback(stream, run_stream_callback, callback.release(), flags);
  });
}

CUresult cuStreamAttachMemAsync(CUstream stream, CUdeviceptr address, size_t length,
                                unsigned flags) {
  return with_context("cuStreamAttachMemAsync", [&] {
    return cudaStreamAttachMemAsync(stream, pointer(address), length, flags);
  });
}

// --- What a stream is.

CUresult cuStreamGetPriority(CUstream stream, int* priority) {
  return with_context("cuStreamGetPriority",
                      [&] { return cudaStreamGetPriority(stream, priority); });
}

CUresult cuStreamGetFlags(CUstream stream, unsigned* flags) {
  return with_context("cuStreamGetFlags", [&] { return cudaStreamGetFlags(stream, flags); });
}

CUresult cuStreamGetId(CUstream stream, unsigned long long* id) {
  return with_context("cuStreamGetId", [&] { return cudaStreamGetId(stream, id); });
}

CUresult cuStreamGetDevice(CUstream stream, CUdevice* device) {
  return with_context("cuStreamGetDevice", [&] { return cudaStreamGetDevice(stream, device); });
}

CUresult cuStreamGetCtx(CUstream stream, CUcontext* context) {
  return answer("cuStreamGetCtx", [&] {
    require(context != nullptr);
    *context = handle_of(contexts().primary(streams().resolve(stream).device));
  });
}

CUresult cuStreamGetAttribute(CUstream stream, CUstreamAttrID attribute, CUstreamAttrValue* value) {
  static_assert(sizeof(CUstreamAttrValue) == sizeof(cudaStreamAttrValue));
  return with_context("cuStreamGetAttribute", [&] {
    return cudaStreamGetAttribute(stream, static_cast<cudaStreamAttrID>(attribute),
                                  reinterpret_cast<cudaStreamAttrValue*>(value));
  });
}

CUresult cuStreamSetAttribute(CUstream stream, CUstreamAttrID attribute,
                              const CUstreamAttrValue* value) {
  return with_context("cuStreamSetAttribute", [&] {
    return cudaStreamSetAttribute(stream, static_cast<cudaStreamAttrID>(attribute),
                                  reinterpret_cast<const cudaStreamAttrValue*>(value));
  });
}

CUresult cuStreamCopyAttributes(CUstream destination, CUstream source) {
  return with_context("cuStreamCopyAttributes",
                      [&] { return cudaStreamCopyAttributes(destination, source); });
}

// --- Capturing.

CUresult cuStreamBeginCapture(CUstream stream, CUstreamCaptureMode mode) {
  return with_context("cuStreamBeginCapture", [&] {
    return cudaStreamBeginCapture(stream, static_cast<cudaStreamCaptureMode>(mode));
  });
}

CUresult cuStreamEndCapture(CUstream stream, CUgraph* graph) {
  return with_context("cuStreamEndCapture", [&] { return cudaStreamEndCapture(stream, graph); });
}

CUresult cuStreamIsCapturing(CUstream stream, CUstreamCaptureStatus* status) {
  return with_context("cuStreamIsCapturing", [&] {
    return cudaStreamIsCapturing(stream, reinterpret_cast<cudaStreamCaptureStatus*>(status));
  });
}

CUresult cuStreamGetCaptureInfo_v2(CUstream stream, CUstreamCaptureStatus* status, cuuint64_t* id,
                                   CUgraph* graph, const CUgraphNode** dependencies,
                                   size_t* count) {
  return with_context("cuStreamGetCaptureInfo", [&] {
    return cudaStreamGetCaptureInfo(stream, reinterpret_cast<cudaStreamCaptureStatus*>(status),
                                    reinterpret_cast<unsigned long long*>(id), graph, dependencies,
                                    nullptr, count);
  });
}

CUresult cuStreamGetCaptureInfo(CUstream stream, CUstreamCaptureStatus* status, cuuint64_t* id,
                                CUgraph* graph, const CUgraphNode** dependencies,
                                const CUgraphEdgeData** edges, size_t* count) {
  static_assert(sizeof(CUgraphEdgeData) == sizeof(cudaGraphEdgeData));
  return with_context("cuStreamGetCaptureInfo", [&] {
    return cudaStreamGetCaptureInfo(stream, reinterpret_cast<cudaStreamCaptureStatus*>(status),
                                    reinterpret_cast<unsigned long long*>(id), graph, dependencies,
                                    reinterpret_cast<const cudaGraphEdgeData**>(edges), count);
  });
}

CUresult cuStreamUpdateCaptureDependencies(CUstream stream, CUgraphNode* nodes,
                                           const CUgraphEdgeData* edges, size_t count,
                                           unsigned flags) {
  return with_context("cuStreamUpdateCaptureDependencies", [&] {
    return cudaStreamUpdateCaptureDependencies(
        stream, nodes, reinterpret_cast<const cudaGraphEdgeData*>(edges), count, flags);
  });
}

CUresult cuThreadExchangeStreamCaptureMode(CUstreamCaptureMode* mode) {
  return without_context("cuThreadExchangeStreamCaptureMode", [&] {
    return cudaThreadExchangeStreamCaptureMode(reinterpret_cast<cudaStreamCaptureMode*>(mode));
  });
}

// --- Events.

CUresult cuEventCreate(CUevent* event, unsigned flags) {
  return with_context("cuEventCreate", [&] { return cudaEventCreateWithFlags(event, flags); });
}

CUresult cuEventDestroy(CUevent event) {
  return with_context("cuEventDestroy", [&] { return cudaEventDestroy(event); });
}

CUresult cuEventRecord(CUevent event, CUstream stream) {
  return with_context("cuEventRecord", [&] { return cudaEventRecord(event, stream); });
}

CUresult cuEventRecordWithFlags(CUevent event, CUstream stream, unsigned flags) {
  return with_context("cuEventRecordWithFlags",
                      [&] { return cudaEventRecordWithFlags(event, stream, flags); });
}

CUresult cuEventSynchronize(CUevent event) {
  return with_context("cuEventSynchronize", [&] { return cudaEventSynchronize(event); });
}

CUresult cuEventQuery(CUevent event) {
  return with_context("cuEventQuery", [&] { return cudaEventQuery(event); });
}

CUresult cuEventElapsedTime_v2(float* milliseconds, CUevent start, CUevent end) {
  return with_context("cuEventElapsedTime",
                      [&] { return cudaEventElapsedTime(milliseconds, start, end); });
}

}  // extern "C"
