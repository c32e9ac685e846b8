// The checked parameters of the quantizing cache writers, for the tests that run their references.
#pragma once

#include "ops/set_mla_kv_buffer_fp8/params.h"
#include "ops/support/arguments.h"
#include "slipstream/ops.h"

namespace slipstream::ops {

[[nodiscard]] SetMlaKvBufferFp8Params check_set_mla_kv_buffer_fp8(
    const Arguments& arguments, const Tensor& kv_buffer, const Tensor& loc,
    const Tensor& cache_k_nope, const Tensor& cache_k_rope, const SlotOptions& slot_options);

[[nodiscard]] SetMlaKvBufferFp8Row656Params check_set_mla_kv_buffer_fp8_656(
    const Arguments& arguments, const Tensor& kv_buffer, const Tensor& loc,
    const Tensor& cache_k_nope, const Tensor& cache_k_rope, ScaleFormat scale_format,
    const SlotOptions& slot_options);

}  // namespace slipstream::ops
