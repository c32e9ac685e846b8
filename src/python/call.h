// What every function that Python calls needs: exceptions as Python has them, and for operators the
// device and the stream that their tensors are for.
#pragma once

#include <tvm/ffi/tvm_ffi.h>

#include <utility>

#include "slipstream/error.h"
#include "slipstream/launch.h"
#include "slipstream/tensor.h"

namespace slipstream::python {

using OptionalTensor = tvm::ffi::Optional<tvm::ffi::TensorView>;
using OptionalBool = tvm::ffi::Optional<bool>;

// Returns what `body` does. InvalidArgument leaves it as a ValueError, every other exception of
// ours as a RuntimeError.
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

// One call of an operator. Its tensors must lie on one CUDA device, which is the current one until
// the call ends.
class OperatorCall {
 public:
  explicit OperatorCall(const char* operator_name) : operator_name_(operator_name) {}
  OperatorCall(const OperatorCall&) = delete;
  OperatorCall& operator=(const OperatorCall&) = delete;
  ~OperatorCall();

  // Throws InvalidArgument, naming the argument, for what is not on the device of the others.
  Tensor tensor(const char* argument, const tvm::ffi::TensorView& view);
  // Absent for None.
  Tensor tensor(const char* argument, const OptionalTensor& view);

  // After the tensors: their device becomes the current one, and the stream is what the caller's
  // framework has as its current one there. `pdl` is None for the switches of slipstream/launch.h.
  pdl::LaunchOptions options(const OptionalBool& pdl);

 private:
  void require_same_device(const char* argument, const DLDevice& device);

  const char* operator_name_;
  const char* first_argument_ = nullptr;  // the others must share its device
  int device_ = -1;
  int device_before_ = -1;  // the caller's, where another became current
};

}  // namespace slipstream::python
