// Kernels: attributes, names, parameters and occupancy.
#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "emulator/runtime/error.h"
#include "emulator/runtime/launch.h"
#include "emulator/runtime/registry.h"
#include "emulator/runtime/runtime.h"

using namespace slipstream::emulator;
using namespace slipstream::emulator::runtime;

namespace {

KernelAttributes attributes_of(Function& function) {
  return device().attributes(registry().kernel(function));
}

int max_dynamic_shared(const FunctionOnDevice& function, const KernelAttributes& attributes) {
  if (function.max_dynamic_shared_bytes >= 0) return function.max_dynamic_shared_bytes;
  return static_cast<int>(Limits::kDefaultSharedPerCta) -
         static_cast<int>(attributes.static_shared_bytes);
}

cudaFuncAttributes describe(Function& function) {
  const KernelAttributes attributes = attributes_of(function);
  cudaFuncAttributes result{};
  result.sharedSizeBytes = attributes.static_shared_bytes;
  result.constSizeBytes = attributes.const_bytes;
  result.localSizeBytes = attributes.local_bytes;
  result.maxThreadsPerBlock = static_cast<int>(attributes.max_threads_per_cta);
  result.numRegs = static_cast<int>(attributes.registers);
  result.ptxVersion = static_cast<int>(attributes.ptx_version);
  result.binaryVersion = static_cast<int>(attributes.binary_version);
  const FunctionOnDevice& here = function.here();
  result.maxDynamicSharedSizeBytes = max_dynamic_shared(here, attributes);
  result.preferredShmemCarveout = here.preferred_carveout;
  const bool fixed_cluster = attributes.required_cluster.count() > 0;
  const Dim3& cluster = attributes.required_cluster;
  result.clusterDimMustBeSet = fixed_cluster ? 1 : 0;
  result.requiredClusterWidth =
      static_cast<int>(fixed_cluster ? cluster.x : here.required_cluster.x);
  result.requiredClusterHeight =
      static_cast<int>(fixed_cluster ? cluster.y : here.required_cluster.y);
  result.requiredClusterDepth =
      static_cast<int>(fixed_cluster ? cluster.z : here.required_cluster.z);
  result.clusterSchedulingPolicyPreference = here.cluster_scheduling;
  result.nonPortableClusterSizeAllowed = here.non_portable_cluster ? 1 : 0;
  return result;
}

void set_max_dynamic_shared(Function& function, int bytes) {
  const int most = static_cast<int>(Limits::kMaxSharedPerCta) -
                   static_cast<int>(attributes_of(function).static_shared_bytes);
  if (bytes < 0 || bytes > most) {
    throw ApiError(
        cudaErrorInvalidValue,
        fmt::format("the dynamic shared memory of {} must be from 0 to {} bytes, it is {}",
                    device().kernel_name(registry().kernel(function)), most, bytes));
  }
  function.here().max_dynamic_shared_bytes = bytes;
}

void set_attribute(Function& function, cudaFuncAttribute attribute, int value) {
  FunctionOnDevice& target = function.here();
  switch (attribute) {
    case cudaFuncAttributeMaxDynamicSharedMemorySize:
      return set_max_dynamic_shared(function, value);
    case cudaFuncAttributePreferredSharedMemoryCarveout:
      require(value >= -1 && value <= 100);
      target.preferred_carveout = value;
      return;
    case cudaFuncAttributeRequiredClusterWidth:
      target.required_cluster.x = static_cast<unsigned>(value);
      return;
    case cudaFuncAttributeRequiredClusterHeight:
      target.required_cluster.y = static_cast<unsigned>(value);
      return;
    case cudaFuncAttributeRequiredClusterDepth:
      target.required_cluster.z = static_cast<unsigned>(value);
      return;
    case cudaFuncAttributeNonPortableClusterSizeAllowed:
      target.non_portable_cluster = value != 0;
      return;
    case cudaFuncAttributeClusterSchedulingPolicyPreference:
      target.cluster_scheduling = value;
      return;
    default:
      throw ApiError(cudaErrorInvalidValue);
  }
}

int active_blocks(Function& function, int block_size, size_t dynamic_shared_bytes) {
  require(block_size > 0);
  return static_cast<int>(device().max_active_ctas_per_sm(
      registry().kernel(function), static_cast<uint32_t>(block_size),
      static_cast<uint32_t>(dynamic_shared_bytes)));
}

uint64_t cluster_size(const cudaLaunchConfig_t& configuration) {
  uint64_t size = 1;
  for (unsigned i = 0; i < configuration.numAttrs; ++i) {
    const cudaLaunchAttribute& attribute = configuration.attrs[i];
    if (attribute.id != cudaLaunchAttributeClusterDimension) continue;
    size = uint64_t{attribute.val.clusterDim.x} * attribute.val.clusterDim.y *
           attribute.val.clusterDim.z;
  }
  return size;
}

int blocks_for(Function& function, const cudaLaunchConfig_t& configuration) {
  const dim3& block = configuration.blockDim;
  return active_blocks(function, static_cast<int>(block.x * block.y * block.z),
                       configuration.dynamicSmemBytes);
}

}  // namespace

