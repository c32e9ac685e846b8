// The checked parameters of per_token_group_quant_8bit, for the tests that run its reference.
#pragma once

#include "ops/per_token_group_quant/params.h"
#include "ops/support/arguments.h"
#include "slipstream/ops.h"

namespace slipstream::ops {

[[nodiscard]] PerTokenGroupQuantParams check_per_token_group_quant(
    const Arguments& arguments, const Tensor& input, const Tensor& output_q, const Tensor& output_s,
    const PerTokenGroupQuantOptions& quant_options);

}  // namespace slipstream::ops
