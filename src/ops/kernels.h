// The kernels of the operators as host code reaches them: one table for each variant
// (pdl/variant.h).
#pragma once

#include "ops/apply_rope/params.h"
#include "ops/mla_rope_quantize_fp8/params.h"
#include "ops/per_token_group_quant/params.h"
#include "ops/q_scale/params.h"
#include "ops/set_mla_kv_buffer/params.h"
#include "ops/set_mla_kv_buffer_fp8/params.h"
#include "ops/skinny_gemm/params.h"
#include "slipstream/launch.h"

namespace slipstream::ops {

// What each does, launch.h in the folder of its name says.
struct Kernels {
  void (*apply_rope)(const ApplyRopeParams&, bool aligned, const pdl::LaunchOptions&);
  void (*mla_rope_quantize_fp8)(const MlaRopeQuantizeFp8Params&, bool aligned,
                                const pdl::LaunchOptions&);
  void (*per_token_group_quant)(const PerTokenGroupQuantParams&, const pdl::LaunchOptions&);
  void (*q_scale)(const QScaleParams&, const pdl::LaunchOptions&);
  void (*set_mla_kv_buffer)(const SetMlaKvBufferParams&, const pdl::LaunchOptions&);
  void (*set_mla_kv_buffer_fp8)(const SetMlaKvBufferFp8Params&, bool aligned,
                                const pdl::LaunchOptions&);
  void (*set_mla_kv_buffer_fp8_656)(const SetMlaKvBufferFp8Row656Params&, bool aligned,
                                    const pdl::LaunchOptions&);
  void (*skinny_gemm_few_rows)(const SkinnyGemmParams&, const pdl::LaunchOptions&);
  void (*skinny_gemm_many_rows)(const SkinnyGemmParams&, const pdl::LaunchOptions&);
};

[[nodiscard]] const Kernels& plain_kernels();
// In the library slipstream_ops_instrumented.
[[nodiscard]] const Kernels& instrumented_kernels();

// The table that the operators launch from: the plain one, unless a test has called use().
[[nodiscard]] const Kernels& current();
void use(const Kernels& kernels);

}  // namespace slipstream::ops
