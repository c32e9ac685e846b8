#include "step/kernels/support/limits.h"

#include <cuda_runtime_api.h>

#include <map>
#include <mutex>

#include "pdl/device.h"
#include "slipstream/error.h"

namespace slipstream::step::kernels {
namespace {

constexpr int kThreads = 256;

int attribute(cudaDeviceAttr name, int device) {
  int value = 0;
  check_cuda(cudaDeviceGetAttribute(&value, name, device), "cudaDeviceGetAttribute");
  return value;
}

DeviceLimits ask_device(int device) {
  return {attribute(cudaDevAttrMultiProcessorCount, device),
          attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin, device)};
}

int ask_clusters(const void* kernel, int cluster_ctas) {
  cudaLaunchAttribute cluster{};
  cluster.id = cudaLaunchAttributeClusterDimension;
  cluster.val.clusterDim = {static_cast<unsigned>(cluster_ctas), 1, 1};
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(device_limits().multiprocessors / cluster_ctas * cluster_ctas);
  config.blockDim = dim3(kThreads);
  config.dynamicSmemBytes = kSpreadingBytes;
  config.attrs = &cluster;
  config.numAttrs = 1;
  int clusters = 0;
  check_cuda(cudaOccupancyMaxActiveClusters(&clusters, kernel, &config),
             "cudaOccupancyMaxActiveClusters");
  return clusters;
}

ClusterLimits ask_clusters(const void* kernel) {
  check_cuda(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                  static_cast<int>(kSpreadingBytes)),
             "cudaFuncSetAttribute of the dynamic shared memory");
  check_cuda(cudaFuncSetAttribute(kernel, cudaFuncAttributeNonPortableClusterSizeAllowed, 1),
             "cudaFuncSetAttribute of large clusters");
  ClusterLimits limits;
  for (size_t i = 0; i < limits.clusters.size(); ++i) {
    limits.clusters[i] = ask_clusters(kernel, 1 << i);
  }
  return limits;
}

// What `ask` says of the current device, asked at the first call.
template <class Limits, class Ask>
const Limits& asked_once(std::map<int, Limits>& known, const Ask& ask) {
  static std::mutex mutex;
  const int device = pdl::current_device();
  const std::lock_guard lock(mutex);
  const auto found = known.find(device);
  return found != known.end() ? found->second : known.emplace(device, ask(device)).first->second;
}

}  // namespace

const DeviceLimits& device_limits() {
  static std::map<int, DeviceLimits> known;
  return asked_once(known, ask_device);
}

const ClusterLimits& cluster_limits(const void* kernel) {
  static std::map<int, ClusterLimits> known;
  return asked_once(known, [&](int /*device*/) { return ask_clusters(kernel); });
}

}  // namespace slipstream::step::kernels
