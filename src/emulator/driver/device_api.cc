// What devices there are.
#include <cuda.h>
#include <cuda_runtime_api.h>

#include <cstring>

#include "emulator/driver/call.h"
#include "emulator/runtime/properties.h"
#include "emulator/runtime/runtime.h"

using namespace slipstream::emulator::driver;
using slipstream::emulator::runtime::device_attribute;
using slipstream::emulator::runtime::device_number;
using slipstream::emulator::runtime::device_properties;
using slipstream::emulator::runtime::require;

namespace {

// What the driver can do and the runtime has no attribute for.
bool has_by_driver_alone(CUdevice_attribute attribute) {
  switch (attribute) {
    case CU_DEVICE_ATTRIBUTE_TENSOR_MAP_ACCESS_SUPPORTED:
    case CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED:
    case CU_DEVICE_ATTRIBUTE_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR_SUPPORTED:
    case CU_DEVICE_ATTRIBUTE_HOST_MEMORY_POOLS_SUPPORTED:
    case CU_DEVICE_ATTRIBUTE_GENERIC_COMPRESSION_SUPPORTED:  // which changes no value
      return true;
    default:
      return false;
  }
}

}  // namespace

extern "C" {

CUresult cuDeviceGetCount(int* count) {
  return without_context("cuDeviceGetCount", [&] { return cudaGetDeviceCount(count); });
}

CUresult cuDeviceGet(CUdevice* device, int ordinal) {
  return answer_always("cuDeviceGet", [&] {
    require(device != nullptr);
    *device = static_cast<CUdevice>(device_number(ordinal));
  });
}

CUresult cuDeviceGetAttribute(int* value, CUdevice_attribute attribute, CUdevice device) {
  return answer_always("cuDeviceGetAttribute", [&] {
    require(value != nullptr);
    const auto found =
        device_attribute(device_number(device), static_cast<cudaDeviceAttr>(attribute));
    require(found.has_value() || attribute < CU_DEVICE_ATTRIBUTE_MAX);
    *value = has_by_driver_alone(attribute) ? 1 : found.value_or(0);
  });
}

CUresult cuDeviceComputeCapability(int* major, int* minor, CUdevice device) {
  return answer_always("cuDeviceComputeCapability", [&] {
    require(major != nullptr && minor != nullptr);
    const cudaDeviceProp properties = device_properties(device_number(device));
    *major = properties.major;
    *minor = properties.minor;
  });
}

CUresult cuDeviceGetName(char* name, int length, CUdevice device) {
  return answer_always("cuDeviceGetName", [&] {
    require(name != nullptr && length > 0);
    const cudaDeviceProp properties = device_properties(device_number(device));
    std::strncpy(name, properties.name, static_cast<size_t>(length) - 1);
    name[length - 1] = '\0';
  });
}

CUresult cuDeviceGetUuid_v2(CUuuid* uuid, CUdevice device) {
  return answer_always("cuDeviceGetUuid", [&] {
    require(uuid != nullptr);
    *uuid = device_properties(device_number(device)).uuid;
  });
}

CUresult cuDeviceTotalMem(size_t* bytes, CUdevice device) {
  return answer_always("cuDeviceTotalMem", [&] {
    require(bytes != nullptr);
    *bytes = device_properties(device_number(device)).totalGlobalMem;
  });
}

CUresult cuDeviceGetPCIBusId(char* text, int length, CUdevice device) {
  return without_context("cuDeviceGetPCIBusId",
                         [&] { return cudaDeviceGetPCIBusId(text, length, device); });
}

CUresult cuDeviceGetByPCIBusId(CUdevice* device, const char* text) {
  return without_context("cuDeviceGetByPCIBusId",
                         [&] { return cudaDeviceGetByPCIBusId(device, text); });
}

CUresult cuDeviceCanAccessPeer(int* can_access, CUdevice device, CUdevice peer) {
  return without_context("cuDeviceCanAccessPeer",
                         [&] { return cudaDeviceCanAccessPeer(can_access, device, peer); });
}

CUresult cuDeviceGetP2PAttribute(int* value, CUdevice_P2PAttribute attribute, CUdevice device,
                                 CUdevice peer) {
  return without_context("cuDeviceGetP2PAttribute", [&] {
    return cudaDeviceGetP2PAttribute(value, static_cast<cudaDeviceP2PAttr>(attribute), device,
                                     peer);
  });
}

}  // extern "C"
