// What every function that Python calls needs: tensors as Slipstream has them, the device and the stream they are for,
// and exceptions as Python has them.
#pragma once

#include <cuda_runtime_api.h>
#include <tvm/ffi/tvm_ffi.h>

#include <utility>

#include "slipstream/error.h"
#include "slipstream/launch.h"
#include "slipstream/tensor.h"

namespace slipstream::python {

using OptionalTensor = tvm::ffi::Optional<tvm::ffi::TensorView>;
using OptionalBool = tvm::ffi::Optional<bool>;

// Returns what `body` does. InvalidArgument leaves it as a ValueError, every other exception of ours as a RuntimeError.
template <class Body>
auto with_python_errors(Body&& body) {
  try {
    return std::forward<Body>(body)();
  } catch (const InvalidArgument& error) {
    throw tvm::ffi::Error("ValueError", error.what(), "");
  } catch (const Error& error) {
    throw tvm::ffi::Error("RuntimeError", error.what(), "");
  }
}

// One call of an operator. Its tensors must lie on one CUDA device, which is the current one until the call ends.
class OperatorCall {
 public:
  explicit OperatorCall(const char* operator_name) : operator_name_(operator_name) {}
  OperatorCall(const OperatorCall&) = delete;
  OperatorCall& operator=(const OperatorCall&) = delete;
  ~OperatorCall();

  // Throws InvalidArgument, naming the argument, for what is not on the device of the others or cannot be described by
  // slipstream::Tensor.
  Tensor tensor(const char* argument, const tvm::ffi::TensorView& view);
  // Absent for None.
  Tensor tensor(const char* argument, const OptionalTensor& view);

  // The stream that the caller's framework has as its current one on the device of the tensors, which becomes the current
  // device. `pdl` is None for the switches of slipstream/launch.h.
  pdl::LaunchOptions options(const OptionalBool& pdl);

 private:
  [[noreturn]] void reject(const char* argument, const std::string& must_be,
                           const std::string& is) const;
  void require_same_device(const char* argument, const DLDevice& device);
  DType dtype(const char* argument, const DLDataType& dtype) const;

  const char* operator_name_;
  const char* first_argument_ = nullptr;  // the one whose device the others must share
  int device_ = -1;
  int device_before_ = -1;  // of the caller, where another became current
};

}  // namespace slipstream::python
