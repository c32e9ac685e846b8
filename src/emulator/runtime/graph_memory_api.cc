// Graph nodes that allocate and free memory, and the handles of conditional ones.
#include <cuda_runtime_api.h>

#include <utility>

#include "emulator/runtime/conditional.h"
#include "emulator/runtime/error.h"
#include "emulator/runtime/graph.h"
#include "emulator/runtime/graph_arguments.h"
#include "emulator/runtime/graph_memory.h"
#include "emulator/runtime/memory.h"
#include "emulator/runtime/runtime.h"

using namespace slipstream::emulator::runtime;

namespace {

void add_node(cudaGraphNode_t* node, cudaGraph_t graph, const cudaGraphNode_t* dependencies,
              size_t count, slipstream::emulator::runtime::Operation operation) {
  require(node != nullptr);
  const auto before = read_dependencies(dependencies, nullptr, count);
  *node = Graphs::handle(graphs().resolve(graph)->add(std::move(operation), before));
}

uint64_t attribute_of(uint32_t number, cudaGraphMemAttributeType attribute) {
  switch (attribute) {
    case cudaGraphMemAttrUsedMemCurrent:
    case cudaGraphMemAttrReservedMemCurrent:  // nothing is kept back
      return graph_memory().used_bytes(number);
    case cudaGraphMemAttrUsedMemHigh:
    case cudaGraphMemAttrReservedMemHigh:
      return graph_memory().used_high(number);
  }
  throw ApiError(cudaErrorInvalidValue);
}

}  // namespace

extern "C" {

cudaError_t cudaGraphAddMemAllocNode(cudaGraphNode_t* node, cudaGraph_t graph,
                                     const cudaGraphNode_t* dependencies, size_t count,
                                     cudaMemAllocNodeParams* parameters) {
  return api("cudaGraphAddMemAllocNode", [&] {
    require(parameters != nullptr);
    AllocateOperation operation{graph_memory().allocate(*parameters)};
    parameters->dptr = pointer_to(operation.allocation->address);
    add_node(node, graph, dependencies, count, std::move(operation));
  });
}

cudaError_t cudaGraphMemAllocNodeGetParams(cudaGraphNode_t node,
                                           cudaMemAllocNodeParams* parameters) {
  return api("cudaGraphMemAllocNodeGetParams", [&] {
    require(parameters != nullptr);
    const GraphAllocation& allocation =
        *operation_of<AllocateOperation>(graphs().resolve(node)).allocation;
    *parameters = {};
    parameters->poolProps.allocType = cudaMemAllocationTypePinned;
    parameters->poolProps.location = {cudaMemLocationTypeDevice,
                                      static_cast<int>(allocation.device)};
    parameters->bytesize = allocation.size;
    parameters->dptr = pointer_to(allocation.address);
  });
}

cudaError_t cudaGraphAddMemFreeNode(cudaGraphNode_t* node, cudaGraph_t graph,
                                    const cudaGraphNode_t* dependencies, size_t count,
                                    void* pointer) {
  return api("cudaGraphAddMemFreeNode", [&] {
    require(pointer != nullptr);
    add_node(node, graph, dependencies, count, FreeOperation{reinterpret_cast<uint64_t>(pointer)});
  });
}

cudaError_t cudaGraphMemFreeNodeGetParams(cudaGraphNode_t node, void* pointer) {
  return api("cudaGraphMemFreeNodeGetParams", [&] {
    require(pointer != nullptr);
    *static_cast<void**>(pointer) =
        pointer_to(operation_of<FreeOperation>(graphs().resolve(node)).address);
  });
}

cudaError_t cudaDeviceGetGraphMemAttribute(int number, cudaGraphMemAttributeType attribute,
                                           void* value) {
  return api("cudaDeviceGetGraphMemAttribute", [&] {
    const uint32_t asked = device_number(number);
    require(value != nullptr);
    *static_cast<uint64_t*>(value) = attribute_of(asked, attribute);
  });
}

cudaError_t cudaDeviceSetGraphMemAttribute(int number, cudaGraphMemAttributeType attribute,
                                           void* value) {
  return api("cudaDeviceSetGraphMemAttribute", [&] {
    const uint32_t asked = device_number(number);
    const bool is_high =
        attribute == cudaGraphMemAttrUsedMemHigh || attribute == cudaGraphMemAttrReservedMemHigh;
    require(value != nullptr && is_high && *static_cast<uint64_t*>(value) == 0);
    graph_memory().reset_high(asked);
  });
}

cudaError_t cudaDeviceGraphMemTrim(int number) {
  return api("cudaDeviceGraphMemTrim", [&] { device_number(number); });
}

cudaError_t cudaGraphConditionalHandleCreate(cudaGraphConditionalHandle* handle, cudaGraph_t graph,
                                             unsigned int default_value, unsigned int flags) {
  return api("cudaGraphConditionalHandleCreate", [&] {
    require(handle != nullptr);
    *handle = make_condition(*graphs().resolve(graph), default_value, flags);
  });
}

}  // extern "C"
