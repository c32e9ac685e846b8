// Memory and events that processes share: the runtime's handles.
#include <cuda.h>
#include <cuda_runtime_api.h>

#include <bit>

#include "emulator/driver/call.h"

using namespace slipstream::emulator::driver;

extern "C" {

CUresult cuIpcGetMemHandle(CUipcMemHandle* handle, CUdeviceptr address) {
  static_assert(sizeof(CUipcMemHandle) == sizeof(cudaIpcMemHandle_t));
  return with_context("cuIpcGetMemHandle", [&] {
    return cudaIpcGetMemHandle(reinterpret_cast<cudaIpcMemHandle_t*>(handle), pointer(address));
  });
}

CUresult cuIpcOpenMemHandle(CUdeviceptr* address, CUipcMemHandle handle, unsigned flags) {
  return with_context("cuIpcOpenMemHandle", [&] {
    return cudaIpcOpenMemHandle(pointer(address), std::bit_cast<cudaIpcMemHandle_t>(handle), flags);
  });
}

CUresult cuIpcCloseMemHandle(CUdeviceptr address) {
  return with_context("cuIpcCloseMemHandle",
                      [&] { return cudaIpcCloseMemHandle(pointer(address)); });
}

CUresult cuIpcGetEventHandle(CUipcEventHandle* handle, CUevent event) {
  static_assert(sizeof(CUipcEventHandle) == sizeof(cudaIpcEventHandle_t));
  return with_context("cuIpcGetEventHandle", [&] {
    return cudaIpcGetEventHandle(reinterpret_cast<cudaIpcEventHandle_t*>(handle), event);
  });
}

CUresult cuIpcOpenEventHandle(CUevent* event, CUipcEventHandle handle) {
  return with_context("cuIpcOpenEventHandle", [&] {
    return cudaIpcOpenEventHandle(event, std::bit_cast<cudaIpcEventHandle_t>(handle));
  });
}

}  // extern "C"
