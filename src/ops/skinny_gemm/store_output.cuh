// Where the kernels of the skinny matrix product on tensor cores leave a sum.
#pragma once

#include <cuda_bf16.h>

#include "ops/skinny_gemm/params.h"

namespace slipstream::ops {

__device__ __forceinline__ void store_output(const SkinnyGemmParams& params, int token, int row,
                                             float value) {
  const int64_t index = token * params.output_stride + row;
  if (params.output_is_float32) {
    static_cast<float*>(params.output.get())[index] = value;
  } else {
    static_cast<__nv_bfloat16*>(params.output.get())[index] = __float2bfloat16_rn(value);
  }
}

}  // namespace slipstream::ops
