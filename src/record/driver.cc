#include "record/driver.h"

#include <dlfcn.h>

#define SLIPSTREAM_NAME_OF(name) #name
#define SLIPSTREAM_SYMBOL(name) SLIPSTREAM_NAME_OF(name)

namespace slipstream::record {

// cuda.h renames functions that have newer versions; the macros give the name that is meant.
std::string Driver::load() {
  void* const library = dlopen("libcuda.so.1", RTLD_NOW);
  if (library == nullptr) return "libcuda.so.1";
  std::string missing;
  const auto find = [&](auto& function, const char* name) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(library, name));
    if (function == nullptr && missing.empty()) missing = name;
  };
  find(func_get_name, SLIPSTREAM_SYMBOL(cuFuncGetName));
  find(kernel_get_name, SLIPSTREAM_SYMBOL(cuKernelGetName));
  find(func_get_param_info, SLIPSTREAM_SYMBOL(cuFuncGetParamInfo));
  find(kernel_get_param_info, SLIPSTREAM_SYMBOL(cuKernelGetParamInfo));
  find(mem_get_address_range, SLIPSTREAM_SYMBOL(cuMemGetAddressRange));
  find(stream_is_capturing, SLIPSTREAM_SYMBOL(cuStreamIsCapturing));
  find(graph_get_nodes, SLIPSTREAM_SYMBOL(cuGraphGetNodes));
  find(graph_node_get_type, SLIPSTREAM_SYMBOL(cuGraphNodeGetType));
  find(graph_kernel_node_get_params, SLIPSTREAM_SYMBOL(cuGraphKernelNodeGetParams));
  find(graph_child_graph_node_get_graph, SLIPSTREAM_SYMBOL(cuGraphChildGraphNodeGetGraph));
  find(graph_get_edges, SLIPSTREAM_SYMBOL(cuGraphGetEdges));
  return missing;
}

Signature signature_of(const Driver& driver, const Callee& callee) {
  Signature result;
  const char* name = nullptr;
  const bool is_kernel = callee.function == nullptr;
  const CUresult named = is_kernel ? driver.kernel_get_name(&name, callee.kernel)
                                   : driver.func_get_name(&name, callee.function);
  if (named == CUDA_SUCCESS && name != nullptr) result.name = name;
  for (size_t i = 0;; ++i) {
    ParameterPlace place;
    const CUresult found =
        is_kernel ? driver.kernel_get_param_info(callee.kernel, i, &place.offset, &place.bytes)
                  : driver.func_get_param_info(callee.function, i, &place.offset, &place.bytes);
    if (found != CUDA_SUCCESS) return result;
    result.parameters.push_back(place);
  }
}

}  // namespace slipstream::record
