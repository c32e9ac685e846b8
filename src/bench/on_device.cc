#include "bench/on_device.h"

#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include <exception>
#include <thread>

#include "slipstream/error.h"

namespace slipstream::bench {

void on_device(int device, const std::function<void()>& work) {
  std::exception_ptr error;
  std::thread([&] {
    try {
      check_cuda(cudaSetDevice(device), "cudaSetDevice");
      work();
    } catch (...) {
      error = std::current_exception();
    }
  }).join();
  if (error) std::rethrow_exception(error);
}

void reach_peer(int peer) {
  const cudaError_t code = cudaDeviceEnablePeerAccess(peer, 0);
  if (code == cudaErrorPeerAccessAlreadyEnabled) {
    (void)cudaGetLastError();
    return;
  }
  check_cuda(code, fmt::format("cudaDeviceEnablePeerAccess of GPU {}", peer));
}

}  // namespace slipstream::bench
