// silu(gate) * up of chosen and shared experts, the input of their down projections.
#pragma once

#include "step/kernels/experts/operand.cuh"
#include "step/kernels/experts/params.h"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {
namespace experts {

__device__ __forceinline__ const PackedMatrix& matrix_of(const DownLaunch& params, bool shared) {
  return shared ? params.shared_down : params.down;
}

// Gate and up of a row: those of chosen experts, then the shared expert's.
struct GatedRow {
  const __nv_bfloat16* gate;
  const __nv_bfloat16* up;
};
__device__ __forceinline__ GatedRow row_at(const DownLaunch& params, int row) {
  const int chosen = params.tokens * params.choices_per_token;
  if (row >= chosen) {
    const __nv_bfloat16* gate =
        params.shared_input.rows.get() + (row - chosen) * params.shared_input.stride;
    return {gate, gate + params.shared_down.columns};
  }
  const __nv_bfloat16* gate = params.activated.get() + int64_t{row} * 2 * params.down.columns;
  return {gate, gate + params.down.columns};
}

// Groups of columns of all rows.
SLIPSTREAM_HOST_DEVICE inline int row_units(const DownLaunch& params) {
  return params.tokens *
         (params.choices_per_token * params.down.groups() + params.shared_down.groups());
}

// Made from global memory each time.
class DirectRows {
 public:
  __device__ explicit DirectRows(const DownLaunch& params) : params_(params) {}
  __device__ void load(int group, int row, Operand& operand) const {
    const int column = group * kGroup + static_cast<int>(threadIdx.x) % 4 * 32;
    const GatedRow source = row_at(params_, row);
    float values[32];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      float gate[8];
      float up[8];
      load_eight(source.gate + column + i * 8, gate);
      load_eight(source.up + column + i * 8, up);
      gate_values(gate, up);
#pragma unroll
      for (int j = 0; j < 8; ++j) values[i * 8 + j] = gate[j];
    }
    const bool shared = row >= params_.tokens * params_.choices_per_token;
    make_operand(values, matrix_of(params_, shared).is_fp8, params_.ue8m0, operand);
  }

 private:
  const DownLaunch& params_;
};

}  // namespace experts
}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
