// The checked parameters of set_mla_kv_buffer, for the tests that run its reference.
#pragma once

#include "ops/set_mla_kv_buffer/params.h"
#include "ops/support/arguments.h"
#include "slipstream/ops.h"

namespace slipstream::ops {

[[nodiscard]] SetMlaKvBufferParams check_set_mla_kv_buffer(
    const Arguments& arguments, const Tensor& kv_buffer, const Tensor& loc,
    const Tensor& cache_k_nope, const Tensor& cache_k_rope, const SlotOptions& slot_options);

}  // namespace slipstream::ops
