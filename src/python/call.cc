#include "python/call.h"

#include <fmt/format.h>
#include <tvm/ffi/extra/c_env_api.h>

#include <algorithm>

namespace slipstream::python {
namespace {

struct KnownDType {
  DLDataTypeCode code;
  uint8_t bits;
  DType dtype;
};

constexpr KnownDType kKnownDTypes[] = {
    {kDLFloat, 32, DType::kFloat32},
    {kDLBfloat, 16, DType::kBFloat16},
    {kDLFloat, 16, DType::kFloat16},
    {kDLFloat8_e4m3fn, 8, DType::kFloat8E4M3},
    {kDLFloat8_e5m2, 8, DType::kFloat8E5M2},
    {kDLInt, 8, DType::kInt8},
    {kDLUInt, 8, DType::kUInt8},
    {kDLInt, 32, DType::kInt32},
    {kDLInt, 64, DType::kInt64},
};

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
  const int rank = view.ndim();
  if (rank < 1 || rank > kMaxRank) {
    reject(argument, fmt::format("of rank 1 to {}", kMaxRank), fmt::format("of rank {}", rank));
  }
  Tensor result;
  result.data = static_cast<char*>(view.data_ptr()) + view.byte_offset();
  result.dtype = dtype(argument, view.dtype());
  result.rank = rank;
  std::copy_n(view.shape().begin(), rank, result.shape.begin());
  std::copy_n(view.strides().begin(), rank, result.strides.begin());
  return result;
}

Tensor OperatorCall::tensor(const char* argument, const OptionalTensor& view) {
  return view.has_value() ? tensor(argument, view.value()) : Tensor();
}

pdl::LaunchOptions OperatorCall::options(const OptionalBool& pdl) {
  int current = 0;
  check_cuda(cudaGetDevice(&current), "cudaGetDevice");
  if (current != device_) {
    check_cuda(cudaSetDevice(device_), fmt::format("cudaSetDevice({})", device_));
    device_before_ = current;
  }
  pdl::LaunchOptions options{static_cast<cudaStream_t>(TVMFFIEnvGetStream(kDLCUDA, device_))};
  options.default_stream_allowed = true;
  if (pdl.has_value()) options.pdl = pdl.value();
  return options;
}

void OperatorCall::reject(const char* argument, const std::string& must_be,
                          const std::string& is) const {
  throw InvalidArgument(
      fmt::format("{}: {} must be {}, is {}", operator_name_, argument, must_be, is));
}

void OperatorCall::require_same_device(const char* argument, const DLDevice& device) {
  if (!is_cuda(device)) reject(argument, "on a CUDA device", "on " + device_name(device));
  if (first_argument_ == nullptr) {
    first_argument_ = argument;
    device_ = device.device_id;
  }
  if (device.device_id == device_) return;
  reject(argument, fmt::format("on cuda:{}, as {} is", device_, first_argument_),
         "on " + device_name(device));
}

DType OperatorCall::dtype(const char* argument, const DLDataType& dtype) const {
  for (const KnownDType& known : kKnownDTypes) {
    if (dtype.code == known.code && dtype.bits == known.bits && dtype.lanes == 1)
      return known.dtype;
  }
  reject(argument, "of a dtype that slipstream/tensor.h lists",
         std::string(tvm::ffi::DLDataTypeToString(dtype)));
}

}  // namespace slipstream::python
