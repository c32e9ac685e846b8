#include "emulator/runtime/properties.h"

#include <algorithm>
#include <climits>
#include <cstring>
#include <map>
#include <string_view>

#include "emulator/runtime/runtime.h"

namespace slipstream::emulator::runtime {
namespace {

constexpr std::string_view kName = "Slipstream emulated device";
constexpr int kMajor = 9;
constexpr int kMinor = 0;
constexpr int kConstantBytes = 64 * 1024;
constexpr int kCacheBytes = 60 * 1024 * 1024;
constexpr int kPersistingCacheBytes = 41943040;
constexpr int kAccessWindowBytes = 134213632;
constexpr int kMemoryBusBits = 6144;
constexpr int kCopyEngines = 3;
constexpr int kClockKilohertz = 1980000;
constexpr int kMemoryClockKilohertz = 3201000;
constexpr int kMaxBlockZ = 64;
constexpr int kMaxGridYZ = 65535;
constexpr int kMaxPitch = INT_MAX;
constexpr int kAlignment = 512;
constexpr int kPitchAlignment = 32;
constexpr int kFloatToDoubleRatio = 2;
constexpr int kMemSyncDomains = 4;

// Attributes that are not here and not known to be zero do not exist.
const std::map<cudaDeviceAttr, int>& attributes() {
  static const std::map<cudaDeviceAttr, int> all = {
      {cudaDevAttrMaxThreadsPerBlock, Limits::kMaxThreadsPerCta},
      {cudaDevAttrMaxBlockDimX, Limits::kMaxThreadsPerCta},
      {cudaDevAttrMaxBlockDimY, Limits::kMaxThreadsPerCta},
      {cudaDevAttrMaxBlockDimZ, kMaxBlockZ},
      {cudaDevAttrMaxGridDimX, INT_MAX},
      {cudaDevAttrMaxGridDimY, kMaxGridYZ},
      {cudaDevAttrMaxGridDimZ, kMaxGridYZ},
      {cudaDevAttrMaxSharedMemoryPerBlock, Limits::kDefaultSharedPerCta},
      {cudaDevAttrTotalConstantMemory, kConstantBytes},
      {cudaDevAttrWarpSize, Limits::kWarpSize},
      {cudaDevAttrMaxPitch, kMaxPitch},
      {cudaDevAttrMaxRegistersPerBlock, Limits::kRegistersPerSm},
      {cudaDevAttrClockRate, kClockKilohertz},
      {cudaDevAttrTextureAlignment, kAlignment},
      {cudaDevAttrTexturePitchAlignment, kPitchAlignment},
      {cudaDevAttrSurfaceAlignment, kAlignment},
      {cudaDevAttrGpuOverlap, 1},
      {cudaDevAttrMultiProcessorCount, settings().multiprocessors},
      {cudaDevAttrCanMapHostMemory, 1},
      {cudaDevAttrConcurrentKernels, 1},
      {cudaDevAttrMemoryClockRate, kMemoryClockKilohertz},
      {cudaDevAttrGlobalMemoryBusWidth, kMemoryBusBits},
      {cudaDevAttrL2CacheSize, kCacheBytes},
      {cudaDevAttrMaxThreadsPerMultiProcessor, Limits::kMaxThreadsPerSm},
      {cudaDevAttrAsyncEngineCount, kCopyEngines},
      {cudaDevAttrUnifiedAddressing, 1},
      {cudaDevAttrComputeCapabilityMajor, kMajor},
      {cudaDevAttrComputeCapabilityMinor, kMinor},
      {cudaDevAttrStreamPrioritiesSupported, 1},
      {cudaDevAttrGlobalL1CacheSupported, 1},
      {cudaDevAttrLocalL1CacheSupported, 1},
      {cudaDevAttrMaxSharedMemoryPerMultiprocessor, Limits::kSharedPerSm},
      {cudaDevAttrMaxRegistersPerMultiprocessor, Limits::kRegistersPerSm},
      {cudaDevAttrManagedMemory, 1},
      {cudaDevAttrSingleToDoublePrecisionPerfRatio, kFloatToDoubleRatio},
      {cudaDevAttrConcurrentManagedAccess, 1},
      {cudaDevAttrComputePreemptionSupported, 1},
      {cudaDevAttrCanUseHostPointerForRegisteredMem, 1},
      {cudaDevAttrCooperativeLaunch, 1},
      {cudaDevAttrMaxSharedMemoryPerBlockOptin, Limits::kMaxSharedPerCta},
      {cudaDevAttrHostRegisterSupported, 1},
      {cudaDevAttrMaxBlocksPerMultiprocessor, Limits::kMaxCtasPerSm},
      {cudaDevAttrMaxPersistingL2CacheSize, kPersistingCacheBytes},
      {cudaDevAttrMaxAccessPolicyWindowSize, kAccessWindowBytes},
      {cudaDevAttrReservedSharedMemoryPerBlock, Limits::kReservedSharedPerCta},
      {cudaDevAttrHostRegisterReadOnlySupported, 1},
      {cudaDevAttrMemoryPoolsSupported, 1},
      {cudaDevAttrMemoryPoolSupportedHandleTypes, cudaMemHandleTypePosixFileDescriptor},
      {cudaDevAttrClusterLaunch, 1},
      {cudaDevAttrIpcEventSupport, 1},
      {cudaDevAttrMemSyncDomainCount, kMemSyncDomains},
      {cudaDevAttrHostNumaId, -1},
      {cudaDevAttrNumaId, -1},
  };
  return all;
}

int value(cudaDeviceAttr attribute) { return device_attribute(0, attribute).value_or(0); }

}  // namespace

std::optional<int> device_attribute(uint32_t number, cudaDeviceAttr attribute) {
  if (attribute == cudaDevAttrPciBusId) return static_cast<int>(number);
  const auto found = attributes().find(attribute);
  if (found != attributes().end()) return found->second;
  if (attribute >= cudaDevAttrMaxThreadsPerBlock && attribute < cudaDevAttrMax) return 0;
  return std::nullopt;
}

cudaDeviceProp device_properties(uint32_t number) {
  cudaDeviceProp properties{};
  std::ranges::copy(kName, properties.name);
  std::ranges::copy(kName.substr(0, sizeof(properties.uuid.bytes)), properties.uuid.bytes);
  properties.uuid.bytes[sizeof(properties.uuid.bytes) - 1] = static_cast<char>(number);
  properties.pciBusID = static_cast<int>(number);
  properties.totalGlobalMem = device().settings().memory_bytes;
  properties.sharedMemPerBlock = Limits::kDefaultSharedPerCta;
  properties.sharedMemPerBlockOptin = Limits::kMaxSharedPerCta;
  properties.sharedMemPerMultiprocessor = Limits::kSharedPerSm;
  properties.reservedSharedMemPerBlock = Limits::kReservedSharedPerCta;
  properties.regsPerBlock = Limits::kRegistersPerSm;
  properties.regsPerMultiprocessor = Limits::kRegistersPerSm;
  properties.warpSize = Limits::kWarpSize;
  properties.memPitch = kMaxPitch;
  properties.maxThreadsPerBlock = Limits::kMaxThreadsPerCta;
  properties.maxThreadsPerMultiProcessor = Limits::kMaxThreadsPerSm;
  properties.maxBlocksPerMultiProcessor = Limits::kMaxCtasPerSm;
  properties.maxThreadsDim[0] = value(cudaDevAttrMaxBlockDimX);
  properties.maxThreadsDim[1] = value(cudaDevAttrMaxBlockDimY);
  properties.maxThreadsDim[2] = value(cudaDevAttrMaxBlockDimZ);
  properties.maxGridSize[0] = value(cudaDevAttrMaxGridDimX);
  properties.maxGridSize[1] = value(cudaDevAttrMaxGridDimY);
  properties.maxGridSize[2] = value(cudaDevAttrMaxGridDimZ);
  properties.totalConstMem = kConstantBytes;
  properties.major = kMajor;
  properties.minor = kMinor;
  properties.textureAlignment = kAlignment;
  properties.texturePitchAlignment = kPitchAlignment;
  properties.surfaceAlignment = kAlignment;
  properties.multiProcessorCount = value(cudaDevAttrMultiProcessorCount);
  properties.canMapHostMemory = 1;
  properties.concurrentKernels = 1;
  properties.asyncEngineCount = kCopyEngines;
  properties.unifiedAddressing = 1;
  properties.memoryBusWidth = kMemoryBusBits;
  properties.l2CacheSize = kCacheBytes;
  properties.persistingL2CacheMaxSize = kPersistingCacheBytes;
  properties.accessPolicyMaxWindowSize = kAccessWindowBytes;
  properties.streamPrioritiesSupported = 1;
  properties.globalL1CacheSupported = 1;
  properties.localL1CacheSupported = 1;
  properties.managedMemory = 1;
  properties.concurrentManagedAccess = 1;
  properties.computePreemptionSupported = 1;
  properties.canUseHostPointerForRegisteredMem = 1;
  properties.hostRegisterSupported = 1;
  properties.hostRegisterReadOnlySupported = 1;
  properties.cooperativeLaunch = 1;
  properties.memoryPoolsSupported = 1;
  properties.clusterLaunch = 1;
  properties.deviceNumaId = -1;
  properties.hostNumaId = -1;
  return properties;
}

}  // namespace slipstream::emulator::runtime
