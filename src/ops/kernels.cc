// Compiled once for each variant.
#include "ops/kernels.h"

#include "ops/apply_rope/launch.h"
#include "ops/mla_rope_quantize_fp8/launch.h"
#include "ops/per_token_group_quant/launch.h"
#include "ops/q_scale/launch.h"
#include "ops/set_mla_kv_buffer/launch.h"
#include "ops/set_mla_kv_buffer_fp8/launch.h"
#include "ops/skinny_gemm/launch.h"

namespace slipstream::ops {

#if defined(SLIPSTREAM_INSTRUMENT)
const Kernels& instrumented_kernels() {
#else
const Kernels& plain_kernels() {
#endif
  static constexpr Kernels kKernels{.apply_rope = launch_apply_rope,
                                    .mla_rope_quantize_fp8 = launch_mla_rope_quantize_fp8,
                                    .per_token_group_quant = launch_per_token_group_quant,
                                    .q_scale = launch_q_scale,
                                    .set_mla_kv_buffer = launch_set_mla_kv_buffer,
                                    .set_mla_kv_buffer_fp8 = launch_set_mla_kv_buffer_fp8,
                                    .set_mla_kv_buffer_fp8_656 = launch_set_mla_kv_buffer_fp8_656,
                                    .skinny_gemm_few_rows = launch_few_rows,
                                    .skinny_gemm_many_rows = launch_many_rows};
  return kKernels;
}

}  // namespace slipstream::ops
