#include "emulator/device/launch_check.h"

#include <fmt/format.h>

#include <algorithm>

#include "emulator/device/loaded_module.h"
#include "emulator/machine/cluster_pools.h"
#include "emulator/machine/device_heap.h"
#include "emulator/machine/fault_report.h"
#include "emulator/machine/overlay.h"

namespace slipstream::emulator {
namespace {

constexpr uint32_t kMaxBlockZ = 64;
constexpr uint32_t kMaxGridX = 0x7fffffffU;
constexpr uint32_t kMaxGridYZ = 65535;
// Local memory per thread of kernels that call functions: room for calls that nest.
constexpr uint32_t kStackBytes = 16384;

[[noreturn]] void refuse(const GridRun& grid, CudaError error, const std::string& why) {
  throw LaunchError(error, fmt::format("launch of {}: {}", grid.kernel_name, why));
}

std::string shape(const Dim3& dim) { return fmt::format("({}, {}, {})", dim.x, dim.y, dim.z); }

// The error is the one that an H200 returns (driver 580, CUDA 13.0), not the one that the documents
// name.
void check_shape(const GridRun& grid) {
  const Dim3& block = grid.launch.block;
  const Dim3& size = grid.launch.grid;
  if (block.count() == 0 || block.count() > Limits::kMaxThreadsPerCta ||
      block.x > Limits::kMaxThreadsPerCta || block.y > Limits::kMaxThreadsPerCta ||
      block.z > kMaxBlockZ) {
    refuse(grid, CudaError::kInvalidValue,
           fmt::format("block {} must have 1 to {} threads, and at most {} in z", shape(block),
                       Limits::kMaxThreadsPerCta, kMaxBlockZ));
  }
  if (size.count() == 0 || size.x > kMaxGridX || size.y > kMaxGridYZ || size.z > kMaxGridYZ) {
    refuse(grid, CudaError::kInvalidValue,
           fmt::format("grid {} must have at least one CTA, at most {} in x and {} in y and z",
                       shape(size), kMaxGridX, kMaxGridYZ));
  }
}

void check_directives(const GridRun& grid, const KernelAttributes& attributes,
                      const ptx::PerformanceDirectives& directives) {
  const Dim3& block = grid.launch.block;
  if (block.count() > attributes.max_threads_per_cta) {
    refuse(grid, CudaError::kLaunchOutOfResources,
           fmt::format("block {} has {} threads; the kernel is compiled for at most {}",
                       shape(block), block.count(), attributes.max_threads_per_cta));
  }
  const auto& required = directives.reqntid;
  if (required[0] != 0 && (block.x != required[0] || block.y != std::max(required[1], 1U) ||
                           block.z != std::max(required[2], 1U))) {
    refuse(grid, CudaError::kInvalidConfiguration,
           fmt::format("block {} must be ({}, {}, {}), as .reqntid says", shape(block), required[0],
                       required[1], required[2]));
  }
}

void check_shared(const GridRun& grid, uint32_t static_bytes) {
  const uint64_t dynamic = grid.launch.dynamic_shared_bytes;
  const uint64_t allowed = grid.launch.max_dynamic_shared_bytes;
  const uint64_t limit = std::max<uint64_t>(Limits::kDefaultSharedPerCta, static_bytes + allowed);
  if (static_bytes + dynamic > limit) {
    refuse(grid, CudaError::kInvalidValue,
           fmt::format("{} bytes of dynamic and {} of static shared memory; the function may have "
                       "{} in all until cudaFuncSetAttribute raises "
                       "cudaFuncAttributeMaxDynamicSharedMemorySize",
                       dynamic, static_bytes, limit));
  }
  if (static_bytes + dynamic > Limits::kMaxSharedPerCta) {
    refuse(grid, CudaError::kInvalidValue,
           fmt::format("{} bytes of shared memory; a CTA has at most {}", static_bytes + dynamic,
                       Limits::kMaxSharedPerCta));
  }
}

void set_cluster(GridRun& grid, const KernelAttributes& attributes) {
  const Dim3 none{0, 0, 0};
  const Dim3 given = grid.launch.cluster;
  const Dim3 required = attributes.required_cluster;
  if (given != none && required.x != 0 && given != required) {
    refuse(grid, CudaError::kInvalidClusterSize,
           fmt::format("cluster {} must be {}, as the kernel is compiled", shape(given),
                       shape(required)));
  }
  const Dim3 cluster = given != none ? given : required;
  grid.explicit_cluster = cluster.x != 0;
  grid.cluster = grid.explicit_cluster ? cluster : Dim3{1, 1, 1};
  const Dim3& size = grid.launch.grid;
  const uint32_t limit =
      grid.launch.non_portable_cluster ? Limits::kMaxClusterSize : Limits::kMaxPortableClusterSize;
  if (grid.cluster.count() == 0 || grid.cluster.count() > limit) {
    refuse(grid, CudaError::kInvalidClusterSize,
           fmt::format("cluster {} must have 1 to {} CTAs", shape(grid.cluster), limit));
  }
  if (size.x % grid.cluster.x != 0 || size.y % grid.cluster.y != 0 ||
      size.z % grid.cluster.z != 0) {
    refuse(
        grid, CudaError::kInvalidClusterSize,
        fmt::format("grid {} must be a multiple of cluster {}", shape(size), shape(grid.cluster)));
  }
  grid.grid_in_clusters = {size.x / grid.cluster.x, size.y / grid.cluster.y,
                           size.z / grid.cluster.z};
}

}  // namespace

uint32_t max_active_ctas_per_sm(const Kernel& kernel, uint32_t threads_per_cta,
                                uint32_t dynamic_shared_bytes) {
  const KernelAttributes attributes = kernel.attributes();
  const uint32_t shared = attributes.static_shared_bytes + dynamic_shared_bytes;
  if (threads_per_cta == 0 || threads_per_cta > attributes.max_threads_per_cta ||
      shared > Limits::kMaxSharedPerCta) {
    return 0;
  }
  const uint32_t warps = (threads_per_cta + Limits::kWarpSize - 1) / Limits::kWarpSize;
  const uint32_t by_threads = Limits::kMaxThreadsPerSm / Limits::kWarpSize / warps;
  const uint32_t by_shared = Limits::kSharedPerSm / (shared + Limits::kReservedSharedPerCta);
  // Registers are given out to a warp in units of 8 for each thread.
  const uint32_t per_thread = (std::max(attributes.registers, 1U) + 7) / 8 * 8;
  const uint32_t by_registers = Limits::kRegistersPerSm / (per_thread * Limits::kWarpSize) / warps;
  return std::min({Limits::kMaxCtasPerSm, by_threads, by_shared, by_registers});
}

std::unique_ptr<GridRun> check_launch(KernelLaunch launch, DeviceContext& device) {
  auto grid = std::make_unique<GridRun>();
  grid->device = &device;
  grid->launch = std::move(launch);
  const Kernel& kernel = *grid->launch.kernel;
  grid->kernel_name = demangle(kernel.function().name);
  grid->program = &kernel.program();
  const KernelAttributes attributes = kernel.attributes();
  check_shape(*grid);
  check_directives(*grid, attributes, kernel.function().directives);
  check_shared(*grid, attributes.static_shared_bytes);
  set_cluster(*grid, attributes);
  if (grid->launch.parameters.size() < attributes.parameter_bytes) {
    refuse(*grid, CudaError::kInvalidValue,
           fmt::format("{} bytes of parameters; the kernel has {}", grid->launch.parameters.size(),
                       attributes.parameter_bytes));
  }
  const uint32_t dynamic = grid->launch.dynamic_shared_bytes;
  grid->shared_bytes = dynamic == 0 ? attributes.static_shared_bytes
                                    : grid->program->dynamic_shared_offset() + dynamic;
  grid->local_stride =
      grid->program->local_bytes + (grid->program->has_recursion ? kStackBytes : 0);
  const auto threads = static_cast<uint32_t>(grid->launch.block.count());
  const uint64_t fitting = uint64_t{device.settings->sm_count} *
                           std::max(max_active_ctas_per_sm(kernel, threads, dynamic), 1U);
  if (grid->launch.cooperative && grid->launch.grid.count() > fitting) {
    refuse(*grid, CudaError::kCooperativeLaunchTooLarge,
           fmt::format("cooperative grid of {} CTAs; {} fit on the device at a time",
                       grid->launch.grid.count(), fitting));
  }
  grid->resident_clusters = std::max<uint64_t>(fitting / grid->cluster.count(), 1);
  if (grid->program->uses_heap && !device.heap->reserve()) {
    refuse(*grid, CudaError::kMemoryAllocation,
           fmt::format("no room for a heap of {} bytes, from which the kernel allocates",
                       device.heap->limit()));
  }
  grid->pool = device.pools->take(*grid, device.cta_memory);
  return grid;
}

}  // namespace slipstream::emulator
