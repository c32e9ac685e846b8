// From a tensor of DLPack to slipstream::Tensor.
#pragma once

#include <tvm/ffi/tvm_ffi.h>

#include <string>

#include "slipstream/tensor.h"

namespace slipstream::python {

// Throws InvalidArgument "<function>: <argument> must be <must_be>, is <is>".
[[noreturn]] void reject(const char* function, const char* argument, const std::string& must_be,
                         const std::string& is);

// The same memory, whatever device it is on. Throws InvalidArgument for a rank or a dtype that
// slipstream::Tensor cannot have.
[[nodiscard]] Tensor to_tensor(const char* function, const char* argument,
                               const tvm::ffi::TensorView& view);

}  // namespace slipstream::python
