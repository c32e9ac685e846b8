#include "slipstream/tensor.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <span>

#include "slipstream/error.h"

namespace slipstream {

int64_t size_of(DType dtype) {
  switch (dtype) {
    case DType::kFloat32:
    case DType::kInt32:
      return 4;
    case DType::kBFloat16:
    case DType::kFloat16:
      return 2;
    case DType::kInt64:
      return 8;
    case DType::kFloat8E4M3:
    case DType::kFloat8E5M2:
    case DType::kInt8:
    case DType::kUInt8:
      return 1;
  }
  throw InvalidArgument(fmt::format("no dtype has the number {}", static_cast<int>(dtype)));
}

std::string to_string(DType dtype) {
  switch (dtype) {
    case DType::kFloat32:
      return "float32";
    case DType::kBFloat16:
      return "bfloat16";
    case DType::kFloat16:
      return "float16";
    case DType::kFloat8E4M3:
      return "float8_e4m3fn";
    case DType::kFloat8E5M2:
      return "float8_e5m2";
    case DType::kInt8:
      return "int8";
    case DType::kUInt8:
      return "uint8";
    case DType::kInt32:
      return "int32";
    case DType::kInt64:
      return "int64";
  }
  return fmt::format("dtype number {}", static_cast<int>(dtype));
}

namespace {

void require_rank(size_t rank) {
  if (rank < 1 || rank > kMaxRank) {
    throw InvalidArgument(
        fmt::format("a tensor must have rank 1 to {}, is rank {}", kMaxRank, rank));
  }
}

}  // namespace

Tensor::Tensor(void* data, DType dtype, std::initializer_list<int64_t> shape)
    : data(data), dtype(dtype), rank(static_cast<int>(shape.size())) {
  require_rank(shape.size());
  std::copy(shape.begin(), shape.end(), this->shape.begin());
  int64_t stride = 1;
  for (int axis = rank - 1; axis >= 0; --axis) {
    strides[axis] = stride;
    stride *= std::max<int64_t>(this->shape[axis], 1);
  }
}

Tensor::Tensor(void* data, DType dtype, std::initializer_list<int64_t> shape,
               std::initializer_list<int64_t> strides)
    : Tensor(data, dtype, shape) {
  if (strides.size() != shape.size()) {
    throw InvalidArgument(fmt::format("a tensor of rank {} must have as many strides, has {}",
                                      shape.size(), strides.size()));
  }
  std::copy(strides.begin(), strides.end(), this->strides.begin());
}

int64_t Tensor::numel() const {
  int64_t count = rank == 0 ? 0 : 1;
  for (int axis = 0; axis < rank; ++axis) count *= shape[axis];
  return count;
}

bool Tensor::contiguous() const {
  int64_t stride = 1;
  for (int axis = rank - 1; axis >= 0; --axis) {
    if (shape[axis] != 1 && strides[axis] != stride) return false;
    stride *= shape[axis];
  }
  return true;
}

std::string Tensor::describe() const {
  if (absent()) return "absent";
  const auto sizes = std::span(shape).first(rank);
  std::string text = fmt::format("{}[{}]", to_string(dtype), fmt::join(sizes, ", "));
  if (!contiguous()) {
    text += fmt::format(" with strides [{}]", fmt::join(std::span(strides).first(rank), ", "));
  }
  return text;
}

}  // namespace slipstream
