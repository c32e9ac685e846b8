// Graph nodes by their general parameters, edges, and what executable graphs are told.
#include <cuda.h>
#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstring>

#include "emulator/driver/call.h"

using namespace slipstream::emulator::driver;

namespace {

// The runtime's parameters, which begin as the driver's do. Where the call writes into them, they go back.
class NodeParameters {
 public:
  explicit NodeParameters(CUgraphNodeParams* given) : given_(given) {
    static_assert(sizeof(CUgraphNodeParams) == sizeof(cudaGraphNodeParams));
    static_assert(offsetof(CUgraphNodeParams, kernel.extra) ==
                  offsetof(cudaGraphNodeParams, kernel.extra));
    static_assert(offsetof(CUgraphNodeParams, memset.height) ==
                  offsetof(cudaGraphNodeParams, memset.height));
    static_assert(offsetof(CUgraphNodeParams, alloc.dptr) ==
                  offsetof(cudaGraphNodeParams, alloc.dptr));
    static_assert(offsetof(CUgraphNodeParams, conditional.phGraph_out) ==
                  offsetof(cudaGraphNodeParams, conditional.phGraph_out));
    std::memcpy(static_cast<void*>(&same_), given, sizeof(same_));
    if (given->type == CU_GRAPH_NODE_TYPE_KERNEL && given->kernel.func == nullptr) {
      same_.kernel.func = given->kernel.kern;
    }
  }

  template <class Call>
  cudaError_t pass_to(Call&& call) {
    if (given_->type == CU_GRAPH_NODE_TYPE_MEMCPY) return cudaErrorNotSupported;
    const cudaError_t code = call(&same_);
    if (given_->type == CU_GRAPH_NODE_TYPE_MEM_ALLOC ||
        given_->type == CU_GRAPH_NODE_TYPE_CONDITIONAL) {
      std::memcpy(given_, &same_, sizeof(same_));
    }
    return code;
  }

 private:
  CUgraphNodeParams* given_;
  cudaGraphNodeParams same_{};
};

const cudaGraphEdgeData* same(const CUgraphEdgeData* edges) {
  static_assert(sizeof(CUgraphEdgeData) == sizeof(cudaGraphEdgeData));
  return reinterpret_cast<const cudaGraphEdgeData*>(edges);
}
cudaGraphEdgeData* same(CUgraphEdgeData* edges) {
  return reinterpret_cast<cudaGraphEdgeData*>(edges);
}

}  // namespace

