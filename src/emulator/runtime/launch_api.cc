// Launches of kernels and host functions.
#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include <utility>
#include <vector>

#include "emulator/runtime/devices.h"
#include "emulator/runtime/error.h"
#include "emulator/runtime/launch.h"
#include "emulator/runtime/stream.h"
#include "emulator/runtime/submit.h"

using namespace slipstream::emulator::runtime;

namespace {

void launch(const void* function, dim3 grid, dim3 block, void** arguments,
            size_t dynamic_shared_bytes, cudaStream_t stream,
            std::span<const cudaLaunchAttribute> attributes = {}) {
  Stream& target = streams().resolve(stream);
  if (target.device != current_device()) {
    throw ApiError(cudaErrorInvalidResourceHandle,
                   fmt::format("the stream is one of device {}, the current device is {}",
                               target.device, current_device()));
  }
  enqueue(target, make_kernel_operation(function, grid, block, dynamic_shared_bytes, arguments,
                                        attributes));
}

// What cudaStreamAddCallback hands to the program's function.
struct StreamCallback {
  cudaStream_t stream;
  cudaStreamCallback_t function;
  void* user_data;
};

void run_stream_callback(void* data) {
  const std::unique_ptr<StreamCallback> callback(static_cast<StreamCallback*>(data));
  callback->function(callback->stream, sticky_error(), callback->user_data);
}

}  // namespace

// NOLINTBEGIN(bugprone-reserved-identifier): names that the compiler of CUDA chose
extern "C" {

cudaError_t cudaLaunchKernel(const void* function, dim3 grid, dim3 block, void** arguments,
                             size_t dynamic_shared_bytes, cudaStream_t stream) {
  return api("cudaLaunchKernel",
             [&] { launch(function, grid, block, arguments, dynamic_shared_bytes, stream); });
}

cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3 grid, dim3 block, void** arguments,
                               size_t dynamic_shared_bytes, cudaStream_t stream) {
  return api("cudaLaunchKernel",
             [&] { launch(kernel, grid, block, arguments, dynamic_shared_bytes, stream); });
}

cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t* configuration, const void* function,
                                void** arguments) {
  return api("cudaLaunchKernelExC", [&] {
    require(configuration != nullptr);
    require(configuration->numAttrs == 0 || configuration->attrs != nullptr);
    launch(function, configuration->gridDim, configuration->blockDim, arguments,
           configuration->dynamicSmemBytes, configuration->stream,
           {configuration->attrs, configuration->numAttrs});
  });
}

cudaError_t cudaLaunchCooperativeKernel(const void* function, dim3 grid, dim3 block,
                                        void** arguments, size_t dynamic_shared_bytes,
                                        cudaStream_t stream) {
  return api("cudaLaunchCooperativeKernel", [&] {
    cudaLaunchAttribute cooperative{};
    cooperative.id = cudaLaunchAttributeCooperative;
    cooperative.val.cooperative = 1;
    launch(function, grid, block, arguments, dynamic_shared_bytes, stream, {&cooperative, 1});
  });
}

cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void* user_data) {
  return api("cudaLaunchHostFunc", [&] {
    require(function != nullptr);
    enqueue(streams().resolve(stream), HostOperation{function, user_data});
  });
}

cudaError_t cudaStreamAddCallback(cudaStream_t stream, cudaStreamCallback_t function,
                                  void* user_data, unsigned int flags) {
  return api("cudaStreamAddCallback", [&] {
    require(function != nullptr && flags == 0);
    Stream& target = streams().resolve(stream);
    require(target.capture == nullptr, cudaErrorStreamCaptureUnsupported);
    auto callback = std::make_unique<StreamCallback>(StreamCallback{stream, function, user_data});
    enqueue(target, HostOperation{run_stream_callback, callback.release()});
  });
}

}  // extern "C"
// NOLINTEND(bugprone-reserved-identifier)
