#include "slipstream/launch.h"

#include <fmt/format.h>

#include <array>
#include <cstdlib>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "pdl/device.h"
#include "pdl/launch_observer.h"

namespace slipstream::pdl {
namespace {

constexpr int kFirstArchitectureWithPdl = 90;
constexpr unsigned kPortableCluster = 8;  // CTAs that every GPU with clusters has room for

// What the runtime says of one kernel on one device, asked once.
struct LoadedKernel {
  bool has_wait_instruction = false;        // compiled for sm_90 or later
  size_t dynamic_shared_bytes_allowed = 0;  // what static shared memory leaves, until raised
  bool large_clusters_allowed = false;      // of more CTAs than every GPU has room for
};

// Process-wide state: the switches and what was learnt about devices and kernels.
struct State {
  std::mutex mutex;
  std::optional<bool> enabled;
  std::unordered_map<cudaStream_t, bool> stream_enabled;
  std::unordered_map<int, bool> device_supports_pdl;
  std::map<std::pair<const void*, int>, LoadedKernel> kernels;
};

State& state() {
  static State instance;
  return instance;
}

thread_local LaunchObserver::OnLaunch launch_observer;

bool enabled_by_environment() {
  const char* text = std::getenv("SLIPSTREAM_PDL");
  if (text == nullptr || std::string_view(text) == "1") return true;
  if (std::string_view(text) == "0") return false;
  throw InvalidArgument(fmt::format("SLIPSTREAM_PDL must be 0 or 1, is \"{}\"", text));
}

unsigned ctas_of(const dim3& cluster) { return cluster.x * cluster.y * cluster.z; }

// Looks the kernel up, and raises its limits where this launch needs more than any before.
LoadedKernel prepare(const KernelDeclaration& declaration, const void* function, int device,
                     const LaunchShape& shape) {
  const std::lock_guard lock(state().mutex);
  auto [entry, is_new] = state().kernels.try_emplace({function, device});
  LoadedKernel& kernel = entry->second;
  if (is_new) {
    cudaFuncAttributes attributes{};
    const cudaError_t code = cudaFuncGetAttributes(&attributes, function);
    if (code != cudaSuccess) state().kernels.erase(entry);
    check_cuda(code, fmt::format("kernel {}: cudaFuncGetAttributes", declaration.name));
    // PTX older than sm_90 that the driver compiled for this GPU reports a new binary and its old
    // PTX version.
    kernel.has_wait_instruction = attributes.ptxVersion >= kFirstArchitectureWithPdl &&
                                  attributes.binaryVersion >= kFirstArchitectureWithPdl;
    kernel.dynamic_shared_bytes_allowed = static_cast<size_t>(attributes.maxDynamicSharedSizeBytes);
    // Left to itself the driver sizes shared memory for the kernel alone, and the next kernel's
    // CTAs find no room.
    check_cuda(cudaFuncSetAttribute(function, cudaFuncAttributePreferredSharedMemoryCarveout,
                                    cudaSharedmemCarveoutMaxShared),
               fmt::format("kernel {}: cudaFuncSetAttribute of the shared memory carve-out",
                           declaration.name));
  }
  if (shape.dynamic_shared_bytes > kernel.dynamic_shared_bytes_allowed) {
    check_cuda(cudaFuncSetAttribute(function, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                    static_cast<int>(shape.dynamic_shared_bytes)),
               fmt::format("kernel {}: cudaFuncSetAttribute to {} bytes of dynamic shared memory",
                           declaration.name, shape.dynamic_shared_bytes));
    kernel.dynamic_shared_bytes_allowed = shape.dynamic_shared_bytes;
  }
  if (ctas_of(shape.cluster) > kPortableCluster && !kernel.large_clusters_allowed) {
    check_cuda(cudaFuncSetAttribute(function, cudaFuncAttributeNonPortableClusterSizeAllowed, 1),
               fmt::format("kernel {}: cudaFuncSetAttribute of large clusters", declaration.name));
    kernel.large_clusters_allowed = true;
  }
  return kernel;
}

bool is_empty(const dim3& grid) { return grid.x == 0 || grid.y == 0 || grid.z == 0; }

// A default stream orders a launch after work that the caller did not name, and cannot be captured: it is often a stream
// that somebody forgot to pass on.
void require_meant_stream(const KernelDeclaration& declaration, const LaunchOptions& options) {
  const cudaStream_t stream = options.stream;
  if (options.default_stream_allowed) return;
  if (stream == nullptr || stream == cudaStreamLegacy || stream == cudaStreamPerThread) {
    throw InvalidArgument(
        fmt::format("kernel {}: stream must be one made by cudaStreamCreate, or "
                    "default_stream_allowed be set, is a default stream",
                    declaration.name));
  }
}

}  // namespace

LaunchObserver::LaunchObserver(OnLaunch on_launch) { launch_observer = std::move(on_launch); }

LaunchObserver::~LaunchObserver() { launch_observer = nullptr; }

bool supports_pdl(int device) {
  const std::lock_guard lock(state().mutex);
  auto [entry, is_new] = state().device_supports_pdl.try_emplace(device, false);
  if (is_new) {
    int major = 0;
    const cudaError_t code =
        cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device);
    if (code != cudaSuccess) state().device_supports_pdl.erase(entry);
    check_cuda(code, fmt::format("compute capability of device {}", device));
    entry->second = major * 10 >= kFirstArchitectureWithPdl;
  }
  return entry->second;
}

