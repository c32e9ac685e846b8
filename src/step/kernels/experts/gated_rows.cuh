// silu(gate) * up of chosen and shared experts, the input of their down projections: quantized in
// shared memory or, where it is bf16 or too much, made from global memory each time.
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

// All rows, quantized in shared memory, [row][group], in batches of `kRounds` rounds: where one batch
// is all, the first weights of chosen experts need not wait for more of them. By twos groups are multiplied where
// a piece has two of one tile.
template <int kRounds, bool kByTwosIn>
class StagedRows {
 public:
  static constexpr bool kIsFp8 = true;
  static constexpr bool kByTwos = kByTwosIn;

  __device__ StagedRows(const DownLaunch& params, unsigned char* memory)
      : params_(params),
        chosen_(params.tokens * params.choices_per_token),
        chosen_units_(chosen_ * params.down.groups()),
        target_(memory, row_units(params)) {}

  __device__ void rehearse() const { keep(quantize_gated({}, {}, params_.ue8m0)); }
  // Gate and up of the lane's eight columns of units of a batch, two units per warp and round.
  struct Raw {
    int first;  // unit of the lane
    uint4 gate[kRounds];
    uint4 up[kRounds];
  };

  // After the wait, by all threads.
  __device__ Raw load_first() const { return load_batch(static_cast<int>(threadIdx.x) / 16); }
  __device__ void quantize_all_but_last(Raw& raw) const {
    const int step = round() * kRounds;
#pragma unroll 1
    for (int begin = step; begin < row_units(params_); begin += step) {
      quantize(raw);
      raw = load_batch(raw.first + step);
    }
  }
  // A barrier must follow.
  __device__ void quantize(const Raw& raw) const {
    const int half = static_cast<int>(threadIdx.x) / 16 % 2;
#pragma unroll
    for (int i = 0; i < kRounds; ++i) {
      const int unit = raw.first + i * round();
      if (unit - half >= row_units(params_)) break;
      const EightCodes codes = quantize_gated(raw.gate[i], raw.up[i], params_.ue8m0);
      if (unit < row_units(params_)) target_.store(unit, codes.words, codes.scale);
    }
  }
  __device__ void load(int group, int row, Operand& operand) const {
    const int unit =
        (row < chosen_ ? row * params_.down.groups()
                       : chosen_units_ + (row - chosen_) * params_.shared_down.groups()) +
        group;
    target_.load(unit, operand.words);
    spread_scale(target_.scales[unit], operand);
  }

 private:
  static __device__ int round() { return static_cast<int>(blockDim.x) / 16; }
  __device__ Raw load_batch(int first) const {
    Raw raw = {first, {}, {}};
#pragma unroll
    for (int i = 0; i < kRounds; ++i) {
      const int unit = first + i * round();
      if (unit >= row_units(params_)) break;
      const bool shared = unit >= chosen_units_;
      const int groups = shared ? params_.shared_down.groups() : params_.down.groups();
      const int index = shared ? unit - chosen_units_ : unit;
      const int row = index / groups;
      const int column = (index - row * groups) * kGroup + static_cast<int>(threadIdx.x) % 16 * 8;
      const GatedRow source = row_at(params_, (shared ? chosen_ : 0) + row);
      raw.gate[i] = *reinterpret_cast<const uint4*>(source.gate + column);
      raw.up[i] = *reinterpret_cast<const uint4*>(source.up + column);
    }
    return raw;
  }

  const DownLaunch& params_;
  int chosen_;
  int chosen_units_;
  CodeUnits target_;
};

// The same from global memory each time.
class DirectRows {
 public:
  static constexpr bool kIsFp8 = false;
  static constexpr bool kByTwos = false;
  __device__ DirectRows(const DownLaunch& params, unsigned char* /*memory*/) : params_(params) {}
  struct Raw {};
  __device__ void rehearse() const {}
  __device__ Raw load_first() const { return {}; }
  __device__ void quantize_all_but_last(Raw& /*raw*/) const {}
  __device__ void quantize(const Raw& /*raw*/) const {}
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
