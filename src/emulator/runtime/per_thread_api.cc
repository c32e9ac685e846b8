// What a program compiled with --default-stream per-thread calls: the same functions, in which a
// null stream is the thread's own default stream.
#include <cuda_runtime_api.h>

#include "emulator/runtime/stream.h"

using namespace slipstream::emulator::runtime;

namespace {

template <class... Parameters>
cudaError_t per_thread(cudaError_t (*function)(Parameters...), Parameters... arguments) {
  const NullStreamIsPerThread scope;
  return function(arguments...);
}

}  // namespace

// NOLINTBEGIN(bugprone-reserved-identifier): names that the compiler of CUDA chose
extern "C" {

cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3 grid, dim3 block, void** arguments,
                               size_t dynamic_shared_bytes, cudaStream_t stream);

cudaError_t __cudaLaunchKernel_ptsz(cudaKernel_t kernel, dim3 grid, dim3 block, void** arguments,
                                    size_t dynamic_shared_bytes, cudaStream_t stream) {
  return per_thread(__cudaLaunchKernel, kernel, grid, block, arguments, dynamic_shared_bytes,
                    stream);
}

cudaError_t cudaEventRecordWithFlags_ptsz(cudaEvent_t event, cudaStream_t stream,
                                          unsigned int flags) {
  return per_thread(cudaEventRecordWithFlags, event, stream, flags);
}

cudaError_t cudaEventRecord_ptsz(cudaEvent_t event, cudaStream_t stream) {
  return per_thread(cudaEventRecord, event, stream);
}

cudaError_t cudaFreeAsync_ptsz(void* pointer, cudaStream_t stream) {
  return per_thread(cudaFreeAsync, pointer, stream);
}

cudaError_t cudaGetDriverEntryPointByVersion_ptsz(const char* symbol, void** function,
                                                  unsigned int version, unsigned long long flags,
                                                  cudaDriverEntryPointQueryResult* result) {
  return per_thread(cudaGetDriverEntryPointByVersion, symbol, function, version, flags, result);
}

cudaError_t cudaGetDriverEntryPoint_ptsz(const char* symbol, void** function,
                                         unsigned long long flags,
                                         cudaDriverEntryPointQueryResult* result) {
  return per_thread(cudaGetDriverEntryPoint, symbol, function, flags, result);
}

cudaError_t cudaGraphInstantiateWithParams_ptsz(cudaGraphExec_t* exec, cudaGraph_t graph,
                                                cudaGraphInstantiateParams* parameters) {
  return per_thread(cudaGraphInstantiateWithParams, exec, graph, parameters);
}

cudaError_t cudaGraphLaunch_ptsz(cudaGraphExec_t exec, cudaStream_t stream) {
  return per_thread(cudaGraphLaunch, exec, stream);
}

cudaError_t cudaGraphUpload_ptsz(cudaGraphExec_t exec, cudaStream_t stream) {
  return per_thread(cudaGraphUpload, exec, stream);
}

cudaError_t cudaLaunchCooperativeKernel_ptsz(const void* function, dim3 grid, dim3 block,
                                             void** arguments, size_t dynamic_shared_bytes,
                                             cudaStream_t stream) {
  return per_thread(cudaLaunchCooperativeKernel, function, grid, block, arguments,
                    dynamic_shared_bytes, stream);
}

cudaError_t cudaLaunchHostFunc_ptsz(cudaStream_t stream, cudaHostFn_t function, void* user_data) {
  return per_thread(cudaLaunchHostFunc, stream, function, user_data);
}

cudaError_t cudaLaunchKernelExC_ptsz(const cudaLaunchConfig_t* configuration, const void* function,
                                     void** arguments) {
  return per_thread(cudaLaunchKernelExC, configuration, function, arguments);
}

cudaError_t cudaLaunchKernel_ptsz(const void* function, dim3 grid, dim3 block, void** arguments,
                                  size_t dynamic_shared_bytes, cudaStream_t stream) {
  return per_thread(cudaLaunchKernel, function, grid, block, arguments, dynamic_shared_bytes,
                    stream);
}

cudaError_t cudaMallocAsync_ptsz(void** pointer, size_t size, cudaStream_t stream) {
  return per_thread(cudaMallocAsync, pointer, size, stream);
}

