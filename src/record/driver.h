// The driver's functions that the recorder asks about a launch, found in the process that it records.
#pragma once

#include <cuda.h>

#include <cstdint>
#include <string>
#include <vector>

namespace slipstream::record {

struct Driver {
  decltype(&::cuFuncGetName) func_get_name = nullptr;
  decltype(&::cuKernelGetName) kernel_get_name = nullptr;
  decltype(&::cuFuncGetParamInfo) func_get_param_info = nullptr;
  decltype(&::cuKernelGetParamInfo) kernel_get_param_info = nullptr;
  decltype(&::cuMemGetAddressRange) mem_get_address_range = nullptr;
  decltype(&::cuStreamIsCapturing) stream_is_capturing = nullptr;
  decltype(&::cuGraphGetNodes) graph_get_nodes = nullptr;
  decltype(&::cuGraphNodeGetType) graph_node_get_type = nullptr;
  decltype(&::cuGraphKernelNodeGetParams) graph_kernel_node_get_params = nullptr;
  decltype(&::cuGraphChildGraphNodeGetGraph) graph_child_graph_node_get_graph = nullptr;
  decltype(&::cuGraphGetEdges) graph_get_edges = nullptr;

  // Of libcuda.so.1. Returns what is missing, or nothing.
  [[nodiscard]] std::string load();
};

// What a launch calls: a function of a module, or a kernel of a library.
struct Callee {
  CUfunction function = nullptr;
  CUkernel kernel = nullptr;
};

struct ParameterPlace {
  size_t offset = 0;
  size_t bytes = 0;
};

struct Signature {
  std::string name;  // mangled
  std::vector<ParameterPlace> parameters;
};

// Empty where the driver does not know it.
[[nodiscard]] Signature signature_of(const Driver& driver, const Callee& callee);

}  // namespace slipstream::record
