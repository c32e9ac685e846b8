#include "bench/operator_case.h"

#include <cuda_bf16.h>
#include <fmt/format.h>

#include <cmath>
#include <cstring>

namespace slipstream::bench {
namespace {

constexpr size_t kAlignment = 256;

std::vector<double> as_doubles(const std::vector<uint8_t>& bytes, DType dtype) {
  std::vector<double> values;
  if (dtype == DType::kFloat32) {
    std::vector<float> floats(bytes.size() / sizeof(float));
    std::memcpy(floats.data(), bytes.data(), floats.size() * sizeof(float));
    values.assign(floats.begin(), floats.end());
    return values;
  }
  std::vector<__nv_bfloat16> halves(bytes.size() / sizeof(__nv_bfloat16));
  std::memcpy(halves.data(), bytes.data(), halves.size() * sizeof(__nv_bfloat16));
  for (const __nv_bfloat16 value : halves) values.push_back(__bfloat162float(value));
  return values;
}

std::string compare_bytes(const std::vector<uint8_t>& actual,
                          const std::vector<uint8_t>& expected) {
  for (size_t i = 0; i < actual.size(); ++i) {
    if (actual[i] != expected[i]) {
      return fmt::format("byte {} of {} is {:#04x}, the reference has {:#04x}", i, actual.size(),
                         actual[i], expected[i]);
    }
  }
  return {};
}

std::string compare_norm(const std::vector<uint8_t>& actual, const std::vector<uint8_t>& expected,
                         const Accuracy& accuracy) {
  const std::vector<double> a = as_doubles(actual, accuracy.dtype);
  const std::vector<double> e = as_doubles(expected, accuracy.dtype);
  double error = 0;
  double norm = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    error += (a[i] - e[i]) * (a[i] - e[i]);
    norm += e[i] * e[i];
  }
  const double relative = std::sqrt(error / norm);
  // NaN compares false, and is an error.
  if (relative <= accuracy.norm_error) return {};
  return fmt::format("relative error {:.3g} of the norm, at most {:.3g} is allowed", relative,
                     accuracy.norm_error);
}

}  // namespace

RotatingArgument::RotatingArgument(std::vector<uint8_t> bytes, int copies)
    : bytes_(std::move(bytes)),
      pitch_((bytes_.size() + kAlignment - 1) / kAlignment * kAlignment),
      copies_(copies),
      device_(pitch_ * static_cast<size_t>(copies)) {
  auto* target = static_cast<uint8_t*>(device_.data());
  for (int copy = 0; copy < copies_; ++copy) {
    check_cuda(cudaMemcpy(target + pitch_ * static_cast<size_t>(copy), bytes_.data(), bytes_.size(),
                          cudaMemcpyHostToDevice),
               "copy of an argument to the device");
  }
}

Tensor RotatingArgument::host(DType dtype, std::initializer_list<int64_t> shape) {
  return {bytes_.data(), dtype, shape};
}

Tensor RotatingArgument::device(int launch, DType dtype,
                                std::initializer_list<int64_t> shape) const {
  const auto copy = static_cast<size_t>(launch % copies_);
  return {static_cast<uint8_t*>(device_.data()) + copy * pitch_, dtype, shape};
}

void RotatingArgument::reset_first_copy() {
  check_cuda(cudaMemcpy(device_.data(), bytes_.data(), bytes_.size(), cudaMemcpyHostToDevice),
             "copy of an argument to the device");
}

std::vector<uint8_t> RotatingArgument::download_first_copy() const {
  std::vector<uint8_t> bytes(bytes_.size());
  device_.copy_to_host(bytes.data(), bytes.size());
  return bytes;
}

std::string check_against_reference(const OperatorCase& operator_case, cudaStream_t stream) {
  for (RotatingArgument* argument : operator_case.written) argument->reset_first_copy();
  operator_case.launch(0, {.stream = stream});
  check_cuda(cudaStreamSynchronize(stream), operator_case.name);
  operator_case.reference();
  for (const RotatingArgument* argument : operator_case.written) {
    const std::vector<uint8_t> actual = argument->download_first_copy();
    const std::string difference =
        operator_case.accuracy.norm_error == 0
            ? compare_bytes(actual, argument->host_bytes())
            : compare_norm(actual, argument->host_bytes(), operator_case.accuracy);
    if (!difference.empty()) {
      return fmt::format("{} at M={}: {}", operator_case.name, operator_case.tokens, difference);
    }
  }
  return {};
}

}  // namespace slipstream::bench