bool supports_pdl() { return supports_pdl(current_device()); }

void set_enabled(std::optional<bool> enabled) {
  const std::lock_guard lock(state().mutex);
  state().enabled = enabled;
}

void set_stream_enabled(cudaStream_t stream, std::optional<bool> enabled) {
  const std::lock_guard lock(state().mutex);
  if (enabled) {
    state().stream_enabled[stream] = *enabled;
  } else {
    state().stream_enabled.erase(stream);
  }
}

bool enabled(cudaStream_t stream) {
  const std::lock_guard lock(state().mutex);
  if (const auto found = state().stream_enabled.find(stream);
      found != state().stream_enabled.end()) {
    return found->second;
  }
  return state().enabled ? *state().enabled : enabled_by_environment();
}

void launch_untyped(const KernelDeclaration& declaration, const void* function,
                    const LaunchShape& shape, const LaunchOptions& options, void* parameter) {
  require_meant_stream(declaration, options);
  if (is_empty(shape.grid)) return;
  const int device = current_device();
  const LoadedKernel kernel = prepare(declaration, function, device, shape);
  const bool wanted = options.pdl ? *options.pdl : enabled(options.stream);

  std::array<cudaLaunchAttribute, 3> attributes{};
  unsigned attribute_count = 0;
  if (wanted && declaration.waits && kernel.has_wait_instruction && supports_pdl(device)) {
    cudaLaunchAttribute& attribute = attributes[attribute_count++];
    attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    attribute.val.programmaticStreamSerializationAllowed = 1;
  }
  if (ctas_of(shape.cluster) > 1) {
    cudaLaunchAttribute& attribute = attributes[attribute_count++];
    attribute.id = cudaLaunchAttributeClusterDimension;
    attribute.val.clusterDim = {shape.cluster.x, shape.cluster.y, shape.cluster.z};
  }
  if (shape.balances_clusters) {
    cudaLaunchAttribute& attribute = attributes[attribute_count++];
    attribute.id = cudaLaunchAttributeClusterSchedulingPolicyPreference;
    attribute.val.clusterSchedulingPolicyPreference = cudaClusterSchedulingPolicyLoadBalancing;
  }

  cudaLaunchConfig_t config{};
  config.gridDim = shape.grid;
  config.blockDim = shape.block;
  config.dynamicSmemBytes = shape.dynamic_shared_bytes;
  config.stream = options.stream;
  config.attrs = attributes.data();
  config.numAttrs = attribute_count;
  std::array<void*, 1> parameters{parameter};
  const cudaError_t code = cudaLaunchKernelExC(&config, function, parameters.data());
  // Formatted only where it is needed: it takes as long as all of the above.
  if (code != cudaSuccess) {
    check_cuda(code, fmt::format("kernel {}: launch with grid ({}, {}, {}), block ({}, {}, {}), "
                                 "cluster ({}, {}, {}), {} bytes of dynamic shared memory",
                                 declaration.name, shape.grid.x, shape.grid.y, shape.grid.z,
                                 shape.block.x, shape.block.y, shape.block.z, shape.cluster.x,
                                 shape.cluster.y, shape.cluster.z, shape.dynamic_shared_bytes));
  }
  if (launch_observer) launch_observer({declaration, shape, options, parameter});
}

}  // namespace slipstream::pdl
