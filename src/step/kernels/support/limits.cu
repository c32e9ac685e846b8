#include <map>
#include <mutex>

#include "slipstream/error.h"
#include "step/kernels/support/limits.h"

namespace slipstream::step::kernels {

const pdl::KernelDeclaration kProbeDeclaration{
    .name = "probe",
    .symbol = "slipstream::step::kernels::probe_kernel",
    .waits = false,
    .fields = {},
};

// Stands for a kernel that fills a multiprocessor; never launched.
__global__ void probe_kernel() {}

namespace {

int attribute(cudaDeviceAttr name, int device) {
  int value = 0;
  check_cuda(cudaDeviceGetAttribute(&value, name, device), "cudaDeviceGetAttribute");
  return value;
}

int ask_clusters(int cluster_ctas, const DeviceLimits& limits) {
  cudaLaunchAttribute cluster{};
  cluster.id = cudaLaunchAttributeClusterDimension;
  cluster.val.clusterDim = {static_cast<unsigned>(cluster_ctas), 1, 1};
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(limits.multiprocessors / cluster_ctas * cluster_ctas);
  config.blockDim = dim3(256);
  config.dynamicSmemBytes = limits.shared_bytes;
  config.attrs = &cluster;
  config.numAttrs = 1;
  int clusters = 0;
  check_cuda(cudaOccupancyMaxActiveClusters(&clusters, probe_kernel, &config),
             "cudaOccupancyMaxActiveClusters");
  return clusters;
}

DeviceLimits ask(int device) {
  DeviceLimits limits;
  limits.multiprocessors = attribute(cudaDevAttrMultiProcessorCount, device);
  limits.shared_bytes = attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin, device);
  check_cuda(cudaFuncSetAttribute(probe_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                  limits.shared_bytes),
             "cudaFuncSetAttribute");
  for (int i = 0; i < 4; ++i) limits.clusters[i] = ask_clusters(1 << i, limits);
  return limits;
}

}  // namespace

const DeviceLimits& device_limits() {
  static std::mutex mutex;
  static std::map<int, DeviceLimits> known;
  int device = 0;
  check_cuda(cudaGetDevice(&device), "cudaGetDevice");
  const std::lock_guard lock(mutex);
  const auto found = known.find(device);
  return found != known.end() ? found->second : known.emplace(device, ask(device)).first->second;
}

}  // namespace slipstream::step::kernels
