#include "python/tensor.h"

#include <fmt/format.h>

#include <algorithm>

#include "slipstream/error.h"

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

std::string known_names() {
  std::string names;
  for (const KnownDType& known : kKnownDTypes) {
    names += (names.empty() ? "" : ", ") + to_string(known.dtype);
  }
  return names;
}

DType to_dtype(const char* function, const char* argument, const DLDataType& dtype) {
  for (const KnownDType& known : kKnownDTypes) {
    const bool same = dtype.code == known.code && dtype.bits == known.bits;
    if (same && dtype.lanes == 1) return known.dtype;
  }
  reject(function, argument, "one of " + known_names(),
         std::string(tvm::ffi::DLDataTypeToString(dtype)));
}

}  // namespace

void reject(const char* function, const char* argument, const std::string& must_be,
            const std::string& is) {
  throw InvalidArgument(fmt::format("{}: {} must be {}, is {}", function, argument, must_be, is));
}

Tensor to_tensor(const char* function, const char* argument, const tvm::ffi::TensorView& view) {
  const int rank = view.ndim();
  if (rank < 1 || rank > kMaxRank) {
    reject(function, argument, fmt::format("of rank 1 to {}", kMaxRank),
           fmt::format("of rank {}", rank));
  }
  Tensor tensor;
  tensor.data = static_cast<char*>(view.data_ptr()) + view.byte_offset();
  tensor.dtype = to_dtype(function, argument, view.dtype());
  tensor.rank = rank;
  std::copy_n(view.shape().begin(), rank, tensor.shape.begin());
  std::copy_n(view.strides().begin(), rank, tensor.strides.begin());
  return tensor;
}

}  // namespace slipstream::python
