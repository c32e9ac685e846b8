// The device, versions, limits and errors.
#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include <cstring>
#include <map>
#include <string>

#include "emulator/runtime/capture.h"
#include "emulator/runtime/error.h"
#include "emulator/runtime/event.h"
#include "emulator/runtime/graph.h"
#include "emulator/runtime/pool.h"
#include "emulator/runtime/properties.h"
#include "emulator/runtime/registry.h"
#include "emulator/runtime/runtime.h"
#include "emulator/runtime/stream.h"

using namespace slipstream::emulator::runtime;

namespace {

std::string pci_bus_id(uint32_t number) { return fmt::format("0000:{:02x}:00.0", number); }

// Of the current device, as all that follows.
unsigned int& device_flags() {
  static auto* all = new std::map<uint32_t, unsigned int>;
  return all->try_emplace(current_device(), cudaDeviceScheduleAuto | cudaDeviceMapHost)
      .first->second;
}

using SetLimits = std::map<cudaLimit, size_t>;
SetLimits& limits() {
  static const SetLimits kAtFirst{
      {cudaLimitStackSize, 1024},
      {cudaLimitPrintfFifoSize, size_t{1} << 20},
      {cudaLimitMallocHeapSize, 0},  // the device knows
      {cudaLimitDevRuntimePendingLaunchCount, 2048},
      {cudaLimitMaxL2FetchGranularity, 64},
      {cudaLimitPersistingL2CacheSize, 0},
  };
  static auto* all = new std::map<uint32_t, SetLimits>;
  return all->try_emplace(current_device(), kAtFirst).first->second;
}

// The other device that a call about peers names.
uint32_t peer_number(int peer) {
  const uint32_t number = device_number(peer);
  require(number != current_device(), cudaErrorInvalidDevice);
  return number;
}

}  // namespace

