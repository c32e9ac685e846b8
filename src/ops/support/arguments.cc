#include "ops/support/arguments.h"

#include <cuda_runtime_api.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <numeric>
#include <span>
#include <vector>

#include "ops/support/overlap.h"
#include "slipstream/error.h"

namespace slipstream::ops {

void Arguments::reject(const char* argument, const std::string& must_be,
                       const std::string& is) const {
  throw InvalidArgument(
      fmt::format("{}: {} must be {}, is {}", operator_name_, argument, must_be, is));
}

void Arguments::rank(const char* argument, const Tensor& tensor,
                     std::initializer_list<int> ranks) const {
  if (std::find(ranks.begin(), ranks.end(), tensor.rank) != ranks.end()) return;
  reject(argument, fmt::format("of rank {}", fmt::join(ranks, " or ")), tensor.describe());
}

void Arguments::dtype(const char* argument, const Tensor& tensor,
                      std::initializer_list<DType> allowed) const {
  if (std::find(allowed.begin(), allowed.end(), tensor.dtype) != allowed.end()) return;
  std::vector<std::string> names;
  for (const DType candidate : allowed) names.push_back(to_string(candidate));
  reject(argument, fmt::format("{}", fmt::join(names, " or ")), tensor.describe());
}

void Arguments::size(const char* argument, const Tensor& tensor, int axis,
                     Expected expected) const {
  if (tensor.shape[axis] == expected.value) return;
  const char* separator = expected.reason[0] == '\0' ? "" : " ";
  reject(argument,
         fmt::format("of size {} in axis {}{}{}", expected.value, axis, separator, expected.reason),
         tensor.describe());
}

void Arguments::range(const char* argument, int64_t value, int64_t low, int64_t high) const {
  if (value >= low && value <= high) return;
  reject(argument, fmt::format("from {} to {}", low, high), std::to_string(value));
}

void Arguments::multiple(const char* argument, int64_t value, int64_t factor) const {
  if (value % factor == 0) return;
  reject(argument, fmt::format("a multiple of {}", factor), std::to_string(value));
}

void Arguments::last_axis_contiguous(const char* argument, const Tensor& tensor) const {
  const int last = tensor.rank - 1;
  if (tensor.shape[last] <= 1 || tensor.strides[last] == 1) return;
  reject(argument, "contiguous in its last axis (stride 1)", tensor.describe());
}

void Arguments::contiguous(const char* argument, const Tensor& tensor) const {
  if (tensor.numel() == 0 || tensor.contiguous()) return;
  reject(argument, "contiguous", tensor.describe());
}

void Arguments::aligned(const char* argument, const Tensor& tensor, int64_t bytes) const {
  if (tensor.numel() == 0) return;
  if (reinterpret_cast<intptr_t>(tensor.data) % bytes != 0) {
    reject(argument, fmt::format("aligned to {} bytes", bytes),
           fmt::format("at address {}", tensor.data));
  }
  for (int axis = 0; axis + 1 < tensor.rank; ++axis) {
    const int64_t stride = tensor.strides[axis] * size_of(tensor.dtype);
    if (tensor.shape[axis] > 1 && stride % bytes != 0) {
      reject(argument, fmt::format("aligned to {} bytes in every row", bytes),
             fmt::format("{}, where axis {} steps {} bytes", tensor.describe(), axis, stride));
    }
  }
}

void Arguments::on_device(const char* argument, const Tensor& tensor) const {
  if (tensor.numel() == 0) return;
  if (tensor.data == nullptr) reject(argument, "device memory", "a null pointer");
  const int64_t element = size_of(tensor.dtype);
  if (reinterpret_cast<intptr_t>(tensor.data) % element != 0) {
    reject(argument, fmt::format("aligned to {} bytes, as {} is", element, to_string(tensor.dtype)),
           fmt::format("at address {}", tensor.data));
  }
  if (place_ == MemoryPlace::kHost) return;
  cudaPointerAttributes attributes{};
  const cudaError_t code = cudaPointerGetAttributes(&attributes, tensor.data);
  // Formatted only where it is needed: it takes longer than the look-up.
  if (code != cudaSuccess) {
    check_cuda(code, fmt::format("{}: looking up {}", operator_name_, argument));
  }
  if (attributes.type != cudaMemoryTypeDevice && attributes.type != cudaMemoryTypeManaged) {
    reject(argument, "device memory", fmt::format("host memory at {}", tensor.data));
  }
}

void Arguments::disjoint(const char* argument, const Tensor& tensor, const char* other_argument,
                         const Tensor& other) const {
  if (!may_overlap(tensor, other)) return;
  const ByteRange a = byte_range(tensor);
  const ByteRange b = byte_range(other);
  reject(argument, fmt::format("apart from {}", other_argument),
         fmt::format("at bytes {:#x} to {:#x}, which overlap {:#x} to {:#x}", a.begin, a.end,
                     b.begin, b.end));
}

void Arguments::no_self_overlap(const char* argument, const Tensor& tensor) const {
  if (tensor.numel() == 0) return;
  // Sorted by stride, each axis must step over everything the axes before it cover.
  std::array<int, kMaxRank> all_axes{};
  const std::span axes = std::span(all_axes).first(static_cast<size_t>(tensor.rank));
  std::iota(axes.begin(), axes.end(), 0);
  std::sort(axes.begin(), axes.end(), [&](int a, int b) {
    return std::abs(tensor.strides[a]) < std::abs(tensor.strides[b]);
  });
  int64_t covered = 1;
  for (const int axis : axes) {
    if (tensor.shape[axis] <= 1) continue;
    const int64_t stride = std::abs(tensor.strides[axis]);
    if (stride < covered) {
      reject(argument, "without two elements at one address", tensor.describe());
    }
    covered += (tensor.shape[axis] - 1) * stride;
  }
}

}  // namespace slipstream::ops
