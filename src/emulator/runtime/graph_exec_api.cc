// Executable graphs: instantiation, launch and update.
#include <cuda_runtime_api.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "emulator/runtime/capture.h"
#include "emulator/runtime/copy.h"
#include "emulator/runtime/error.h"
#include "emulator/runtime/event.h"
#include "emulator/runtime/graph.h"
#include "emulator/runtime/graph_arguments.h"
#include "emulator/runtime/graph_memory.h"
#include "emulator/runtime/graph_update.h"
#include "emulator/runtime/runtime.h"
#include "emulator/runtime/stream.h"
#include "emulator/runtime/submit.h"
#include "emulator/runtime/symbol.h"

using namespace slipstream::emulator::runtime;

namespace {

void instantiate(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned long long flags) {
  constexpr unsigned long long kKnown =
      cudaGraphInstantiateFlagAutoFreeOnLaunch | cudaGraphInstantiateFlagUpload |
      cudaGraphInstantiateFlagDeviceLaunch | cudaGraphInstantiateFlagUseNodePriority;
  require(exec != nullptr && (flags & ~kKnown) == 0);
  if ((flags & cudaGraphInstantiateFlagDeviceLaunch) != 0) {
    throw ApiError(cudaErrorNotSupported, "launching graphs from a kernel is not supported");
  }
  auto made = std::make_unique<GraphExec>();
  made->graph = graphs().resolve(graph)->clone();
  made->flags = flags;
  static_cast<void>(made->graph->ordered());  // refuses a circle here rather than at the launch
  *exec = graphs().keep(std::move(made));
}

void launch(GraphExec& exec, Stream& stream) {
  if (stream.capture != nullptr) {
    capture_operation(stream, ChildGraphOperation{exec.graph->clone()});
    return;
  }
  forbid_implicit_dependency(stream);
  require_freed(*exec.graph, (exec.flags & cudaGraphInstantiateFlagAutoFreeOnLaunch) != 0);
  streams().join_default_stream(stream);
  std::vector<slipstream::emulator::Dependency> before = stream.tail;
  if (exec.last_launch != 0) before.push_back({exec.last_launch});
  exec.last_launch = submit_graph(*exec.graph, before, stream.device);
  streams().advance(stream, exec.last_launch);
}

// Replaces what one node of the executable graph does.
void set_node(cudaGraphExec_t exec, cudaGraphNode_t node,
              slipstream::emulator::runtime::Operation operation) {
  replace_operation(graphs().resolve(exec).node_for(graphs().resolve(node)), std::move(operation));
}

}  // namespace

extern "C" {

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph,
                                 unsigned long long flags) {
  return api("cudaGraphInstantiate", [&] { instantiate(exec, graph, flags); });
}

cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t* exec, cudaGraph_t graph,
                                          unsigned long long flags) {
  return api("cudaGraphInstantiateWithFlags", [&] { instantiate(exec, graph, flags); });
}

cudaError_t cudaGraphInstantiateWithParams(cudaGraphExec_t* exec, cudaGraph_t graph,
                                           cudaGraphInstantiateParams* parameters) {
  return api("cudaGraphInstantiateWithParams", [&] {
    require(parameters != nullptr);
    parameters->result_out = cudaGraphInstantiateError;
    parameters->errNode_out = nullptr;
    instantiate(exec, graph, parameters->flags);
    parameters->result_out = cudaGraphInstantiateSuccess;
  });
}

cudaError_t cudaGraphExecGetFlags(cudaGraphExec_t exec, unsigned long long* flags) {
  return api("cudaGraphExecGetFlags", [&] {
    require(flags != nullptr);
    *flags = graphs().resolve(exec).flags;
  });
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  return api_always("cudaGraphExecDestroy", [&] { graphs().destroy(exec); });
}

cudaError_t cudaGraphUpload(cudaGraphExec_t exec, cudaStream_t stream) {
  return api("cudaGraphUpload", [&] {
    static_cast<void>(graphs().resolve(exec));
    static_cast<void>(streams().resolve(stream));
  });
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
  return api("cudaGraphLaunch", [&] { launch(graphs().resolve(exec), streams().resolve(stream)); });
}

// --- Update.

cudaError_t cudaGraphExecUpdate(cudaGraphExec_t exec, cudaGraph_t graph,
                                cudaGraphExecUpdateResultInfo* result) {
  return api("cudaGraphExecUpdate", [&] {
    require(result != nullptr);
    *result = update_exec(graphs().resolve(exec), *graphs().resolve(graph));
    require(result->result == cudaGraphExecUpdateSuccess, cudaErrorGraphExecUpdateFailure);
  });
}

cudaError_t cudaGraphExecNodeSetParams(cudaGraphExec_t exec, cudaGraphNode_t node,
                                       cudaGraphNodeParams* parameters) {
  return api("cudaGraphExecNodeSetParams", [&] {
    require(parameters != nullptr);
    set_node(exec, node, node_operation(*parameters));
  });
}