extern "C" {

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void* function) {
  return api("cudaFuncGetAttributes", [&] {
    require(attributes != nullptr);
    *attributes = describe(registry().function(function));
  });
}

cudaError_t cudaFuncSetAttribute(const void* function, cudaFuncAttribute attribute, int value) {
  return api("cudaFuncSetAttribute",
             [&] { set_attribute(registry().function(function), attribute, value); });
}

cudaError_t cudaKernelSetAttributeForDevice(cudaKernel_t kernel, cudaFuncAttribute attribute,
                                            int value, int number) {
  return api("cudaKernelSetAttributeForDevice", [&] {
    const UseDevice device(device_number(number));
    set_attribute(registry().function(kernel), attribute, value);
  });
}

cudaError_t cudaFuncSetCacheConfig(const void* function, cudaFuncCache /*preference*/) {
  return api("cudaFuncSetCacheConfig", [&] { static_cast<void>(registry().function(function)); });
}

cudaError_t cudaFuncGetName(const char** name, const void* function) {
  return api("cudaFuncGetName", [&] {
    require(name != nullptr);
    *name = registry().function(function).name.c_str();
  });
}

cudaError_t cudaFuncGetParamInfo(const void* function, size_t index, size_t* offset, size_t* size) {
  return api("cudaFuncGetParamInfo", [&] {
    require(offset != nullptr);
    const auto parameters =
        device().kernel_parameters(registry().kernel(registry().function(function)));
    require(index < parameters.size());
    *offset = parameters[index].offset;
    if (size != nullptr) *size = parameters[index].size;
  });
}

cudaError_t cudaGetFuncBySymbol(cudaFunction_t* function, const void* symbol) {
  return api("cudaGetFuncBySymbol", [&] {
    require(function != nullptr);
    *function = reinterpret_cast<cudaFunction_t>(&registry().function(symbol));
  });
}

cudaError_t cudaGetKernel(cudaKernel_t* kernel, const void* symbol) {
  return api("cudaGetKernel", [&] {
    require(kernel != nullptr);
    *kernel = reinterpret_cast<cudaKernel_t>(&registry().function(symbol));
  });
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* blocks,
                                                                   const void* function,
                                                                   int block_size,
                                                                   size_t dynamic_shared_bytes,
                                                                   unsigned int flags) {
  return api("cudaOccupancyMaxActiveBlocksPerMultiprocessor", [&] {
    require(blocks != nullptr && flags <= cudaOccupancyDisableCachingOverride);
    *blocks = active_blocks(registry().function(function), block_size, dynamic_shared_bytes);
  });
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, const void* function,
                                                          int block_size,
                                                          size_t dynamic_shared_bytes) {
  return cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(
      blocks, function, block_size, dynamic_shared_bytes, cudaOccupancyDefault);
}

cudaError_t cudaOccupancyAvailableDynamicSMemPerBlock(size_t* bytes, const void* function,
                                                      int blocks, int block_size) {
  return api("cudaOccupancyAvailableDynamicSMemPerBlock", [&] {
    require(bytes != nullptr && blocks > 0 && block_size > 0);
    const size_t fixed = attributes_of(registry().function(function)).static_shared_bytes +
                         Limits::kReservedSharedPerCta;
    const size_t share = Limits::kSharedPerSm / static_cast<size_t>(blocks);
    *bytes = share > fixed ? std::min<size_t>(share - fixed, Limits::kMaxSharedPerCta) : 0;
  });
}

cudaError_t cudaOccupancyMaxPotentialClusterSize(int* size, const void* function,
                                                 const cudaLaunchConfig_t* configuration) {
  return api("cudaOccupancyMaxPotentialClusterSize", [&] {
    require(size != nullptr && configuration != nullptr);
    Function& target = registry().function(function);
    require(blocks_for(target, *configuration) > 0, cudaErrorInvalidConfiguration);
    *size = static_cast<int>(target.here().non_portable_cluster ? Limits::kMaxClusterSize
                                                                : Limits::kMaxPortableClusterSize);
  });
}

cudaError_t cudaOccupancyMaxActiveClusters(int* clusters, const void* function,
                                           const cudaLaunchConfig_t* configuration) {
  return api("cudaOccupancyMaxActiveClusters", [&] {
    require(clusters != nullptr && configuration != nullptr);
    const int blocks = blocks_for(registry().function(function), *configuration);
    const uint64_t size = cluster_size(*configuration);
    require(size > 0, cudaErrorInvalidClusterSize);
    *clusters = static_cast<int>(static_cast<uint64_t>(blocks) * settings().multiprocessors / size);
  });
}

}  // extern "C"
