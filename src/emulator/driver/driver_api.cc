// The functions of the CUDA driver that a program of the runtime calls on the way: what devices
// there are, and which one is current. Modules and launches are the runtime's, which takes kernels
// from fat binaries.
#include <cuda.h>
#include <cuda_runtime_api.h>

#include <cstdint>
#include <cstring>

namespace {

// Every device has one context, its primary one: the handle is the device's number, counted from 1.
CUcontext context_of(int device) {
  return reinterpret_cast<CUcontext>(static_cast<intptr_t>(device) + 1);
}
int device_of(CUcontext context) {
  return static_cast<int>(reinterpret_cast<intptr_t>(context) - 1);
}

// Codes that both have are the same numbers.
CUresult result_of(cudaError_t code) { return static_cast<CUresult>(code); }

int device_count() {
  int count = 0;
  return cudaGetDeviceCount(&count) == cudaSuccess ? count : 0;
}

bool is_device(int device) { return device >= 0 && device < device_count(); }

}  // namespace

extern "C" {

CUresult cuInit(unsigned flags) { return flags == 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE; }

CUresult cuDriverGetVersion(int* version) { return result_of(cudaDriverGetVersion(version)); }

CUresult cuDeviceGetCount(int* count) { return result_of(cudaGetDeviceCount(count)); }

CUresult cuDeviceGet(CUdevice* device, int ordinal) {
  if (device == nullptr) return CUDA_ERROR_INVALID_VALUE;
  if (!is_device(ordinal)) return CUDA_ERROR_INVALID_DEVICE;
  *device = ordinal;
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetAttribute(int* value, CUdevice_attribute attribute, CUdevice device) {
  return result_of(cudaDeviceGetAttribute(value, static_cast<cudaDeviceAttr>(attribute), device));
}

CUresult cuDeviceGetName(char* name, int length, CUdevice device) {
  if (name == nullptr || length <= 0) return CUDA_ERROR_INVALID_VALUE;
  cudaDeviceProp properties{};
  const cudaError_t code = cudaGetDeviceProperties(&properties, device);
  if (code != cudaSuccess) return result_of(code);
  std::strncpy(name, properties.name, static_cast<size_t>(length) - 1);
  name[length - 1] = '\0';
  return CUDA_SUCCESS;
}

CUresult cuDeviceTotalMem(size_t* bytes, CUdevice device) {
  cudaDeviceProp properties{};
  const cudaError_t code = cudaGetDeviceProperties(&properties, device);
  if (code == cudaSuccess) *bytes = properties.totalGlobalMem;
  return result_of(code);
}

CUresult cuDevicePrimaryCtxGetState(CUdevice device, unsigned* flags, int* active) {
  if (flags == nullptr || active == nullptr) return CUDA_ERROR_INVALID_VALUE;
  if (!is_device(device)) return CUDA_ERROR_INVALID_DEVICE;
  *flags = 0;
  *active = 1;
  return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice device) {
  if (context == nullptr) return CUDA_ERROR_INVALID_VALUE;
  if (!is_device(device)) return CUDA_ERROR_INVALID_DEVICE;
  *context = context_of(device);
  return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxRelease(CUdevice device) {
  return is_device(device) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

CUresult cuCtxGetCurrent(CUcontext* context) {
  int device = 0;
  const cudaError_t code = cudaGetDevice(&device);
  if (code == cudaSuccess) *context = context_of(device);
  return result_of(code);
}

CUresult cuCtxSetCurrent(CUcontext context) {
  // None: the runtime makes a device's context current by itself when it is next called.
  return context == nullptr ? CUDA_SUCCESS : result_of(cudaSetDevice(device_of(context)));
}

CUresult cuCtxGetDevice(CUdevice* device) { return result_of(cudaGetDevice(device)); }

CUresult cuCtxSynchronize() { return result_of(cudaDeviceSynchronize()); }

CUresult cuPointerGetAttribute(void* data, CUpointer_attribute attribute, CUdeviceptr pointer) {
  cudaPointerAttributes attributes{};
  // NOLINTNEXTLINE(performance-no-int-to-ptr): a CUdeviceptr is a number.
  const auto* address = reinterpret_cast<const void*>(pointer);
  const cudaError_t code = cudaPointerGetAttributes(&attributes, address);
  if (code != cudaSuccess) return result_of(code);
  if (attributes.type == cudaMemoryTypeUnregistered) return CUDA_ERROR_INVALID_VALUE;
  switch (attribute) {
    case CU_POINTER_ATTRIBUTE_CONTEXT:
      *static_cast<CUcontext*>(data) = context_of(attributes.device);
      return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL:
      *static_cast<int*>(data) = attributes.device;
      return CUDA_SUCCESS;
    default:
      return CUDA_ERROR_NOT_SUPPORTED;
  }
}

CUresult cuGetErrorName(CUresult code, const char** name) {
  *name = cudaGetErrorName(static_cast<cudaError_t>(code));
  return CUDA_SUCCESS;
}

CUresult cuGetErrorString(CUresult code, const char** text) {
  *text = cudaGetErrorString(static_cast<cudaError_t>(code));
  return CUDA_SUCCESS;
}

}  // extern "C"
