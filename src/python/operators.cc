// The operators of slipstream/ops.h for Python. Defaults, names that users know and outputs to be allocated are the
// business of python/slipstream/operators.py; here every argument is given.
#include <tvm/ffi/tvm_ffi.h>

#include "python/call.h"
#include "slipstream/ops.h"

namespace slipstream::python {
namespace {

using tvm::ffi::TensorView;

void apply_q_scale_and_softmax_scale(const TensorView& weights, const TensorView& q_scale,
                                     double softmax_scale, const TensorView& output,
                                     const OptionalBool& pdl) {
  with_python_errors([&] {
    OperatorCall call("apply_q_scale_and_softmax_scale");
    const Tensor weights_tensor = call.tensor("weights", weights);
    const Tensor scale_tensor = call.tensor("q_scale", q_scale);
    const Tensor output_tensor = call.tensor("output", output);
    ops::apply_q_scale_and_softmax_scale(weights_tensor, scale_tensor, output_tensor,
                                         static_cast<float>(softmax_scale), call.options(pdl));
  });
}

}  // namespace

TVM_FFI_DLL_EXPORT_TYPED_FUNC(apply_q_scale_and_softmax_scale, apply_q_scale_and_softmax_scale)

}  // namespace slipstream::python
