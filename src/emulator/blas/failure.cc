#include "emulator/blas/failure.h"

#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include <cstdio>
#include <mutex>
#include <set>
#include <string_view>

namespace slipstream::emulator::blas {

void report(const char* function, const char* sentence) noexcept {
  if (sentence[0] != '\0') {
    std::fprintf(stderr, "slipstream emulator: %s: %s\n", function, sentence);
  }
}

void require_at_least(const char* name, int64_t value, int64_t least) {
  if (value >= least) return;
  throw Failure(CUBLAS_STATUS_INVALID_VALUE,
                fmt::format("{} must be at least {}, it is {}", name, least, value));
}

void require_pointer(const char* name, const void* pointer) {
  if (pointer != nullptr) return;
  throw Failure(CUBLAS_STATUS_INVALID_VALUE, fmt::format("{} must not be null", name));
}

void refuse(const std::string& sentence) { throw Failure(CUBLAS_STATUS_NOT_SUPPORTED, sentence); }

void require_cuda(cudaError_t code) {
  if (code == cudaSuccess) return;
  // Of memory that is none, the runtime has said which.
  const char* const sentence = code == cudaErrorIllegalAddress ? "" : cudaGetErrorString(code);
  throw Failure(CUBLAS_STATUS_EXECUTION_FAILED, sentence);
}

}  // namespace slipstream::emulator::blas

int slipstream_blas_not_supported(const char* function) noexcept {
  static std::mutex mutex;
  static std::set<std::string_view> reported;
  const std::scoped_lock lock(mutex);
  if (reported.insert(function).second) {
    slipstream::emulator::blas::report(function, "not supported by the emulated device");
  }
  return CUBLAS_STATUS_NOT_SUPPORTED;
}
