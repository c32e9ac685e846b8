#include "ops/skinny_gemm/reference.h"

namespace slipstream::ops {

void skinny_gemm_reference(const SkinnyGemmParams& params) {
  for (int token = 0; token < params.tokens; ++token) {
    for (int row = 0; row < params.rows; ++row) {
      const __nv_bfloat16* x = params.activations.get() + token * params.activation_stride;
      const __nv_bfloat16* w = params.weights.get() + row * params.weight_stride;
      double sum = 0;
      for (int column = 0; column < params.columns; ++column) {
        sum += static_cast<double>(__bfloat162float(x[column])) *
               static_cast<double>(__bfloat162float(w[column]));
      }
      const int64_t index = token * params.output_stride + row;
      if (params.output_is_float32) {
        static_cast<float*>(params.output.get())[index] = static_cast<float>(sum);
      } else {
        static_cast<__nv_bfloat16*>(params.output.get())[index] = __double2bfloat16(sum);
      }
    }
  }
}

}  // namespace slipstream::ops
