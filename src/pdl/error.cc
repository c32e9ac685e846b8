#include "slipstream/error.h"

#include <fmt/format.h>

namespace slipstream {

void check_cuda(cudaError_t code, const std::string& call) {
  if (code == cudaSuccess) return;
  // Clears a non-sticky error, so that it is reported once.
  (void)cudaGetLastError();
  throw CudaError(
      fmt::format("{}: {} ({})", call, cudaGetErrorString(code), cudaGetErrorName(code)), code);
}

}  // namespace slipstream
