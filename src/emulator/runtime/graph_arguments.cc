#include "emulator/runtime/graph_arguments.h"

#include <algorithm>
#include <utility>

#include "emulator/runtime/conditional.h"
#include "emulator/runtime/copy.h"
#include "emulator/runtime/error.h"
#include "emulator/runtime/event.h"
#include "emulator/runtime/graph_memory.h"
#include "emulator/runtime/launch.h"
#include "emulator/runtime/memory.h"
#include "emulator/runtime/registry.h"
#include "emulator/runtime/runtime.h"
#include "emulator/runtime/submit.h"

namespace slipstream::emulator::runtime {

std::vector<NodeDependency> read_dependencies(const cudaGraphNode_t* nodes,
                                              const cudaGraphEdgeData* edges, size_t count) {
  require(count == 0 || nodes != nullptr);
  std::vector<NodeDependency> dependencies;
  for (size_t i = 0; i < count; ++i) {
    dependencies.push_back(
        {&graphs().resolve(nodes[i]), edges == nullptr ? kDefaultEdge : edges[i]});
  }
  return dependencies;
}

void write_dependencies(const std::vector<NodeDependency>& dependencies, cudaGraphNode_t* nodes,
                        cudaGraphEdgeData* edges, size_t* count) {
  require(count != nullptr);
  if (nodes == nullptr) {
    *count = dependencies.size();
    return;
  }
  if (edges == nullptr) {
    for (const NodeDependency& dependency : dependencies) {
      require(is_default(dependency.edge), cudaErrorLossyQuery);
    }
  }
  const size_t room = *count;
  const size_t written = std::min(room, dependencies.size());
  for (size_t i = 0; i < written; ++i) {
    nodes[i] = Graphs::handle(*dependencies[i].node);
    if (edges != nullptr) edges[i] = dependencies[i].edge;
  }
  std::fill(nodes + written, nodes + room, nullptr);
  *count = written;
}

KernelOperation kernel_operation(const cudaKernelNodeParams& parameters) {
  if (parameters.extra != nullptr) {
    throw ApiError(cudaErrorNotSupported,
                   "kernel parameters in the 'extra' form are not supported");
  }
  KernelOperation operation =
      make_kernel_operation(parameters.func, parameters.gridDim, parameters.blockDim,
                            parameters.sharedMemBytes, parameters.kernelParams, {});
  check_kernel(operation);
  return operation;
}

cudaKernelNodeParams kernel_parameters(const KernelOperation& operation) {
  // The pointers into the node's own parameter block are lent until the thread's next call.
  thread_local std::vector<void*> lent;
  lent.clear();
  auto* block = const_cast<uint8_t*>(operation.parameters.data());
  for (const KernelParameter& parameter :
       device().kernel_parameters(registry().kernel(*operation.function, operation.device))) {
    lent.push_back(block + parameter.offset);
  }
  cudaKernelNodeParams parameters{};
  parameters.func = const_cast<void*>(operation.function->host_address);
  parameters.gridDim = operation.grid;
  parameters.blockDim = operation.block;
  parameters.sharedMemBytes = operation.dynamic_shared_bytes;
  parameters.kernelParams = lent.data();
  return parameters;
}

FillOperation fill_operation(const cudaMemsetParams& parameters) {
  return row_fill(parameters.dst, parameters.pitch, parameters.value, parameters.elementSize,
                  parameters.width, parameters.height);
}

cudaMemsetParams fill_parameters(const FillOperation& operation) {
  cudaMemsetParams parameters{};
  parameters.dst = pointer_to(operation.destination);
  parameters.pitch = operation.pitch;
  parameters.value = operation.value;
  parameters.elementSize = operation.element_bytes;
  parameters.width = operation.width;
  parameters.height = operation.height;
  return parameters;
}

cudaMemcpy3DParms copy_parameters(const CopyOperation& operation) {
  const auto pointer = [&](uint64_t address, uint64_t pitch, uint64_t plane) {
    return cudaPitchedPtr{
        pointer_to(address), pitch, operation.width,
        pitch == 0 ? operation.height : std::max(operation.height, plane / pitch)};
  };
  cudaMemcpy3DParms parameters{};
  parameters.srcPtr = pointer(operation.source, operation.source_pitch, operation.source_plane);
  parameters.dstPtr =
      pointer(operation.destination, operation.destination_pitch, operation.destination_plane);
  parameters.extent = {operation.width, operation.height, operation.depth};
  parameters.kind = operation.kind;
  return parameters;
}

HostOperation host_operation(const cudaHostNodeParams& parameters) {
  require(parameters.fn != nullptr);
  return {parameters.fn, parameters.userData};
}

Operation node_operation(cudaGraphNodeParams& parameters) {
  switch (parameters.type) {
    case cudaGraphNodeTypeKernel: {
      const cudaKernelNodeParamsV2& kernel = parameters.kernel;
      return kernel_operation({kernel.func, kernel.gridDim, kernel.blockDim, kernel.sharedMemBytes,
                               kernel.kernelParams, kernel.extra});
    }
    case cudaGraphNodeTypeMemcpy:
      return volume_copy(parameters.memcpy.copyParams);
    case cudaGraphNodeTypeMemset: {
      const cudaMemsetParamsV2& fill = parameters.memset;
      return row_fill(fill.dst, fill.pitch, fill.value, fill.elementSize, fill.width, fill.height);
    }
    case cudaGraphNodeTypeHost:
      return host_operation({parameters.host.fn, parameters.host.userData});
    case cudaGraphNodeTypeGraph: {
      ChildGraphOperation child{graphs().resolve(parameters.graph.graph)->clone()};
      child.graph->is_child = true;
      return child;
    }
    case cudaGraphNodeTypeEmpty:
      return EmptyOperation{};
    case cudaGraphNodeTypeWaitEvent:
      return EventWaitOperation{events().resolve(parameters.eventWait.event).shared_from_this()};
    case cudaGraphNodeTypeEventRecord:
      return EventRecordOperation{
          events().resolve(parameters.eventRecord.event).shared_from_this()};
    case cudaGraphNodeTypeMemAlloc: {
      AllocateOperation allocate{graph_memory().allocate(parameters.alloc)};
      parameters.alloc.dptr = pointer_to(allocate.allocation->address);
      return allocate;
    }
    case cudaGraphNodeTypeMemFree:
      return FreeOperation{reinterpret_cast<uint64_t>(parameters.free.dptr)};
    case cudaGraphNodeTypeConditional:
      return conditional_operation(parameters.conditional);
    default:
      throw ApiError(cudaErrorNotSupported, "graph nodes of this type are not supported");
  }
}

void replace_operation(GraphNode& node, Operation operation) {
  require(node.operation.index() == operation.index());
  if (auto* kernel = std::get_if<KernelOperation>(&operation)) {
    kernel->attributes = std::get<KernelOperation>(node.operation).attributes;
  }
  node.operation = std::move(operation);
}

}  // namespace slipstream::emulator::runtime
