#include "step/device_memory.h"

#include <cuda_runtime_api.h>
#include <fmt/core.h>

#include "slipstream/error.h"

namespace slipstream::step {

std::string gigabytes(int64_t bytes) {
  return fmt::format("{:.2f} GB", static_cast<double>(bytes) * 1e-9);
}

void require_device_memory(int64_t bytes, const std::string& what) {
  size_t free = 0;
  size_t total = 0;
  check_cuda(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
  if (bytes <= static_cast<int64_t>(free)) return;
  throw InvalidArgument(fmt::format("{} must fit into device memory: {} needed, {} of {} free",
                                    what, gigabytes(bytes), gigabytes(static_cast<int64_t>(free)),
                                    gigabytes(static_cast<int64_t>(total))));
}

}  // namespace slipstream::step
