// The second operand of the products with banded matrices: gated rows as e4m3 codes, in the order of
// columns.cuh, the shared expert's made before the wait. Of each 16 of a row's values 16 bytes are
// neighbors of those of the next column, so that any eight neighboring columns are a core matrix of
// wgmma.
#pragma once

#include "cuda/memory.cuh"
#include "cuda/warpgroup.cuh"
#include "step/kernels/experts/columns.cuh"
#include "step/kernels/experts/gated_rows.cuh"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {
namespace experts {

// `kThreads` threads make it, of `kRounds` rounds of activations at a time.
template <int kRounds, int kThreads>
class CodedColumns {
 public:
  __device__ CodedColumns(const DownLaunch& params, unsigned char* base)
      : params_(params),
        codes_(base),
        scales_(reinterpret_cast<float*>(base + params.memory.scales)),
        chosen_(params.tokens * params.choices_per_token),
        units_(chosen_ * params.down.groups()) {}

  // Where a lane's eight columns of the chosen rows' units of a batch lie, two units for each warp and
  // round, and they themselves.
  struct Sources {
    int first;  // unit of the lane
    const __nv_bfloat16* gate[kRounds];
    int up[kRounds];  // from there
  };
  struct Raw {
    uint4 gate[kRounds];
    uint4 up[kRounds];
  };

  // Before the wait: products read up to seven columns past an item's, and rehearse. What they find there
  // does not matter, but something must be. A barrier must follow.
  __device__ void clear() const {
    auto* const pieces = reinterpret_cast<uint4*>(codes_);
    for (int i = threadIdx.x; i < params_.memory.partials / 16; i += kThreads) pieces[i] = {};
    cuda::publish_to_products();
  }
  __device__ void rehearse() const { keep(quantize_gated({}, {}, params_.ue8m0)); }
  // Before the wait, after clear(), a rehearsal of products and a barrier: the shared expert's.
  __device__ void quantize_shared() const {
    const int units = params_.tokens * params_.shared_down.groups();
#pragma unroll 1
    for (int unit = static_cast<int>(threadIdx.x) / 16; warp_unit(unit) < units; unit += kRound) {
      const Unit at = find(params_.per_shared_row, min(unit, units - 1));
      const GatedEight raw = load_gated(shared_row(params_, at.row), column(at.group));
      const EightCodes codes = quantize_gated(raw.gate, raw.up, params_.ue8m0);
      // Their columns are the first.
      if (unit < units) store(at.row, at.group, codes);
    }
  }
  __device__ Sources first() const {
    Sources sources = batch(static_cast<int>(threadIdx.x) / 16);
#pragma unroll
    for (int i = 0; i < kRounds; ++i) cuda::settle(sources.gate[i], sources.up[i]);
    return sources;
  }
  // After the wait.
  __device__ Raw load(const Sources& sources) const {
    Raw raw = {};
#pragma unroll
    for (int i = 0; i < kRounds; ++i) {
      if (sources.first + i * kRound >= units_) break;
      raw.gate[i] = *reinterpret_cast<const uint4*>(sources.gate[i]);
      raw.up[i] = *reinterpret_cast<const uint4*>(sources.gate[i] + sources.up[i]);
    }
    return raw;
  }
  // All units, the first batch of which is `raw`. `before_columns`: to be called before
  // they are asked for.
  template <class BeforeColumns>
  __device__ void quantize(Sources& sources, Raw& raw, const Columns& columns,
                           const BeforeColumns& before_columns) const {
    bool is_first = true;
#pragma unroll 1
    while (true) {
#pragma unroll
      for (int i = 0; i < kRounds; ++i) {
        const int unit = sources.first + i * kRound;
        if (warp_unit(unit) >= units_ && i > 0) break;
        const EightCodes codes = quantize_gated(raw.gate[i], raw.up[i], params_.ue8m0);
        if (i == 0 && is_first) before_columns();
        if (unit < units_) store(unit, codes, columns);
      }
      is_first = false;
      const int next = sources.first + kRounds * kRound;
      if (warp_unit(next) >= units_) break;
      sources = batch(next);
      raw = load(sources);
    }
    cuda::publish_to_products();
  }

 private:
  static constexpr int kRound = kThreads / 16;  // units
  struct Unit {
    int row;
    int group;
  };
  // The first of the lane's eight.
  static __device__ int column(int group) {
    return group * kGroup + static_cast<int>(threadIdx.x) % 16 * 8;
  }
  // The first of a warp's two units.
  static __device__ int warp_unit(int unit) {
    return unit - static_cast<int>(threadIdx.x) / 16 % 2;
  }
  __device__ Sources batch(int first) const {
    Sources sources = {first, {}, {}};
#pragma unroll
    for (int i = 0; i < kRounds; ++i) {
      const Unit at = find(params_.per_row, min(first + i * kRound, units_ - 1));
      const GatedRow row = chosen_row(params_, at.row);
      sources.gate[i] = row.gate + column(at.group);
      sources.up[i] = static_cast<int>(row.up - row.gate);
    }
    return sources;
  }
  static __device__ Unit find(const SmallDivisor& groups, int unit) {
    const int row = groups.divide(unit);
    return {row, unit - row * groups.divisor};
  }
  __device__ void store(int unit, const EightCodes& codes, const Columns& columns) const {
    const Unit at = find(params_.per_row, unit);
    store(columns.column(at.row), at.group, codes);
  }
  __device__ void store(int column, int group, const EightCodes& codes) const {
    const int eighth = static_cast<int>(threadIdx.x) % 16;
    *reinterpret_cast<uint2*>(codes_ + (group * 8 + eighth / 2) * params_.memory.pitch +
                              column * 16 + eighth % 2 * 8) = {codes.words[0], codes.words[1]};
    if (eighth == 0) {
      scales_[group * params_.memory.columns + column] = codes.scale;
    }
  }

  const DownLaunch& params_;
  unsigned char* codes_;
  float* scales_;
  int chosen_;
  int units_;  // of chosen rows
};

}  // namespace experts
}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
