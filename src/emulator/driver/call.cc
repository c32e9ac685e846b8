#include "emulator/driver/call.h"

namespace slipstream::emulator::driver {

CUresult result_of(cudaError_t code) noexcept {
  switch (code) {
    case cudaErrorInvalidSymbol:
      return CUDA_ERROR_NOT_FOUND;
    case cudaErrorInvalidDeviceFunction:
      return CUDA_ERROR_INVALID_HANDLE;
    case cudaErrorInvalidConfiguration:
    case cudaErrorInvalidPitchValue:
    case cudaErrorInvalidHostPointer:
    case cudaErrorInvalidDevicePointer:
    case cudaErrorInvalidMemcpyDirection:
    case cudaErrorInvalidChannelDescriptor:
      return CUDA_ERROR_INVALID_VALUE;
    default:
      return static_cast<CUresult>(code);
  }
}

DriverCall::DriverCall(const char* function)
    : name_(function), error_before_(runtime::last_error()) {}
DriverCall::~DriverCall() { runtime::set_last_error(error_before_); }

}  // namespace slipstream::emulator::driver