extern "C" {

// --- Errors.

cudaError_t cudaGetLastError() {
  const std::scoped_lock lock(api_lock());
  const cudaError_t code = sticky_error() != cudaSuccess ? sticky_error() : last_error();
  clear_last_error();
  return code;
}

cudaError_t cudaPeekAtLastError() {
  const std::scoped_lock lock(api_lock());
  return sticky_error() != cudaSuccess ? sticky_error() : last_error();
}

const char* cudaGetErrorName(cudaError_t code) { return error_name(code); }
const char* cudaGetErrorString(cudaError_t code) { return error_text(code); }

// --- Versions.

cudaError_t cudaRuntimeGetVersion(int* version) {
  return api_always("cudaRuntimeGetVersion", [&] {
    require(version != nullptr);
    *version = CUDART_VERSION;
  });
}

cudaError_t cudaDriverGetVersion(int* version) {
  return api_always("cudaDriverGetVersion", [&] {
    require(version != nullptr);
    *version = CUDART_VERSION;
  });
}

// --- Which device.

cudaError_t cudaGetDeviceCount(int* count) {
  return api_always("cudaGetDeviceCount", [&] {
    require(count != nullptr);
    *count = settings().devices;
  });
}

cudaError_t cudaGetDevice(int* number) {
  return api_always("cudaGetDevice", [&] {
    require(number != nullptr);
    *number = static_cast<int>(current_device());
  });
}

// Works though the device that the thread leaves is ruined.
cudaError_t cudaSetDevice(int number) {
  return api_always("cudaSetDevice", [&] { set_current_device(device_number(number)); });
}

cudaError_t cudaInitDevice(int number, unsigned int /*device_flags*/, unsigned int /*flags*/) {
  return api("cudaInitDevice", [&] { device_number(number); });
}

cudaError_t cudaSetValidDevices(int* /*numbers*/, int /*count*/) {
  return api("cudaSetValidDevices", [] {});
}

cudaError_t cudaChooseDevice(int* number, const cudaDeviceProp* properties) {
  return api("cudaChooseDevice", [&] {
    require(number != nullptr && properties != nullptr);
    *number = 0;
  });
}

cudaError_t cudaSetDeviceFlags(unsigned int flags) {
  return api("cudaSetDeviceFlags", [&] {
    require((flags & ~static_cast<unsigned>(cudaDeviceMask)) == 0);
    device_flags() = flags | cudaDeviceMapHost;
  });
}

cudaError_t cudaGetDeviceFlags(unsigned int* flags) {
  return api("cudaGetDeviceFlags", [&] {
    require(flags != nullptr);
    *flags = device_flags();
  });
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int number) {
  return api("cudaGetDeviceProperties", [&] {
    require(properties != nullptr);
    *properties = device_properties(device_number(number));
  });
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int number) {
  return api("cudaDeviceGetAttribute", [&] {
    require(value != nullptr);
    const auto found = device_attribute(device_number(number), attribute);
    require(found.has_value());
    *value = *found;
  });
}

cudaError_t cudaDeviceGetPCIBusId(char* text, int length, int number) {
  return api("cudaDeviceGetPCIBusId", [&] {
    const std::string id = pci_bus_id(device_number(number));
    require(text != nullptr && length > static_cast<int>(id.size()));
    std::strcpy(text, id.c_str());  // NOLINT: the length was checked
  });
}

cudaError_t cudaDeviceGetByPCIBusId(int* number, const char* text) {
  return api("cudaDeviceGetByPCIBusId", [&] {
    require(number != nullptr && text != nullptr);
    for (int i = 0; i < settings().devices; ++i) {
      if (pci_bus_id(static_cast<uint32_t>(i)) != text) continue;
      *number = i;
      return;
    }
    throw ApiError(cudaErrorInvalidDevice);
  });
}

// --- Peers: all reach each other.

cudaError_t cudaDeviceCanAccessPeer(int* can_access, int number, int peer) {
  return api("cudaDeviceCanAccessPeer", [&] {
    require(can_access != nullptr);
    *can_access = device_number(number) != device_number(peer) ? 1 : 0;
  });
}

cudaError_t cudaDeviceEnablePeerAccess(int peer, unsigned int flags) {
  return api("cudaDeviceEnablePeerAccess", [&] {
    require(flags == 0);
    const uint32_t other = peer_number(peer);
    require(!device().has_peer_access(current_device(), other), cudaErrorPeerAccessAlreadyEnabled);
    device().set_peer_access(current_device(), other, true);
  });
}

cudaError_t cudaDeviceDisablePeerAccess(int peer) {
  return api("cudaDeviceDisablePeerAccess", [&] {
    const uint32_t other = peer_number(peer);
    require(device().has_peer_access(current_device(), other), cudaErrorPeerAccessNotEnabled);
    device().set_peer_access(current_device(), other, false);
  });
}

cudaError_t cudaDeviceGetP2PAttribute(int* value, cudaDeviceP2PAttr attribute, int number,
                                      int peer) {
  return api("cudaDeviceGetP2PAttribute", [&] {
    require(value != nullptr);
    require(device_number(number) != device_number(peer), cudaErrorInvalidDevice);
    switch (attribute) {
      case cudaDevP2PAttrPerformanceRank:
        *value = 0;
        return;
      case cudaDevP2PAttrAccessSupported:
      case cudaDevP2PAttrNativeAtomicSupported:
        *value = 1;
        return;
      case cudaDevP2PAttrCudaArrayAccessSupported:
        *value = 0;
        return;
      default:
        throw ApiError(cudaErrorInvalidValue);
    }
  });
}

// --- Waiting and starting over.

cudaError_t cudaDeviceSynchronize() {
  return api("cudaDeviceSynchronize", [] {
    forbid_while_capturing();
    const uint32_t number = current_device();
    run_all(number);
    surface_fault(number);
  });
}

cudaError_t cudaDeviceReset() {
  return api_always("cudaDeviceReset", [] {
    abandon_all_captures();
    const uint32_t number = current_device();
    device().reset(number);
    registry().unload_all(number);
    streams().forget_work(number);
    events().forget_work(number);
    graphs().forget_work();
    pools().forget_memory(number);
    forget_faults(number);
    clear_last_error();
  });
}

cudaError_t cudaProfilerStart() {
  return api("cudaProfilerStart", [] {});
}

cudaError_t cudaProfilerStop() {
  return api("cudaProfilerStop", [] {});
}

// --- Limits and preferences: kept, and without effect but for the heap's size.

cudaError_t cudaDeviceGetLimit(size_t* value, cudaLimit limit) {
  return api("cudaDeviceGetLimit", [&] {
    require(value != nullptr);
    const auto found = limits().find(limit);
    require(found != limits().end(), cudaErrorUnsupportedLimit);
    *value =
        limit == cudaLimitMallocHeapSize ? device().heap_limit(current_device()) : found->second;
  });
}

cudaError_t cudaDeviceSetLimit(cudaLimit limit, size_t value) {
  return api("cudaDeviceSetLimit", [&] {
    const auto found = limits().find(limit);
    require(found != limits().end(), cudaErrorUnsupportedLimit);
    if (limit == cudaLimitMallocHeapSize) require(device().set_heap_limit(value, current_device()));
    found->second = value;
  });
}

cudaError_t cudaDeviceGetCacheConfig(cudaFuncCache* preference) {
  return api("cudaDeviceGetCacheConfig", [&] {
    require(preference != nullptr);
    *preference = cudaFuncCachePreferNone;
  });
}

cudaError_t cudaDeviceSetCacheConfig(cudaFuncCache /*preference*/) {
  return api("cudaDeviceSetCacheConfig", [] {});
}

cudaError_t cudaCtxResetPersistingL2Cache() {
  return api("cudaCtxResetPersistingL2Cache", [] {});
}

cudaChannelFormatDesc cudaCreateChannelDesc(int x, int y, int z, int w,
                                            cudaChannelFormatKind kind) {
  return {x, y, z, w, kind};
}

}  // extern "C"
