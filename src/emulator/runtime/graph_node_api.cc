// Graph nodes: adding them, and reading and changing what they do.
#include <cuda_runtime_api.h>

#include <utility>

#include "emulator/runtime/conditional.h"
#include "emulator/runtime/copy.h"
#include "emulator/runtime/error.h"
#include "emulator/runtime/event.h"
#include "emulator/runtime/graph.h"
#include "emulator/runtime/graph_arguments.h"
#include "emulator/runtime/launch.h"
#include "emulator/runtime/symbol.h"

using namespace slipstream::emulator::runtime;

namespace {

void add_node(cudaGraphNode_t* node, cudaGraph_t graph, const cudaGraphNode_t* dependencies,
              const cudaGraphEdgeData* edges, size_t count, Operation operation) {
  require(node != nullptr);
  GraphNode& added = graphs().resolve(graph)->add(std::move(operation),
                                                  read_dependencies(dependencies, edges, count));
  *node = Graphs::handle(added);
}

std::shared_ptr<Event> shared_event(cudaEvent_t event) {
  return events().resolve(event).shared_from_this();
}

}  // namespace

extern "C" {

cudaError_t cudaGraphAddNode(cudaGraphNode_t* node, cudaGraph_t graph,
                             const cudaGraphNode_t* dependencies, const cudaGraphEdgeData* edges,
                             size_t count, cudaGraphNodeParams* parameters) {
  return api("cudaGraphAddNode", [&] {
    require(parameters != nullptr);
    add_node(node, graph, dependencies, edges, count, node_operation(*parameters));
    give_bodies(*parameters, graphs().resolve(*node));
  });
}

cudaError_t cudaGraphNodeSetParams(cudaGraphNode_t node, cudaGraphNodeParams* parameters) {
  return api("cudaGraphNodeSetParams", [&] {
    require(parameters != nullptr);
    replace_operation(graphs().resolve(node), node_operation(*parameters));
  });
}

// --- Kernels.

cudaError_t cudaGraphAddKernelNode(cudaGraphNode_t* node, cudaGraph_t graph,
                                   const cudaGraphNode_t* dependencies, size_t count,
                                   const cudaKernelNodeParams* parameters) {
  return api("cudaGraphAddKernelNode", [&] {
    require(parameters != nullptr);
    add_node(node, graph, dependencies, nullptr, count, kernel_operation(*parameters));
  });
}

cudaError_t cudaGraphKernelNodeGetParams(cudaGraphNode_t node, cudaKernelNodeParams* parameters) {
  return api("cudaGraphKernelNodeGetParams", [&] {
    require(parameters != nullptr);
    *parameters = kernel_parameters(operation_of<KernelOperation>(graphs().resolve(node)));
  });
}

cudaError_t cudaGraphKernelNodeSetParams(cudaGraphNode_t node,
                                         const cudaKernelNodeParams* parameters) {
  return api("cudaGraphKernelNodeSetParams", [&] {
    require(parameters != nullptr);
    replace_operation(graphs().resolve(node), kernel_operation(*parameters));
  });
}

cudaError_t cudaGraphKernelNodeSetAttribute(cudaGraphNode_t node, cudaLaunchAttributeID attribute,
                                            const cudaLaunchAttributeValue* value) {
  return api("cudaGraphKernelNodeSetAttribute", [&] {
    require(value != nullptr);
    set_node_attribute(operation_of<KernelOperation>(graphs().resolve(node)), attribute, *value);
  });
}

cudaError_t cudaGraphKernelNodeGetAttribute(cudaGraphNode_t node, cudaLaunchAttributeID attribute,
                                            cudaLaunchAttributeValue* value) {
  return api("cudaGraphKernelNodeGetAttribute", [&] {
    require(value != nullptr);
    *value = node_attribute(operation_of<KernelOperation>(graphs().resolve(node)), attribute);
  });
}

cudaError_t cudaGraphKernelNodeCopyAttributes(cudaGraphNode_t destination, cudaGraphNode_t source) {
  return api("cudaGraphKernelNodeCopyAttributes", [&] {
    operation_of<KernelOperation>(graphs().resolve(destination)).attributes =
        operation_of<KernelOperation>(graphs().resolve(source)).attributes;
  });
}

// --- Copies.

cudaError_t cudaGraphAddMemcpyNode(cudaGraphNode_t* node, cudaGraph_t graph,
                                   const cudaGraphNode_t* dependencies, size_t count,
                                   const cudaMemcpy3DParms* parameters) {
  return api("cudaGraphAddMemcpyNode", [&] {
    require(parameters != nullptr);
    add_node(node, graph, dependencies, nullptr, count, volume_copy(*parameters));
  });
}

cudaError_t cudaGraphAddMemcpyNode1D(cudaGraphNode_t* node, cudaGraph_t graph,
                                     const cudaGraphNode_t* dependencies, size_t count,
                                     void* destination, const void* source, size_t bytes,
                                     cudaMemcpyKind kind) {
  return api("cudaGraphAddMemcpyNode1D", [&] {
    add_node(node, graph, dependencies, nullptr, count,
             flat_copy(destination, source, bytes, kind));
  });
}

cudaError_t cudaGraphAddMemcpyNodeToSymbol(cudaGraphNode_t* node, cudaGraph_t graph,
                                           const cudaGraphNode_t* dependencies, size_t count,
                                           const void* symbol, const void* source, size_t bytes,
                                           size_t offset, cudaMemcpyKind kind) {
  return api("cudaGraphAddMemcpyNodeToSymbol", [&] {
    add_node(node, graph, dependencies, nullptr, count,
             flat_copy(symbol_range(symbol, offset, bytes), source, bytes, kind));
  });
}

cudaError_t cudaGraphAddMemcpyNodeFromSymbol(cudaGraphNode_t* node, cudaGraph_t graph,
                                             const cudaGraphNode_t* dependencies, size_t count,
                                             void* destination, const void* symbol, size_t bytes,
                                             size_t offset, cudaMemcpyKind kind) {
  return api("cudaGraphAddMemcpyNodeFromSymbol", [&] {
    add_node(node, graph, dependencies, nullptr, count,
             flat_copy(destination, symbol_range(symbol, offset, bytes), bytes, kind));
  });
}

cudaError_t cudaGraphMemcpyNodeGetParams(cudaGraphNode_t node, cudaMemcpy3DParms* parameters) {
  return api("cudaGraphMemcpyNodeGetParams", [&] {
    require(parameters != nullptr);
    *parameters = copy_parameters(operation_of<CopyOperation>(graphs().resolve(node)));
  });
}

cudaError_t cudaGraphMemcpyNodeSetParams(cudaGraphNode_t node,
                                         const cudaMemcpy3DParms* parameters) {
  return api("cudaGraphMemcpyNodeSetParams", [&] {
    require(parameters != nullptr);
    replace_operation(graphs().resolve(node), volume_copy(*parameters));
  });
}

cudaError_t cudaGraphMemcpyNodeSetParams1D(cudaGraphNode_t node, void* destination,
                                           const void* source, size_t bytes, cudaMemcpyKind kind) {
  return api("cudaGraphMemcpyNodeSetParams1D", [&] {
    replace_operation(graphs().resolve(node), flat_copy(destination, source, bytes, kind));
  });
}

// --- Fills.

cudaError_t cudaGraphAddMemsetNode(cudaGraphNode_t* node, cudaGraph_t graph,
                                   const cudaGraphNode_t* dependencies, size_t count,
                                   const cudaMemsetParams* parameters) {
  return api("cudaGraphAddMemsetNode", [&] {
    require(parameters != nullptr);
    add_node(node, graph, dependencies, nullptr, count, fill_operation(*parameters));
  });
}

cudaError_t cudaGraphMemsetNodeGetParams(cudaGraphNode_t node, cudaMemsetParams* parameters) {
  return api("cudaGraphMemsetNodeGetParams", [&] {
    require(parameters != nullptr);
    *parameters = fill_parameters(operation_of<FillOperation>(graphs().resolve(node)));
  });
}

cudaError_t cudaGraphMemsetNodeSetParams(cudaGraphNode_t node, const cudaMemsetParams* parameters) {
  return api("cudaGraphMemsetNodeSetParams", [&] {
    require(parameters != nullptr);
    replace_operation(graphs().resolve(node), fill_operation(*parameters));
  });
}

// --- Host functions.

cudaError_t cudaGraphAddHostNode(cudaGraphNode_t* node, cudaGraph_t graph,
                                 const cudaGraphNode_t* dependencies, size_t count,
                                 const cudaHostNodeParams* parameters) {
  return api("cudaGraphAddHostNode", [&] {
    require(parameters != nullptr);
    add_node(node, graph, dependencies, nullptr, count, host_operation(*parameters));
  });
}

cudaError_t cudaGraphHostNodeGetParams(cudaGraphNode_t node, cudaHostNodeParams* parameters) {
  return api("cudaGraphHostNodeGetParams", [&] {
    require(parameters != nullptr);
    const auto& operation = operation_of<HostOperation>(graphs().resolve(node));
    *parameters = {operation.function, operation.user_data};
  });
}

cudaError_t cudaGraphHostNodeSetParams(cudaGraphNode_t node, const cudaHostNodeParams* parameters) {
  return api("cudaGraphHostNodeSetParams", [&] {
    require(parameters != nullptr);
    replace_operation(graphs().resolve(node), host_operation(*parameters));
  });
}

// --- Child graphs, empty nodes, events.

cudaError_t cudaGraphAddChildGraphNode(cudaGraphNode_t* node, cudaGraph_t graph,
                                       const cudaGraphNode_t* dependencies, size_t count,
                                       cudaGraph_t child) {
  return api("cudaGraphAddChildGraphNode", [&] {
    ChildGraphOperation operation{graphs().resolve(child)->clone()};
    operation.graph->is_child = true;
    add_node(node, graph, dependencies, nullptr, count, std::move(operation));
  });
}

cudaError_t cudaGraphChildGraphNodeGetGraph(cudaGraphNode_t node, cudaGraph_t* graph) {
  return api("cudaGraphChildGraphNodeGetGraph", [&] {
    require(graph != nullptr);
    *graph = Graphs::handle(*operation_of<ChildGraphOperation>(graphs().resolve(node)).graph);
  });
}

cudaError_t cudaGraphAddEmptyNode(cudaGraphNode_t* node, cudaGraph_t graph,
                                  const cudaGraphNode_t* dependencies, size_t count) {
  return api("cudaGraphAddEmptyNode",
             [&] { add_node(node, graph, dependencies, nullptr, count, EmptyOperation{}); });
}

cudaError_t cudaGraphAddEventRecordNode(cudaGraphNode_t* node, cudaGraph_t graph,
                                        const cudaGraphNode_t* dependencies, size_t count,
                                        cudaEvent_t event) {
  return api("cudaGraphAddEventRecordNode", [&] {
    add_node(node, graph, dependencies, nullptr, count, EventRecordOperation{shared_event(event)});
  });
}

cudaError_t cudaGraphAddEventWaitNode(cudaGraphNode_t* node, cudaGraph_t graph,
                                      const cudaGraphNode_t* dependencies, size_t count,
                                      cudaEvent_t event) {
  return api("cudaGraphAddEventWaitNode", [&] {
    add_node(node, graph, dependencies, nullptr, count, EventWaitOperation{shared_event(event)});
  });
}

cudaError_t cudaGraphEventRecordNodeGetEvent(cudaGraphNode_t node, cudaEvent_t* event) {
  return api("cudaGraphEventRecordNodeGetEvent", [&] {
    require(event != nullptr);
    *event = Events::handle(*operation_of<EventRecordOperation>(graphs().resolve(node)).event);
  });
}

cudaError_t cudaGraphEventWaitNodeGetEvent(cudaGraphNode_t node, cudaEvent_t* event) {
  return api("cudaGraphEventWaitNodeGetEvent", [&] {
    require(event != nullptr);
    *event = Events::handle(*operation_of<EventWaitOperation>(graphs().resolve(node)).event);
  });
}

cudaError_t cudaGraphEventRecordNodeSetEvent(cudaGraphNode_t node, cudaEvent_t event) {
  return api("cudaGraphEventRecordNodeSetEvent", [&] {
    operation_of<EventRecordOperation>(graphs().resolve(node)).event = shared_event(event);
  });
}

cudaError_t cudaGraphEventWaitNodeSetEvent(cudaGraphNode_t node, cudaEvent_t event) {
  return api("cudaGraphEventWaitNodeSetEvent", [&] {
    operation_of<EventWaitOperation>(graphs().resolve(node)).event = shared_event(event);
  });
}

}  // extern "C"