cudaError_t cudaMallocFromPoolAsync_ptsz(void** pointer, size_t size, cudaMemPool_t pool,
                                         cudaStream_t stream) {
  return per_thread(cudaMallocFromPoolAsync, pointer, size, pool, stream);
}

cudaError_t cudaMemPrefetchAsync_ptsz(const void* pointer, size_t count, cudaMemLocation location,
                                      unsigned int flags, cudaStream_t stream) {
  return per_thread(cudaMemPrefetchAsync, pointer, count, location, flags, stream);
}

cudaError_t cudaMemcpy2DAsync_ptsz(void* destination, size_t destination_pitch, const void* source,
                                   size_t source_pitch, size_t width, size_t height,
                                   cudaMemcpyKind kind, cudaStream_t stream) {
  return per_thread(cudaMemcpy2DAsync, destination, destination_pitch, source, source_pitch, width,
                    height, kind, stream);
}

cudaError_t cudaMemcpy3DAsync_ptsz(const cudaMemcpy3DParms* parameters, cudaStream_t stream) {
  return per_thread(cudaMemcpy3DAsync, parameters, stream);
}

cudaError_t cudaMemcpyAsync_ptsz(void* destination, const void* source, size_t count,
                                 cudaMemcpyKind kind, cudaStream_t stream) {
  return per_thread(cudaMemcpyAsync, destination, source, count, kind, stream);
}

cudaError_t cudaMemcpyFromSymbolAsync_ptsz(void* destination, const void* symbol, size_t count,
                                           size_t offset, cudaMemcpyKind kind,
                                           cudaStream_t stream) {
  return per_thread(cudaMemcpyFromSymbolAsync, destination, symbol, count, offset, kind, stream);
}

cudaError_t cudaMemcpyToSymbolAsync_ptsz(const void* symbol, const void* source, size_t count,
                                         size_t offset, cudaMemcpyKind kind, cudaStream_t stream) {
  return per_thread(cudaMemcpyToSymbolAsync, symbol, source, count, offset, kind, stream);
}

cudaError_t cudaMemset2DAsync_ptsz(void* destination, size_t pitch, int value, size_t width,
                                   size_t height, cudaStream_t stream) {
  return per_thread(cudaMemset2DAsync, destination, pitch, value, width, height, stream);
}

cudaError_t cudaMemset3DAsync_ptsz(cudaPitchedPtr destination, int value, cudaExtent extent,
                                   cudaStream_t stream) {
  return per_thread(cudaMemset3DAsync, destination, value, extent, stream);
}

cudaError_t cudaMemsetAsync_ptsz(void* destination, int value, size_t count, cudaStream_t stream) {
  return per_thread(cudaMemsetAsync, destination, value, count, stream);
}

cudaError_t cudaStreamAddCallback_ptsz(cudaStream_t stream, cudaStreamCallback_t function,
                                       void* user_data, unsigned int flags) {
  return per_thread(cudaStreamAddCallback, stream, function, user_data, flags);
}

cudaError_t cudaStreamAttachMemAsync_ptsz(cudaStream_t stream, void* pointer, size_t length,
                                          unsigned int flags) {
  return per_thread(cudaStreamAttachMemAsync, stream, pointer, length, flags);
}

cudaError_t cudaStreamBeginCaptureToGraph_ptsz(cudaStream_t stream, cudaGraph_t graph,
                                               const cudaGraphNode_t* dependencies,
                                               const cudaGraphEdgeData* edges, size_t count,
                                               cudaStreamCaptureMode mode) {
  return per_thread(cudaStreamBeginCaptureToGraph, stream, graph, dependencies, edges, count, mode);
}

cudaError_t cudaStreamBeginCapture_ptsz(cudaStream_t stream, cudaStreamCaptureMode mode) {
  return per_thread(cudaStreamBeginCapture, stream, mode);
}

cudaError_t cudaStreamCopyAttributes_ptsz(cudaStream_t destination, cudaStream_t source) {
  return per_thread(cudaStreamCopyAttributes, destination, source);
}

cudaError_t cudaStreamEndCapture_ptsz(cudaStream_t stream, cudaGraph_t* graph) {
  return per_thread(cudaStreamEndCapture, stream, graph);
}

cudaError_t cudaStreamGetAttribute_ptsz(cudaStream_t stream, cudaStreamAttrID attribute,
                                        cudaStreamAttrValue* value) {
  return per_thread(cudaStreamGetAttribute, stream, attribute, value);
}

