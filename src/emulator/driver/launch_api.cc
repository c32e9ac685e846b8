// Launches of kernels and host functions.
#include <cuda.h>
#include <cuda_runtime_api.h>

#include <cstddef>
#include <vector>

#include "emulator/driver/call.h"
#include "emulator/driver/launch_configuration.h"

using namespace slipstream::emulator::driver;

namespace {

// Parameters that a program hands over as one block of bytes: where each of them is.
cudaError_t find_parameters(std::vector<void*>& parameters, CUfunction function, void** extra) {
  std::byte* block = nullptr;
  size_t block_size = 0;
  for (; *extra != CU_LAUNCH_PARAM_END; extra += 2) {
    if (*extra == CU_LAUNCH_PARAM_BUFFER_POINTER) {
      block = static_cast<std::byte*>(extra[1]);
    } else if (*extra == CU_LAUNCH_PARAM_BUFFER_SIZE) {
      block_size = *static_cast<const size_t*>(extra[1]);
    } else {
      return cudaErrorInvalidValue;
    }
  }
  size_t offset = 0;
  size_t size = 0;
  while (cudaFuncGetParamInfo(function, parameters.size(), &offset, &size) == cudaSuccess) {
    if (block == nullptr || offset + size > block_size) return cudaErrorInvalidValue;
    parameters.push_back(block + offset);
  }
  return cudaSuccess;
}

CUresult launch_function(const char* name, const cudaLaunchConfig_t& configuration,
                         CUfunction function, void** parameters, void** extra) {
  return with_context(name, [&] {
    if (extra == nullptr) return cudaLaunchKernelExC(&configuration, function, parameters);
    if (parameters != nullptr) return cudaErrorInvalidValue;  // one or the other
    std::vector<void*> found;
    const cudaError_t code = find_parameters(found, function, extra);
    return code == cudaSuccess ? cudaLaunchKernelExC(&configuration, function, found.data()) : code;
  });
}

}  // namespace

extern "C" {

CUresult cuLaunchKernel(CUfunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                        unsigned block_x, unsigned block_y, unsigned block_z,
                        unsigned dynamic_shared_bytes, CUstream stream, void** parameters,
                        void** extra) {
  cudaLaunchConfig_t configuration{};
  configuration.gridDim = {grid_x, grid_y, grid_z};
  configuration.blockDim = {block_x, block_y, block_z};
  configuration.dynamicSmemBytes = dynamic_shared_bytes;
  configuration.stream = stream;
  return launch_function("cuLaunchKernel", configuration, function, parameters, extra);
}

CUresult cuLaunchKernelEx(const CUlaunchConfig* configuration, CUfunction function,
                          void** parameters, void** extra) {
  if (configuration == nullptr) return CUDA_ERROR_INVALID_VALUE;
  return launch_function("cuLaunchKernelEx", runtime_configuration(*configuration), function,
                         parameters, extra);
}

CUresult cuLaunchCooperativeKernel(CUfunction function, unsigned grid_x, unsigned grid_y,
                                   unsigned grid_z, unsigned block_x, unsigned block_y,
                                   unsigned block_z, unsigned dynamic_shared_bytes, CUstream stream,
                                   void** parameters) {
  return with_context("cuLaunchCooperativeKernel", [&] {
    return cudaLaunchCooperativeKernel(function, {grid_x, grid_y, grid_z},
                                       {block_x, block_y, block_z}, parameters,
                                       dynamic_shared_bytes, stream);
  });
}

CUresult cuLaunchHostFunc(CUstream stream, CUhostFn function, void* user_data) {
  return with_context("cuLaunchHostFunc",
                      [&] { return cudaLaunchHostFunc(stream, function, user_data); });
}

}  // extern "C"
