// Functions and kernels: attributes, names, parameters, occupancy.
#include <cuda.h>
#include <cuda_runtime_api.h>

#include <algorithm>

#include "emulator/driver/call.h"
#include "emulator/driver/launch_configuration.h"
#include "emulator/runtime/runtime.h"

using namespace slipstream::emulator;
using namespace slipstream::emulator::driver;

namespace {

cudaError_t choose(int* value, const cudaFuncAttributes& all, CUfunction_attribute attribute) {
  switch (attribute) {
    case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
      *value = all.maxThreadsPerBlock;
      return cudaSuccess;
    case CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES:
      *value = static_cast<int>(all.sharedSizeBytes);
      return cudaSuccess;
    case CU_FUNC_ATTRIBUTE_CONST_SIZE_BYTES:
      *value = static_cast<int>(all.constSizeBytes);
      return cudaSuccess;
    case CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES:
      *value = static_cast<int>(all.localSizeBytes);
      return cudaSuccess;
    case CU_FUNC_ATTRIBUTE_NUM_REGS:
      *value = all.numRegs;
      return cudaSuccess;
    case CU_FUNC_ATTRIBUTE_PTX_VERSION:
      *value = all.ptxVersion;
      return cudaSuccess;
    case CU_FUNC_ATTRIBUTE_BINARY_VERSION:
      *value = all.binaryVersion;
      return cudaSuccess;
    case CU_FUNC_ATTRIBUTE_CACHE_MODE_CA:
      *value = all.cacheModeCA;
      return cudaSuccess;
    case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES:
      *value = all.maxDynamicSharedSizeBytes;
      return cudaSuccess;
    case CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT:
      *value = all.preferredShmemCarveout;
      return cudaSuccess;
    case CU_FUNC_ATTRIBUTE_CLUSTER_SIZE_MUST_BE_SET:
      *value = all.clusterDimMustBeSet;
      return cudaSuccess;
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_WIDTH:
      *value = all.requiredClusterWidth;
      return cudaSuccess;
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_HEIGHT:
      *value = all.requiredClusterHeight;
      return cudaSuccess;
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_DEPTH:
      *value = all.requiredClusterDepth;
      return cudaSuccess;
    case CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED:
      *value = all.nonPortableClusterSizeAllowed;
      return cudaSuccess;
    case CU_FUNC_ATTRIBUTE_CLUSTER_SCHEDULING_POLICY_PREFERENCE:
      *value = all.clusterSchedulingPolicyPreference;
      return cudaSuccess;
    default:
      return cudaErrorInvalidValue;
  }
}

cudaError_t get_function_attribute(int* value, CUfunction_attribute attribute,
                                   const void* function) {
  if (value == nullptr) return cudaErrorInvalidValue;
  cudaFuncAttributes all{};
  const cudaError_t code = cudaFuncGetAttributes(&all, function);
  return code == cudaSuccess ? choose(value, all, attribute) : code;
}

cudaError_t set_function_attribute(const void* function, CUfunction_attribute attribute,
                                   int value) {
  return cudaFuncSetAttribute(function, static_cast<cudaFuncAttribute>(attribute), value);
}

// The block size at which most threads are active at once, and the smallest such one's number of blocks.
cudaError_t best_block_size(int* grid, int* block, CUfunction function,
                            CUoccupancyB2DSize shared_bytes_of, size_t shared_bytes, int limit) {
  int most = 0;
  cudaError_t code =
      get_function_attribute(&most, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK, function);
  if (code != cudaSuccess) return code;
  if (limit > 0) most = std::min(most, limit);
  constexpr auto kWarp = static_cast<int>(Limits::kWarpSize);
  int most_active = 0;
  for (int size = most; size > 0; size = (size - 1) / kWarp * kWarp) {
    int blocks = 0;
    code = cudaOccupancyMaxActiveBlocksPerMultiprocessor(
        &blocks, function, size, shared_bytes_of == nullptr ? shared_bytes : shared_bytes_of(size));
    if (code != cudaSuccess) return code;
    if (blocks * size <= most_active) continue;
    most_active = blocks * size;
    *block = size;
    *grid = blocks * runtime::settings().multiprocessors;
  }
  return cudaSuccess;
}

}  // namespace

