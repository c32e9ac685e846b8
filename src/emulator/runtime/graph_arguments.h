// Converts between the structures of the graph functions and operations.
#pragma once

#include <driver_types.h>

#include <cstddef>
#include <vector>

#include "emulator/runtime/error.h"
#include "emulator/runtime/graph.h"
#include "emulator/runtime/operation.h"

namespace slipstream::emulator::runtime {

// `edges` may be null: all edges are default ones.
std::vector<NodeDependency> read_dependencies(const cudaGraphNode_t* nodes,
                                              const cudaGraphEdgeData* edges, size_t count);

// Fills the arrays of a query: with null arrays only the count; else up to *count entries, the rest
// of the arrays with nulls. Throws ApiError cudaErrorLossyQuery where edge data would be dropped.
void write_dependencies(const std::vector<NodeDependency>& dependencies, cudaGraphNode_t* nodes,
                        cudaGraphEdgeData* edges, size_t* count);

KernelOperation kernel_operation(const cudaKernelNodeParams& parameters);
cudaKernelNodeParams kernel_parameters(const KernelOperation& operation);
FillOperation fill_operation(const cudaMemsetParams& parameters);
cudaMemsetParams fill_parameters(const FillOperation& operation);
cudaMemcpy3DParms copy_parameters(const CopyOperation& operation);
HostOperation host_operation(const cudaHostNodeParams& parameters);
// From the form that names the type in a field. Throws ApiError cudaErrorNotSupported for a type
// that is not supported. Fills the fields that the call gives back: the address of memory, the bodies of a conditional
// node.
Operation node_operation(cudaGraphNodeParams& parameters);

// The operation of `node`, which must be of that type. Throws ApiError cudaErrorInvalidValue
// otherwise.
template <class Kind>
Kind& operation_of(GraphNode& node) {
  auto* operation = std::get_if<Kind>(&node.operation);
  if (operation == nullptr) throw ApiError(cudaErrorInvalidValue);
  return *operation;
}

// Replaces what a node does by an operation of the same type. A kernel keeps its attributes.
void replace_operation(GraphNode& node, Operation operation);

}  // namespace slipstream::emulator::runtime
