// What the functions check that launch a decode step's kernels one by one: tensors whose shapes depend
// on each other.
#pragma once

#include <tvm/ffi/tvm_ffi.h>

#include <initializer_list>

#include "python/call.h"
#include "python/tensor.h"
#include "step/kernels/linear/params.h"
#include "step/kernels/set.h"

namespace slipstream::python {

inline constexpr int64_t kAny = -1;  // of an axis whose length the tensor says

// Throws InvalidArgument unless the tensor is contiguous and of this dtype and shape.
void require(const char* function, const char* argument, const Tensor& tensor, DType dtype,
             std::initializer_list<int64_t> shape);

// A call of one of a step's launches.
class StepCall {
 public:
  explicit StepCall(const char* name) : name_(name), call_(name) {}

  Tensor tensor(const char* argument, const tvm::ffi::TensorView& view, DType dtype,
                std::initializer_list<int64_t> shape);
  // A packed matrix: fp8 where it has scales, else bf16.
  step::kernels::PackedMatrix matrix(const char* argument, const tvm::ffi::TensorView& tiles,
                                     const OptionalTensor& scales, int64_t rows, int64_t columns);
  // An e4m3 matrix in bands.
  step::kernels::PackedMatrix bands(const char* argument, const tvm::ffi::TensorView& tiles,
                                    int64_t rows, int64_t columns);
  step::kernels::SettledPlaces places(const tvm::ffi::TensorView& rows,
                                      const tvm::ffi::TensorView& pages, int64_t tokens);
  // The rows of a tensor: 1 to 16.
  [[nodiscard]] int tokens(const char* argument, const Tensor& tensor) const;
  pdl::LaunchOptions options(const OptionalBool& pdl) { return call_.options(pdl); }

 private:
  void set_tiles(const char* argument, const tvm::ffi::TensorView& tiles,
                 step::kernels::PackedMatrix& matrix);

  const char* name_;
  OperatorCall call_;
};

template <class T>
pdl::Produced<T> produced(const Tensor& tensor) {
  return {static_cast<T*>(tensor.data)};
}
// What the launch right before did not write, where launches overlap.
template <class T>
pdl::Settled<T> settled(const Tensor& tensor) {
  return {static_cast<const T*>(tensor.data)};
}
template <class T>
pdl::Constant<T> constant(const Tensor& tensor) {
  return {static_cast<const T*>(tensor.data)};
}

}  // namespace slipstream::python