extern "C" {

CUresult cuFuncGetAttribute(int* value, CUfunction_attribute attribute, CUfunction function) {
  return with_context("cuFuncGetAttribute",
                      [&] { return get_function_attribute(value, attribute, function); });
}

CUresult cuFuncSetAttribute(CUfunction function, CUfunction_attribute attribute, int value) {
  return with_context("cuFuncSetAttribute",
                      [&] { return set_function_attribute(function, attribute, value); });
}

CUresult cuKernelGetAttribute(int* value, CUfunction_attribute attribute, CUkernel kernel,
                              CUdevice device) {
  return answer_always("cuKernelGetAttribute", [&] {
    const runtime::UseDevice there(runtime::device_number(device));
    runtime::require_success(get_function_attribute(value, attribute, kernel));
  });
}

CUresult cuKernelSetAttribute(CUfunction_attribute attribute, int value, CUkernel kernel,
                              CUdevice device) {
  return answer_always("cuKernelSetAttribute", [&] {
    const runtime::UseDevice there(runtime::device_number(device));
    runtime::require_success(set_function_attribute(kernel, attribute, value));
  });
}

CUresult cuFuncSetCacheConfig(CUfunction function, CUfunc_cache preference) {
  return with_context("cuFuncSetCacheConfig", [&] {
    return cudaFuncSetCacheConfig(function, static_cast<cudaFuncCache>(preference));
  });
}

CUresult cuFuncGetName(const char** name, CUfunction function) {
  return without_context("cuFuncGetName", [&] { return cudaFuncGetName(name, function); });
}

CUresult cuKernelGetName(const char** name, CUkernel kernel) {
  return without_context("cuKernelGetName", [&] { return cudaFuncGetName(name, kernel); });
}

CUresult cuFuncGetParamInfo(CUfunction function, size_t index, size_t* offset, size_t* size) {
  return with_context("cuFuncGetParamInfo",
                      [&] { return cudaFuncGetParamInfo(function, index, offset, size); });
}

CUresult cuKernelGetParamInfo(CUkernel kernel, size_t index, size_t* offset, size_t* size) {
  return without_context("cuKernelGetParamInfo",
                         [&] { return cudaFuncGetParamInfo(kernel, index, offset, size); });
}

// Modules are loaded at once, and kernels decoded when they are first used, which nobody notices.
CUresult cuFuncIsLoaded(CUfunctionLoadingState* state, CUfunction function) {
  const char* name = nullptr;
  if (state == nullptr) return CUDA_ERROR_INVALID_VALUE;
  *state = CU_FUNCTION_LOADING_STATE_LOADED;
  return cuFuncGetName(&name, function);
}

CUresult cuFuncLoad(CUfunction function) {
  const char* name = nullptr;
  return cuFuncGetName(&name, function);
}

// --- Occupancy.

CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, CUfunction function,
                                                     int block_size, size_t dynamic_shared_bytes) {
  return with_context("cuOccupancyMaxActiveBlocksPerMultiprocessor", [&] {
    return cudaOccupancyMaxActiveBlocksPerMultiprocessor(blocks, function, block_size,
                                                         dynamic_shared_bytes);
  });
}

CUresult cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* blocks, CUfunction function,
                                                              int block_size,
                                                              size_t dynamic_shared_bytes,
                                                              unsigned flags) {
  return with_context("cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags", [&] {
    return cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(blocks, function, block_size,
                                                                  dynamic_shared_bytes, flags);
  });
}

CUresult cuOccupancyMaxPotentialBlockSize(int* grid, int* block, CUfunction function,
                                          CUoccupancyB2DSize shared_bytes_of, size_t shared_bytes,
                                          int limit) {
  if (grid == nullptr || block == nullptr) return CUDA_ERROR_INVALID_VALUE;
  return with_context("cuOccupancyMaxPotentialBlockSize", [&] {
    return best_block_size(grid, block, function, shared_bytes_of, shared_bytes, limit);
  });
}

CUresult cuOccupancyMaxPotentialBlockSizeWithFlags(int* grid, int* block, CUfunction function,
                                                   CUoccupancyB2DSize shared_bytes_of,
                                                   size_t shared_bytes, int limit,
                                                   unsigned /*flags*/) {
  return cuOccupancyMaxPotentialBlockSize(grid, block, function, shared_bytes_of, shared_bytes,
                                          limit);
}

CUresult cuOccupancyAvailableDynamicSMemPerBlock(size_t* bytes, CUfunction function, int blocks,
                                                 int block_size) {
  return with_context("cuOccupancyAvailableDynamicSMemPerBlock", [&] {
    return cudaOccupancyAvailableDynamicSMemPerBlock(bytes, function, blocks, block_size);
  });
}

CUresult cuOccupancyMaxActiveClusters(int* clusters, CUfunction function,
                                      const CUlaunchConfig* configuration) {
  if (configuration == nullptr) return CUDA_ERROR_INVALID_VALUE;
  return with_context("cuOccupancyMaxActiveClusters", [&] {
    const cudaLaunchConfig_t same = runtime_configuration(*configuration);
    return cudaOccupancyMaxActiveClusters(clusters, function, &same);
  });
}

CUresult cuOccupancyMaxPotentialClusterSize(int* size, CUfunction function,
                                            const CUlaunchConfig* configuration) {
  if (configuration == nullptr) return CUDA_ERROR_INVALID_VALUE;
  return with_context("cuOccupancyMaxPotentialClusterSize", [&] {
    const cudaLaunchConfig_t same = runtime_configuration(*configuration);
    return cudaOccupancyMaxPotentialClusterSize(size, function, &same);
  });
}

}  // extern "C"
