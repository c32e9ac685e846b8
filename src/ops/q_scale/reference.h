// The plain C++ form of apply_q_scale_and_softmax_scale.
#pragma once

#include "ops/q_scale/params.h"

namespace slipstream::ops {

// The same parameters as the kernel's, with pointers to host memory.
void q_scale_reference(const QScaleParams& params);

}  // namespace slipstream::ops