cudaError_t cudaGraphExecKernelNodeSetParams(cudaGraphExec_t exec, cudaGraphNode_t node,
                                             const cudaKernelNodeParams* parameters) {
  return api("cudaGraphExecKernelNodeSetParams", [&] {
    require(parameters != nullptr);
    set_node(exec, node, kernel_operation(*parameters));
  });
}

cudaError_t cudaGraphExecMemcpyNodeSetParams(cudaGraphExec_t exec, cudaGraphNode_t node,
                                             const cudaMemcpy3DParms* parameters) {
  return api("cudaGraphExecMemcpyNodeSetParams", [&] {
    require(parameters != nullptr);
    set_node(exec, node, volume_copy(*parameters));
  });
}

cudaError_t cudaGraphExecMemcpyNodeSetParams1D(cudaGraphExec_t exec, cudaGraphNode_t node,
                                               void* destination, const void* source, size_t count,
                                               cudaMemcpyKind kind) {
  return api("cudaGraphExecMemcpyNodeSetParams1D",
             [&] { set_node(exec, node, flat_copy(destination, source, count, kind)); });
}

cudaError_t cudaGraphExecMemcpyNodeSetParamsToSymbol(cudaGraphExec_t exec, cudaGraphNode_t node,
                                                     const void* symbol, const void* source,
                                                     size_t count, size_t offset,
                                                     cudaMemcpyKind kind) {
  return api("cudaGraphExecMemcpyNodeSetParamsToSymbol", [&] {
    set_node(exec, node, flat_copy(symbol_range(symbol, offset, count), source, count, kind));
  });
}

cudaError_t cudaGraphExecMemcpyNodeSetParamsFromSymbol(cudaGraphExec_t exec, cudaGraphNode_t node,
                                                       void* destination, const void* symbol,
                                                       size_t count, size_t offset,
                                                       cudaMemcpyKind kind) {
  return api("cudaGraphExecMemcpyNodeSetParamsFromSymbol", [&] {
    set_node(exec, node, flat_copy(destination, symbol_range(symbol, offset, count), count, kind));
  });
}

cudaError_t cudaGraphExecMemsetNodeSetParams(cudaGraphExec_t exec, cudaGraphNode_t node,
                                             const cudaMemsetParams* parameters) {
  return api("cudaGraphExecMemsetNodeSetParams", [&] {
    require(parameters != nullptr);
    set_node(exec, node, fill_operation(*parameters));
  });
}

cudaError_t cudaGraphExecHostNodeSetParams(cudaGraphExec_t exec, cudaGraphNode_t node,
                                           const cudaHostNodeParams* parameters) {
  return api("cudaGraphExecHostNodeSetParams", [&] {
    require(parameters != nullptr);
    set_node(exec, node, host_operation(*parameters));
  });
}

cudaError_t cudaGraphExecChildGraphNodeSetParams(cudaGraphExec_t exec, cudaGraphNode_t node,
                                                 cudaGraph_t child) {
  return api("cudaGraphExecChildGraphNodeSetParams",
             [&] { set_node(exec, node, ChildGraphOperation{graphs().resolve(child)->clone()}); });
}

cudaError_t cudaGraphExecEventRecordNodeSetEvent(cudaGraphExec_t exec, cudaGraphNode_t node,
                                                 cudaEvent_t event) {
  return api("cudaGraphExecEventRecordNodeSetEvent", [&] {
    set_node(exec, node, EventRecordOperation{events().resolve(event).shared_from_this()});
  });
}

cudaError_t cudaGraphExecEventWaitNodeSetEvent(cudaGraphExec_t exec, cudaGraphNode_t node,
                                               cudaEvent_t event) {
  return api("cudaGraphExecEventWaitNodeSetEvent", [&] {
    set_node(exec, node, EventWaitOperation{events().resolve(event).shared_from_this()});
  });
}

cudaError_t cudaGraphNodeSetEnabled(cudaGraphExec_t exec, cudaGraphNode_t node,
                                    unsigned int enabled) {
  return api("cudaGraphNodeSetEnabled", [&] {
    GraphNode& target = graphs().resolve(exec).node_for(graphs().resolve(node));
    const bool can_be_disabled = std::holds_alternative<KernelOperation>(target.operation) ||
                                 std::holds_alternative<CopyOperation>(target.operation) ||
                                 std::holds_alternative<FillOperation>(target.operation);
    require(can_be_disabled);
    target.enabled = enabled != 0;
  });
}

cudaError_t cudaGraphNodeGetEnabled(cudaGraphExec_t exec, cudaGraphNode_t node,
                                    unsigned int* enabled) {
  return api("cudaGraphNodeGetEnabled", [&] {
    require(enabled != nullptr);
    *enabled = graphs().resolve(exec).node_for(graphs().resolve(node)).enabled ? 1 : 0;
  });
}

}  // extern "C"
