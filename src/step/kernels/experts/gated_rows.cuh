// silu(gate) * up of chosen and shared experts, the input of their down projections: quantized in
// shared memory or, where it is bf16 or too much, made from global memory each time.
#pragma once

#include "cuda/memory.cuh"
#include "step/kernels/experts/operand.cuh"
#include "step/kernels/experts/params.h"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {
namespace experts {

__device__ __forceinline__ const PackedMatrix& matrix_of(const DownLaunch& params, bool shared) {
  return shared ? params.shared_down : params.down;
}

// Gate and up of a row.
struct GatedRow {
  const __nv_bfloat16* gate;
  const __nv_bfloat16* up;
};
// Of a chosen expert, after the wait.
__device__ __forceinline__ GatedRow chosen_row(const DownLaunch& params, int row) {
  const __nv_bfloat16* gate = params.activated.get() + int64_t{row} * 2 * params.down.columns;
  return {gate, gate + params.down.columns};
}
// Of the shared expert.
__device__ __forceinline__ GatedRow shared_row(const DownLaunch& params, int token) {
  const __nv_bfloat16* gate = params.shared_input.rows.get() + token * params.shared_input.stride;
  return {gate, gate + params.shared_down.columns};
}

// Eight neighboring columns of a row.
struct GatedEight {
  uint4 gate;
  uint4 up;
};
__device__ __forceinline__ GatedEight load_gated(const GatedRow& row, int column) {
  return {*reinterpret_cast<const uint4*>(row.gate + column),
          *reinterpret_cast<const uint4*>(row.up + column)};
}

// Groups of columns of chosen rows, and of all.
SLIPSTREAM_HOST_DEVICE inline int chosen_units(const DownLaunch& params) {
  return params.tokens * params.choices_per_token * params.down.groups();
}
SLIPSTREAM_HOST_DEVICE inline int row_units(const DownLaunch& params) {
  return chosen_units(params) + params.tokens * params.shared_down.groups();
}

// All rows, quantized in shared memory, [row][group]: the shared expert's before the wait, the others in
// batches of `kRounds` rounds. Where one batch is all, the first weights of chosen experts need not wait for
// more of them. By twos groups are multiplied where a piece has two of one tile.
template <int kRounds, bool kByTwosIn>
class StagedRows {
 public:
  static constexpr bool kIsFp8 = true;
  static constexpr bool kByTwos = kByTwosIn;

  static __device__ int bytes(const DownLaunch& params) { return code_bytes(row_units(params)); }
  __device__ StagedRows(const DownLaunch& params, unsigned char* memory)
      : params_(params),
        chosen_(params.tokens * params.choices_per_token),
        chosen_units_(chosen_units(params)),
        target_(memory, row_units(params)) {}

  __device__ void rehearse() const { keep(quantize_gated({}, {}, params_.ue8m0)); }
  // Before the wait, by all threads.
  __device__ void quantize_shared() const {
    const int groups = params_.shared_down.groups();
    const int units = params_.tokens * groups;
#pragma unroll 1
    for (int unit = static_cast<int>(threadIdx.x) / 16; unit - half() < units; unit += round()) {
      const int token = min(unit, units - 1) / groups;
      const int group = min(unit, units - 1) - token * groups;
      const GatedEight raw = load_gated(shared_row(params_, token), column(group));
      const EightCodes codes = quantize_gated(raw.gate, raw.up, params_.ue8m0);
      if (unit < units) target_.store(chosen_units_ + unit, codes.words, codes.scale);
    }
  }
  // Where gate and up of the lane's eight columns of units of a batch lie, two units per warp and round, and they
  // themselves.
  struct Sources {
    int first;  // unit of the lane
    const __nv_bfloat16* gate[kRounds];
  };
  struct Raw {
    uint4 gate[kRounds];
    uint4 up[kRounds];
  };

  // Before the wait: what a unit's row is takes a division.
  __device__ Sources first() const {
    const Sources sources = batch(static_cast<int>(threadIdx.x) / 16);
#pragma unroll
    for (int i = 0; i < kRounds; ++i) cuda::settle(sources.gate[i]);
    return sources;
  }
  // After the wait, by all threads.
  __device__ Raw load(const Sources& sources) const {
    Raw raw = {};
#pragma unroll
    for (int i = 0; i < kRounds; ++i) {
      if (sources.first + i * round() >= chosen_units_) break;
      raw.gate[i] = *reinterpret_cast<const uint4*>(sources.gate[i]);
      raw.up[i] = *reinterpret_cast<const uint4*>(sources.gate[i] + params_.down.columns);
    }
    return raw;
  }
  __device__ void quantize_all_but_last(Sources& sources, Raw& raw) const {
    const int step = round() * kRounds;
#pragma unroll 1
    for (int begin = step; begin < chosen_units_; begin += step) {
      quantize(sources, raw);
      sources = batch(sources.first + step);
      raw = load(sources);
    }
  }
  // A barrier must follow.
  __device__ void quantize(const Sources& sources, const Raw& raw) const {
#pragma unroll
    for (int i = 0; i < kRounds; ++i) {
      const int unit = sources.first + i * round();
      if (unit - half() >= chosen_units_) break;
      const EightCodes codes = quantize_gated(raw.gate[i], raw.up[i], params_.ue8m0);
      if (unit < chosen_units_) target_.store(unit, codes.words, codes.scale);
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
  // Of a warp's two units, which one is the lane's.
  static __device__ int half() { return static_cast<int>(threadIdx.x) / 16 % 2; }
  // The first of the lane's eight.
  static __device__ int column(int group) {
    return group * kGroup + static_cast<int>(threadIdx.x) % 16 * 8;
  }
  __device__ Sources batch(int first) const {
    Sources sources = {first, {}};
    const int groups = params_.down.groups();
#pragma unroll
    for (int i = 0; i < kRounds; ++i) {
      const int unit = first + i * round();
      if (unit >= chosen_units_) break;
      const int row = unit / groups;
      sources.gate[i] = chosen_row(params_, row).gate + column(unit - row * groups);
    }
    return sources;
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
  static __device__ int bytes(const DownLaunch& /*params*/) { return 0; }
  __device__ DirectRows(const DownLaunch& params, unsigned char* /*memory*/) : params_(params) {}
  struct Sources {};
  struct Raw {};
  __device__ void rehearse() const {}
  __device__ void quantize_shared() const {}
  __device__ Sources first() const { return {}; }
  __device__ Raw load(const Sources& /*sources*/) const { return {}; }
  __device__ void quantize_all_but_last(Sources& /*sources*/, Raw& /*raw*/) const {}
  __device__ void quantize(const Sources& /*sources*/, const Raw& /*raw*/) const {}
  __device__ void load(int group, int row, Operand& operand) const {
    const int column = group * kGroup + static_cast<int>(threadIdx.x) % 4 * 32;
    const int chosen = params_.tokens * params_.choices_per_token;
    const bool shared = row >= chosen;
    const GatedRow source = shared ? shared_row(params_, row - chosen) : chosen_row(params_, row);
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
    make_operand(values, matrix_of(params_, shared).is_fp8, params_.ue8m0, operand);
  }

 private:
  const DownLaunch& params_;
};

}  // namespace experts
}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
