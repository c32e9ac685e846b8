// What the kernels of the skinny matrix product on tensor cores share.
#pragma once

#include <cuda_bf16.h>

#include "ops/skinny_gemm/params.h"

namespace slipstream::ops {

// d += a * b for a 16 x 16 bf16 tile of weights and a 16 x 8 tile of activations.
__device__ __forceinline__ void multiply_add(float (&d)[4], uint32_t a0, uint32_t a1, uint32_t a2,
                                             uint32_t a3, uint32_t b0, uint32_t b1) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
}

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
