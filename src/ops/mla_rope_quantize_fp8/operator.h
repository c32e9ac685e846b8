// The checked parameters of mla_rope_quantize_fp8, for the tests that run its reference.
#pragma once

#include "ops/mla_rope_quantize_fp8/params.h"
#include "ops/support/arguments.h"
#include "slipstream/ops.h"

namespace slipstream::ops {

[[nodiscard]] MlaRopeQuantizeFp8Params check_mla_rope_quantize_fp8(
    const Arguments& check, const MlaRopeQuantizeArguments& arguments);

}  // namespace slipstream::ops