extern "C" {

// --- Nodes.

CUresult cuGraphAddNode_v2(CUgraphNode* node, CUgraph graph, const CUgraphNode* dependencies,
                           const CUgraphEdgeData* edges, size_t count,
                           CUgraphNodeParams* parameters) {
  if (parameters == nullptr) return CUDA_ERROR_INVALID_VALUE;
  return with_context("cuGraphAddNode", [&] {
    return NodeParameters(parameters).pass_to([&](cudaGraphNodeParams* given) {
      return cudaGraphAddNode(node, graph, dependencies, same(edges), count, given);
    });
  });
}

CUresult cuGraphNodeSetParams(CUgraphNode node, CUgraphNodeParams* parameters) {
  if (parameters == nullptr) return CUDA_ERROR_INVALID_VALUE;
  return with_context("cuGraphNodeSetParams", [&] {
    return NodeParameters(parameters).pass_to([&](cudaGraphNodeParams* given) {
      return cudaGraphNodeSetParams(node, given);
    });
  });
}

CUresult cuGraphExecNodeSetParams(CUgraphExec exec, CUgraphNode node,
                                  CUgraphNodeParams* parameters) {
  if (parameters == nullptr) return CUDA_ERROR_INVALID_VALUE;
  return with_context("cuGraphExecNodeSetParams", [&] {
    return NodeParameters(parameters).pass_to([&](cudaGraphNodeParams* given) {
      return cudaGraphExecNodeSetParams(exec, node, given);
    });
  });
}

CUresult cuGraphConditionalHandleCreate(CUgraphConditionalHandle* handle, CUgraph graph,
                                        CUcontext /*context*/, unsigned value, unsigned flags) {
  return with_context("cuGraphConditionalHandleCreate", [&] {
    return cudaGraphConditionalHandleCreate(reinterpret_cast<cudaGraphConditionalHandle*>(handle),
                                            graph, value, flags);
  });
}

CUresult cuGraphChildGraphNodeGetGraph(CUgraphNode node, CUgraph* graph) {
  return without_context("cuGraphChildGraphNodeGetGraph",
                         [&] { return cudaGraphChildGraphNodeGetGraph(node, graph); });
}

CUresult cuGraphNodeFindInClone(CUgraphNode* node, CUgraphNode original, CUgraph clone) {
  return without_context("cuGraphNodeFindInClone",
                         [&] { return cudaGraphNodeFindInClone(node, original, clone); });
}

CUresult cuGraphNodeGetEnabled(CUgraphExec exec, CUgraphNode node, unsigned* enabled) {
  return without_context("cuGraphNodeGetEnabled",
                         [&] { return cudaGraphNodeGetEnabled(exec, node, enabled); });
}

CUresult cuGraphNodeSetEnabled(CUgraphExec exec, CUgraphNode node, unsigned enabled) {
  return without_context("cuGraphNodeSetEnabled",
                         [&] { return cudaGraphNodeSetEnabled(exec, node, enabled); });
}

// --- Edges.

CUresult cuGraphGetEdges_v2(CUgraph graph, CUgraphNode* from, CUgraphNode* to,
                            CUgraphEdgeData* edges, size_t* count) {
  return without_context("cuGraphGetEdges",
                         [&] { return cudaGraphGetEdges(graph, from, to, same(edges), count); });
}

CUresult cuGraphNodeGetDependencies_v2(CUgraphNode node, CUgraphNode* others,
                                       CUgraphEdgeData* edges, size_t* count) {
  return without_context("cuGraphNodeGetDependencies", [&] {
    return cudaGraphNodeGetDependencies(node, others, same(edges), count);
  });
}

CUresult cuGraphNodeGetDependentNodes_v2(CUgraphNode node, CUgraphNode* others,
                                         CUgraphEdgeData* edges, size_t* count) {
  return without_context("cuGraphNodeGetDependentNodes", [&] {
    return cudaGraphNodeGetDependentNodes(node, others, same(edges), count);
  });
}

CUresult cuGraphRemoveDependencies_v2(CUgraph graph, const CUgraphNode* from, const CUgraphNode* to,
                                      const CUgraphEdgeData* edges, size_t count) {
  return without_context("cuGraphRemoveDependencies", [&] {
    return cudaGraphRemoveDependencies(graph, from, to, same(edges), count);
  });
}

// --- Executable graphs.

CUresult cuGraphInstantiateWithParams(CUgraphExec* exec, CUgraph graph,
                                      CUDA_GRAPH_INSTANTIATE_PARAMS* parameters) {
  static_assert(sizeof(CUDA_GRAPH_INSTANTIATE_PARAMS) == sizeof(cudaGraphInstantiateParams));
  return with_context("cuGraphInstantiateWithParams", [&] {
    return cudaGraphInstantiateWithParams(
        exec, graph, reinterpret_cast<cudaGraphInstantiateParams*>(parameters));
  });
}

CUresult cuGraphExecGetFlags(CUgraphExec exec, cuuint64_t* flags) {
  return without_context("cuGraphExecGetFlags", [&] {
    return cudaGraphExecGetFlags(exec, reinterpret_cast<unsigned long long*>(flags));
  });
}

CUresult cuGraphExecUpdate_v2(CUgraphExec exec, CUgraph graph, CUgraphExecUpdateResultInfo* info) {
  static_assert(sizeof(CUgraphExecUpdateResultInfo) == sizeof(cudaGraphExecUpdateResultInfo));
  return with_context("cuGraphExecUpdate", [&] {
    return cudaGraphExecUpdate(exec, graph, reinterpret_cast<cudaGraphExecUpdateResultInfo*>(info));
  });
}

CUresult cuGraphExecChildGraphNodeSetParams(CUgraphExec exec, CUgraphNode node, CUgraph child) {
  return with_context("cuGraphExecChildGraphNodeSetParams",
                      [&] { return cudaGraphExecChildGraphNodeSetParams(exec, node, child); });
}

CUresult cuStreamBeginCaptureToGraph(CUstream stream, CUgraph graph,
                                     const CUgraphNode* dependencies, const CUgraphEdgeData* edges,
                                     size_t count, CUstreamCaptureMode mode) {
  return with_context("cuStreamBeginCaptureToGraph", [&] {
    return cudaStreamBeginCaptureToGraph(stream, graph, dependencies, same(edges), count,
                                         static_cast<cudaStreamCaptureMode>(mode));
  });
}

}  // extern "C"
