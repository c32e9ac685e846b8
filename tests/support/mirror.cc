#include "support/mirror.h"

#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "slipstream/error.h"

namespace slipstream::test {
namespace {

constexpr int64_t kGuardBytes = 256;
constexpr uint8_t kPoison = 0xa5;
constexpr uint8_t kGuard = 0x5a;

std::shared_ptr<uint8_t> allocate(int64_t bytes) {
  void* memory = nullptr;
  check_cuda(cudaMalloc(&memory, static_cast<size_t>(bytes)), "cudaMalloc");
  return {static_cast<uint8_t*>(memory), [](uint8_t* pointer) { cudaFree(pointer); }};
}

}  // namespace

Mirror::Mirror(std::string name, std::vector<uint8_t> bytes)
    : name_(std::move(name)), initial_(std::move(bytes)), host_(initial_) {}

Mirror Mirror::poisoned(std::string name, int64_t count) {
  return {std::move(name), std::vector<uint8_t>(static_cast<size_t>(count), kPoison)};
}

uint8_t* Mirror::device() {
  if (!device_) {
    device_ = allocate(size() + 2 * kGuardBytes);
    poison_device();
  }
  return device_.get() + kGuardBytes;
}

const uint8_t* Mirror::device_initial() {
  if (!device_initial_) {
    device_initial_ = allocate(std::max<int64_t>(size(), 1));
    check_cuda(
        cudaMemcpy(device_initial_.get(), initial_.data(), initial_.size(), cudaMemcpyHostToDevice),
        "cudaMemcpy to the device");
  }
  return device_initial_.get();
}

void Mirror::poison_device() {
  std::vector<uint8_t> bytes(static_cast<size_t>(size() + 2 * kGuardBytes), kGuard);
  if (constant_) {
    std::copy(initial_.begin(), initial_.end(), bytes.begin() + kGuardBytes);
  } else {
    std::fill_n(bytes.begin() + kGuardBytes, size(), kPoison);
  }
  check_cuda(cudaMemcpy(device_.get(), bytes.data(), bytes.size(), cudaMemcpyHostToDevice),
             "cudaMemcpy to the device");
}

std::vector<uint8_t> Mirror::download() {
  std::vector<uint8_t> bytes(static_cast<size_t>(size() + 2 * kGuardBytes));
  check_cuda(cudaMemcpy(bytes.data(), device_.get(), bytes.size(), cudaMemcpyDeviceToHost),
             "cudaMemcpy from the device");
  for (int64_t i = 0; i < kGuardBytes; ++i) {
    EXPECT_EQ(bytes[i], kGuard) << name_ << ": byte " << i - kGuardBytes << " before it changed";
    EXPECT_EQ(bytes[kGuardBytes + size() + i], kGuard)
        << name_ << ": byte " << i << " after it changed";
  }
  return {bytes.begin() + kGuardBytes, bytes.begin() + kGuardBytes + size()};
}

Tensor Mirror::host_tensor(DType dtype, const std::vector<int64_t>& shape,
                           const Placement& placement) {
  return make_tensor(host_.data(), dtype, shape, placement);
}

Tensor Mirror::device_tensor(DType dtype, const std::vector<int64_t>& shape,
                             const Placement& placement) {
  return make_tensor(device(), dtype, shape, placement);
}

Tensor on_host(Mirror& mirror, DType dtype, const std::vector<int64_t>& shape,
               const Placement& placement) {
  return mirror.host_tensor(dtype, shape, placement);
}

Tensor on_device(Mirror& mirror, DType dtype, const std::vector<int64_t>& shape,
                 const Placement& placement) {
  return mirror.device_tensor(dtype, shape, placement);
}

Tensor make_tensor(void* data, DType dtype, const std::vector<int64_t>& shape,
                   const Placement& placement) {
  if (shape.empty() || shape.size() > kMaxRank) throw std::invalid_argument("rank of a tensor");
  Tensor tensor;
  tensor.data = static_cast<uint8_t*>(data) + placement.offset * size_of(dtype);
  tensor.dtype = dtype;
  tensor.rank = static_cast<int>(shape.size());
  int64_t stride = 1;
  for (int axis = tensor.rank - 1; axis >= 0; --axis) {
    tensor.shape[axis] = shape[axis];
    tensor.strides[axis] = placement.strides.empty() ? stride : placement.strides[axis];
    stride *= shape[axis];
  }
  return tensor;
}

}  // namespace slipstream::test
