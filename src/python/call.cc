#include "python/call.h"

#include <cuda_runtime_api.h>
#include <fmt/format.h>
#include <tvm/ffi/extra/c_env_api.h>

#include "pdl/device.h"
#include "python/tensor.h"

namespace slipstream::python {
namespace {

bool is_cuda(const DLDevice& device) {
  return device.device_type == kDLCUDA || device.device_type == kDLCUDAManaged;
}

std::string device_name(const DLDevice& device) {
  if (is_cuda(device)) return fmt::format("cuda:{}", device.device_id);
  if (device.device_type == kDLCPU) return "cpu";
  if (device.device_type == kDLCUDAHost) return "cpu (pinned)";
  return fmt::format("device type {} of DLPack", static_cast<int>(device.device_type));
}

}  // namespace

OperatorCall::~OperatorCall() {
  if (device_before_ >= 0) static_cast<void>(cudaSetDevice(device_before_));
}

Tensor OperatorCall::tensor(const char* argument, const tvm::ffi::TensorView& view) {
  require_same_device(argument, view.device());
  return to_tensor(operator_name_, argument, view);
}

Tensor OperatorCall::tensor(const char* argument, const OptionalTensor& view) {
  return view.has_value() ? tensor(argument, view.value()) : Tensor();
}

pdl::LaunchOptions OperatorCall::options(const OptionalBool& pdl) {
  const int current = pdl::current_device();
  if (current != device_) {
    check_cuda(cudaSetDevice(device_), fmt::format("cudaSetDevice({})", device_));
    device_before_ = current;
  }
  pdl::LaunchOptions options{static_cast<cudaStream_t>(TVMFFIEnvGetStream(kDLCUDA, device_))};
  options.default_stream_allowed = true;
  if (pdl.has_value()) options.pdl = pdl.value();
  return options;
}

void OperatorCall::require_same_device(const char* argument, const DLDevice& device) {
  if (!is_cuda(device)) {
    reject(operator_name_, argument, "on a CUDA device", "on " + device_name(device));
  }
  if (first_argument_ == nullptr) {
    first_argument_ = argument;
    device_ = device.device_id;
  }
  if (device.device_id == device_) return;
  reject(operator_name_, argument, fmt::format("on cuda:{}, as {} is", device_, first_argument_),
         "on " + device_name(device));
}

}  // namespace slipstream::python
