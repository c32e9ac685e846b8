#include "bench/operator_case.h"

#include <cuda_bf16.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "bench/operator_case_builder.h"

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

RotatingArgument* OperatorCaseBuilder::keep(std::vector<uint8_t> bytes, Memory memory) {
  constexpr int64_t kColdBytes = 200 << 20;
  constexpr int64_t kFewest = 8;
  constexpr int64_t kMost = 64;
  const int64_t copies =
      memory == Memory::kWarm ? 1 : std::clamp(kColdBytes / std::ssize(bytes), kFewest, kMost);
  arguments_.push_back(
      std::make_unique<RotatingArgument>(std::move(bytes), static_cast<int>(copies)));
  return arguments_.back().get();
}

template <class T>
RotatingArgument* OperatorCaseBuilder::keep_values(const std::vector<T>& values) {
  std::vector<uint8_t> bytes(values.size() * sizeof(T));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return keep(std::move(bytes));
}

RotatingArgument* OperatorCaseBuilder::bfloat16(int64_t count, Memory memory) {
  std::normal_distribution<float> normal;
  std::vector<uint8_t> bytes(static_cast<size_t>(count) * 2);
  for (int64_t i = 0; i < count; ++i) {
    const __nv_bfloat16 value = __float2bfloat16(normal(random_));
    std::memcpy(bytes.data() + i * 2, &value, 2);
  }
  return keep(std::move(bytes), memory);
}

RotatingArgument* OperatorCaseBuilder::float32(int64_t count) {
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = normal(random_);
  return keep_values(values);
}

RotatingArgument* OperatorCaseBuilder::poisoned(int64_t bytes, Memory memory) {
  return keep(std::vector<uint8_t>(static_cast<size_t>(bytes), 0xA5), memory);
}

RotatingArgument* OperatorCaseBuilder::indices(int64_t limit) {
  std::vector<int64_t> values;
  for (int64_t i = 0; i < tokens_; ++i) values.push_back(1 + i * 37 % (limit - 1));
  return keep_values(values);
}

RotatingArgument* OperatorCaseBuilder::rope_table(int64_t positions, int64_t rope) {
  std::vector<float> table;
  for (int64_t position = 0; position < positions; ++position) {
    const auto angle = [&](int64_t i) {
      return static_cast<double>(position) *
             std::pow(10000.0, -2.0 * static_cast<double>(i) / static_cast<double>(rope));
    };
    for (int64_t i = 0; i < rope / 2; ++i) table.push_back(static_cast<float>(std::cos(angle(i))));
    for (int64_t i = 0; i < rope / 2; ++i) table.push_back(static_cast<float>(std::sin(angle(i))));
  }
  return keep_values(table);
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
