// Graphs, which are the runtime's: made by capturing streams, or of kernels, fills, host functions, events and other
// graphs.
#include <cuda.h>
#include <cuda_runtime_api.h>

#include "emulator/driver/call.h"

using namespace slipstream::emulator::driver;

namespace {

cudaKernelNodeParams runtime_parameters(const CUDA_KERNEL_NODE_PARAMS& given) {
  cudaKernelNodeParams same{};
  same.func =
      given.func != nullptr ? static_cast<void*>(given.func) : static_cast<void*>(given.kern);
  same.gridDim = {given.gridDimX, given.gridDimY, given.gridDimZ};
  same.blockDim = {given.blockDimX, given.blockDimY, given.blockDimZ};
  same.sharedMemBytes = given.sharedMemBytes;
  same.kernelParams = given.kernelParams;
  same.extra = given.extra;
  return same;
}

cudaMemsetParams runtime_parameters(const CUDA_MEMSET_NODE_PARAMS& given) {
  cudaMemsetParams same{};
  same.dst = pointer(given.dst);
  same.pitch = given.pitch;
  same.value = given.value;
  same.elementSize = given.elementSize;
  same.width = given.width;
  same.height = given.height;
  return same;
}

}  // namespace

extern "C" {

CUresult cuGraphCreate(CUgraph* graph, unsigned flags) {
  return without_context("cuGraphCreate", [&] { return cudaGraphCreate(graph, flags); });
}

CUresult cuGraphDestroy(CUgraph graph) {
  return without_context("cuGraphDestroy", [&] { return cudaGraphDestroy(graph); });
}

CUresult cuGraphClone(CUgraph* clone, CUgraph original) {
  return without_context("cuGraphClone", [&] { return cudaGraphClone(clone, original); });
}

CUresult cuGraphGetNodes(CUgraph graph, CUgraphNode* nodes, size_t* count) {
  return without_context("cuGraphGetNodes", [&] { return cudaGraphGetNodes(graph, nodes, count); });
}

CUresult cuGraphGetRootNodes(CUgraph graph, CUgraphNode* nodes, size_t* count) {
  return without_context("cuGraphGetRootNodes",
                         [&] { return cudaGraphGetRootNodes(graph, nodes, count); });
}

CUresult cuGraphNodeGetType(CUgraphNode node, CUgraphNodeType* type) {
  return without_context("cuGraphNodeGetType", [&] {
    return cudaGraphNodeGetType(node, reinterpret_cast<cudaGraphNodeType*>(type));
  });
}

CUresult cuGraphDestroyNode(CUgraphNode node) {
  return without_context("cuGraphDestroyNode", [&] { return cudaGraphDestroyNode(node); });
}

CUresult cuGraphDebugDotPrint(CUgraph graph, const char* path, unsigned flags) {
  return without_context("cuGraphDebugDotPrint",
                         [&] { return cudaGraphDebugDotPrint(graph, path, flags); });
}

// --- Nodes and edges.

CUresult cuGraphAddEmptyNode(CUgraphNode* node, CUgraph graph, const CUgraphNode* dependencies,
                             size_t count) {
  return without_context("cuGraphAddEmptyNode",
                         [&] { return cudaGraphAddEmptyNode(node, graph, dependencies, count); });
}

CUresult cuGraphAddKernelNode(CUgraphNode* node, CUgraph graph, const CUgraphNode* dependencies,
                              size_t count, const CUDA_KERNEL_NODE_PARAMS* parameters) {
  if (parameters == nullptr) return CUDA_ERROR_INVALID_VALUE;
  return with_context("cuGraphAddKernelNode", [&] {
    const cudaKernelNodeParams same = runtime_parameters(*parameters);
    return cudaGraphAddKernelNode(node, graph, dependencies, count, &same);
  });
}

CUresult cuGraphExecKernelNodeSetParams(CUgraphExec exec, CUgraphNode node,
                                        const CUDA_KERNEL_NODE_PARAMS* parameters) {
  if (parameters == nullptr) return CUDA_ERROR_INVALID_VALUE;
  return with_context("cuGraphExecKernelNodeSetParams", [&] {
    const cudaKernelNodeParams same = runtime_parameters(*parameters);
    return cudaGraphExecKernelNodeSetParams(exec, node, &same);
  });
}

CUresult cuGraphAddMemsetNode(CUgraphNode* node, CUgraph graph, const CUgraphNode* dependencies,
                              size_t count, const CUDA_MEMSET_NODE_PARAMS* parameters,
                              CUcontext /*context*/) {
  if (parameters == nullptr) return CUDA_ERROR_INVALID_VALUE;
  return with_context("cuGraphAddMemsetNode", [&] {
    const cudaMemsetParams same = runtime_parameters(*parameters);
    return cudaGraphAddMemsetNode(node, graph, dependencies, count, &same);
  });
}

CUresult cuGraphAddHostNode(CUgraphNode* node, CUgraph graph, const CUgraphNode* dependencies,
                            size_t count, const CUDA_HOST_NODE_PARAMS* parameters) {
  if (parameters == nullptr) return CUDA_ERROR_INVALID_VALUE;
  return without_context("cuGraphAddHostNode", [&] {
    const cudaHostNodeParams same{parameters->fn, parameters->userData};
    return cudaGraphAddHostNode(node, graph, dependencies, count, &same);
  });
}

CUresult cuGraphAddChildGraphNode(CUgraphNode* node, CUgraph graph, const CUgraphNode* dependencies,
                                  size_t count, CUgraph child) {
  return without_context("cuGraphAddChildGraphNode", [&] {
    return cudaGraphAddChildGraphNode(node, graph, dependencies, count, child);
  });
}

CUresult cuGraphAddEventRecordNode(CUgraphNode* node, CUgraph graph,
                                   const CUgraphNode* dependencies, size_t count, CUevent event) {
  return without_context("cuGraphAddEventRecordNode", [&] {
    return cudaGraphAddEventRecordNode(node, graph, dependencies, count, event);
  });
}

CUresult cuGraphAddEventWaitNode(CUgraphNode* node, CUgraph graph, const CUgraphNode* dependencies,
                                 size_t count, CUevent event) {
  return without_context("cuGraphAddEventWaitNode", [&] {
    return cudaGraphAddEventWaitNode(node, graph, dependencies, count, event);
  });
}

CUresult cuGraphAddDependencies_v2(CUgraph graph, const CUgraphNode* from, const CUgraphNode* to,
                                   const CUgraphEdgeData* edges, size_t count) {
  return without_context("cuGraphAddDependencies", [&] {
    return cudaGraphAddDependencies(graph, from, to,
                                    reinterpret_cast<const cudaGraphEdgeData*>(edges), count);
  });
}

// --- What they keep.

CUresult cuUserObjectCreate(CUuserObject* object, void* value, CUhostFn destroy,
                            unsigned references, unsigned flags) {
  return without_context("cuUserObjectCreate", [&] {
    return cudaUserObjectCreate(object, value, destroy, references, flags);
  });
}

CUresult cuUserObjectRetain(CUuserObject object, unsigned count) {
  return without_context("cuUserObjectRetain", [&] { return cudaUserObjectRetain(object, count); });
}

CUresult cuUserObjectRelease(CUuserObject object, unsigned count) {
  return without_context("cuUserObjectRelease",
                         [&] { return cudaUserObjectRelease(object, count); });
}

CUresult cuGraphRetainUserObject(CUgraph graph, CUuserObject object, unsigned count,
                                 unsigned flags) {
  return without_context("cuGraphRetainUserObject",
                         [&] { return cudaGraphRetainUserObject(graph, object, count, flags); });
}

CUresult cuGraphReleaseUserObject(CUgraph graph, CUuserObject object, unsigned count) {
  return without_context("cuGraphReleaseUserObject",
                         [&] { return cudaGraphReleaseUserObject(graph, object, count); });
}

// --- Running.

CUresult cuGraphInstantiateWithFlags(CUgraphExec* exec, CUgraph graph, unsigned long long flags) {
  return with_context("cuGraphInstantiate",
                      [&] { return cudaGraphInstantiateWithFlags(exec, graph, flags); });
}

CUresult cuGraphUpload(CUgraphExec exec, CUstream stream) {
  return with_context("cuGraphUpload", [&] { return cudaGraphUpload(exec, stream); });
}

CUresult cuGraphLaunch(CUgraphExec exec, CUstream stream) {
  return with_context("cuGraphLaunch", [&] { return cudaGraphLaunch(exec, stream); });
}

CUresult cuGraphExecDestroy(CUgraphExec exec) {
  return without_context("cuGraphExecDestroy", [&] { return cudaGraphExecDestroy(exec); });
}

}  // extern "C"
