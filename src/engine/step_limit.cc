#include "engine/step_limit.h"

#include <chrono>
#include <thread>

#include "slipstream/error.h"

namespace slipstream::engine {

void wait_within(double seconds, const char* call, const std::function<cudaError_t()>& query,
                 const std::function<std::string()>& describe) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point end = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                                   std::chrono::duration<double>(seconds));
  while (true) {
    const cudaError_t code = query();
    if (code == cudaErrorNotReady) {
      // The runtime keeps it as an error for whoever asks next.
      (void)cudaGetLastError();
    } else {
      return check_cuda(code, call);
    }
    if (Clock::now() >= end) throw CudaError(describe(), cudaErrorLaunchTimeout);
    // Tokens come every few milliseconds: sleeping would be late, and others may want the core.
    std::this_thread::yield();
  }
}

}  // namespace slipstream::engine
