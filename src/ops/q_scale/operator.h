// The checked parameters of apply_q_scale_and_softmax_scale, for the tests that run its reference.
#pragma once

#include "ops/q_scale/params.h"
#include "ops/support/arguments.h"
#include "slipstream/ops.h"

namespace slipstream::ops {

[[nodiscard]] QScaleParams check_q_scale(const Arguments& arguments, const Tensor& weights,
                                         const Tensor& q_scale, const Tensor& output,
                                         float softmax_scale);

}  // namespace slipstream::ops
