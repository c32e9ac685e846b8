// The driver's launch configuration as the runtime's. Attributes are the same, by their numbers and values.
#pragma once

#include <cuda.h>
#include <driver_types.h>

namespace slipstream::emulator::driver {

[[nodiscard]] inline cudaLaunchConfig_t runtime_configuration(const CUlaunchConfig& configuration) {
  static_assert(sizeof(CUlaunchAttribute) == sizeof(cudaLaunchAttribute));
  static_assert(static_cast<int>(CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION) ==
                static_cast<int>(cudaLaunchAttributeProgrammaticStreamSerialization));
  cudaLaunchConfig_t same{};
  same.gridDim = {configuration.gridDimX, configuration.gridDimY, configuration.gridDimZ};
  same.blockDim = {configuration.blockDimX, configuration.blockDimY, configuration.blockDimZ};
  same.dynamicSmemBytes = configuration.sharedMemBytes;
  same.stream = configuration.hStream;
  same.attrs = reinterpret_cast<cudaLaunchAttribute*>(configuration.attrs);
  same.numAttrs = configuration.numAttrs;
  return same;
}

}  // namespace slipstream::emulator::driver