cudaError_t cudaStreamGetCaptureInfo_ptsz(cudaStream_t stream, cudaStreamCaptureStatus* status,
                                          unsigned long long* id, cudaGraph_t* graph,
                                          const cudaGraphNode_t** dependencies,
                                          const cudaGraphEdgeData** edges, size_t* count) {
  return per_thread(cudaStreamGetCaptureInfo, stream, status, id, graph, dependencies, edges,
                    count);
}

cudaError_t cudaStreamGetDevice_ptsz(cudaStream_t stream, int* device) {
  return per_thread(cudaStreamGetDevice, stream, device);
}

cudaError_t cudaStreamGetFlags_ptsz(cudaStream_t stream, unsigned int* flags) {
  return per_thread(cudaStreamGetFlags, stream, flags);
}

cudaError_t cudaStreamGetId_ptsz(cudaStream_t stream, unsigned long long* id) {
  return per_thread(cudaStreamGetId, stream, id);
}

cudaError_t cudaStreamGetPriority_ptsz(cudaStream_t stream, int* priority) {
  return per_thread(cudaStreamGetPriority, stream, priority);
}

cudaError_t cudaStreamIsCapturing_ptsz(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  return per_thread(cudaStreamIsCapturing, stream, status);
}

cudaError_t cudaStreamQuery_ptsz(cudaStream_t stream) {
  return per_thread(cudaStreamQuery, stream);
}

cudaError_t cudaStreamSetAttribute_ptsz(cudaStream_t stream, cudaStreamAttrID attribute,
                                        const cudaStreamAttrValue* value) {
  return per_thread(cudaStreamSetAttribute, stream, attribute, value);
}

cudaError_t cudaStreamSynchronize_ptsz(cudaStream_t stream) {
  return per_thread(cudaStreamSynchronize, stream);
}

cudaError_t cudaStreamUpdateCaptureDependencies_ptsz(cudaStream_t stream, cudaGraphNode_t* nodes,
                                                     const cudaGraphEdgeData* edges, size_t count,
                                                     unsigned int flags) {
  return per_thread(cudaStreamUpdateCaptureDependencies, stream, nodes, edges, count, flags);
}

cudaError_t cudaStreamWaitEvent_ptsz(cudaStream_t stream, cudaEvent_t event, unsigned int flags) {
  return per_thread(cudaStreamWaitEvent, stream, event, flags);
}

cudaError_t cudaMemcpy2D_ptds(void* destination, size_t destination_pitch, const void* source,
                              size_t source_pitch, size_t width, size_t height,
                              cudaMemcpyKind kind) {
  return per_thread(cudaMemcpy2D, destination, destination_pitch, source, source_pitch, width,
                    height, kind);
}

cudaError_t cudaMemcpy3D_ptds(const cudaMemcpy3DParms* parameters) {
  return per_thread(cudaMemcpy3D, parameters);
}

cudaError_t cudaMemcpyFromSymbol_ptds(void* destination, const void* symbol, size_t count,
                                      size_t offset, cudaMemcpyKind kind) {
  return per_thread(cudaMemcpyFromSymbol, destination, symbol, count, offset, kind);
}

cudaError_t cudaMemcpyToSymbol_ptds(const void* symbol, const void* source, size_t count,
                                    size_t offset, cudaMemcpyKind kind) {
  return per_thread(cudaMemcpyToSymbol, symbol, source, count, offset, kind);
}

cudaError_t cudaMemcpy_ptds(void* destination, const void* source, size_t count,
                            cudaMemcpyKind kind) {
  return per_thread(cudaMemcpy, destination, source, count, kind);
}

cudaError_t cudaMemset2D_ptds(void* destination, size_t pitch, int value, size_t width,
                              size_t height) {
  return per_thread(cudaMemset2D, destination, pitch, value, width, height);
}

cudaError_t cudaMemset3D_ptds(cudaPitchedPtr destination, int value, cudaExtent extent) {
  return per_thread(cudaMemset3D, destination, value, extent);
}

cudaError_t cudaMemset_ptds(void* destination, int value, size_t count) {
  return per_thread(cudaMemset, destination, value, count);
}

}  // extern "C"
// NOLINTEND(bugprone-reserved-identifier)
