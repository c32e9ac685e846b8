// silu, then the down projections of chosen and shared experts, weighted and summed.
//
// A CTA owns every gridDim.x-th tile of 16 rows; its warps share the items out: item 0 is the
// shared expert, then come the distinct chosen ones. A warp has the whole sum of an item in
// registers, so that it can round and weight it before it adds; it streams its items across tiles.
//
// PDL: weights of the shared expert before the wait, nothing else.
#pragma once

#include "engine/kernels/experts/multiply.cuh"
#include "engine/kernels/experts/plan.cuh"
#include "engine/kernels/support/launch_scope.cuh"

namespace slipstream::engine::kernels {
namespace experts {

inline constexpr int kMostDownWarps = 16;

template <int kTokenTiles>
struct DownShared {
  std::uint64_t barriers[kMostDownWarps][WeightRing::kMostSlots];
  Plan<kTokenTiles> plan;
  float weights[Plan<kTokenTiles>::kMostRows];
};

__device__ __forceinline__ const PackedMatrix& matrix_of(const DownLaunch& params, bool shared) {
  return shared ? params.shared_down : params.down;
}
// The tile among all experts' tiles.
template <int kTokenTiles>
__device__ __forceinline__ std::int64_t tile_of(const DownLaunch& params,
                                                const Plan<kTokenTiles>& plan, int item, int tile) {
  return item == 0 ? tile : std::int64_t{plan.experts[item - 1]} * params.down.tile_count() + tile;
}

// The pieces of one warp: of each tile items warp, warp + warps, ...
template <int kTokenTiles>
class DownCursor {
 public:
  // Before the wait `most_items` bounds the items and only item 0 is known.
  __device__ DownCursor(const DownLaunch& params, const Plan<kTokenTiles>& plan, int most_items)
      : params_(params), plan_(plan), items_(most_items) {}
  __device__ void set_items(int items) {
    items_ = items;
    known_ = items;
    if (item_ >= items) next_tile();
  }
  __device__ bool valid() const { return tile_ < params_.down.tile_count() && item_ < known_; }
  __device__ Piece piece() const {
    const PackedMatrix& matrix = matrix_of(params_, item_ == 0);
    const int group_bytes = matrix.chunks_per_group() * kChunkBytes;
    const int groups = min(params_.ring.piece_groups, matrix.groups() - done_);
    const std::byte* source = matrix.tiles.get() + done_ * group_bytes +
                              tile_of(params_, plan_, item_, tile_) * matrix.tile_bytes();
    return {source, static_cast<std::uint32_t>(groups * group_bytes)};
  }
  __device__ void advance() {
    done_ += params_.ring.piece_groups;
    if (done_ < matrix_of(params_, item_ == 0).groups()) return;
    done_ = 0;
    item_ += static_cast<int>(blockDim.x) / 32;
    if (item_ >= items_) next_tile();
  }

 private:
  __device__ void next_tile() {
    item_ = static_cast<int>(threadIdx.x) / 32;
    tile_ += static_cast<int>(gridDim.x);
  }

  const DownLaunch& params_;
  const Plan<kTokenTiles>& plan_;
  int items_;
  int known_ = 1;
  int tile_ = static_cast<int>(blockIdx.x);
  int item_ = static_cast<int>(threadIdx.x) / 32;
  int done_ = 0;
};

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
  const __nv_bfloat16* gate = params.activated.get() + std::int64_t{row} * 2 * params.down.columns;
  return {gate, gate + params.down.columns};
}

// All rows, quantised in shared memory, [row][group].
class StagedRows {
 public:
  static constexpr bool kIsFp8 = true;
  SLIPSTREAM_HOST_DEVICE static int units(const DownLaunch& params) {
    return params.tokens *
           (params.choices_per_token * params.down.groups() + params.shared_down.groups());
  }

  __device__ StagedRows(const DownLaunch& params, unsigned char* memory)
      : params_(params),
        chosen_(params.tokens * params.choices_per_token),
        chosen_units_(chosen_ * params.down.groups()),
        target_(memory, units(params)) {}

  __device__ void rehearse() const {
    const uint4 zeros = make_uint4(0, 0, 0, 0);
    keep(quantise_gated(zeros, zeros, params_.ue8m0));
  }
  // Behind the wait, by all threads; a barrier must follow.
  __device__ void prepare() const {
    struct Raw {
      uint4 gate;
      uint4 up;
    };
    quantise_units<4, Raw>(
        target_, units(params_), static_cast<int>(threadIdx.x) / 32,
        static_cast<int>(blockDim.x) / 32,
        [&](int unit, int eighth) {
          const bool shared = unit >= chosen_units_;
          const int groups = shared ? params_.shared_down.groups() : params_.down.groups();
          const int index = shared ? unit - chosen_units_ : unit;
          const int row = index / groups;
          const int column = (index - row * groups) * kGroup + eighth * 8;
          const GatedRow source = row_at(params_, (shared ? chosen_ : 0) + row);
          return Raw{*reinterpret_cast<const uint4*>(source.gate + column),
                     *reinterpret_cast<const uint4*>(source.up + column)};
        },
        [&](const Raw& raw) { return quantise_gated(raw.gate, raw.up, params_.ue8m0); });
  }
  __device__ void load(int group, int row, Operand& operand) const {
    const int unit =
        (row < chosen_ ? row * params_.down.groups()
                       : chosen_units_ + (row - chosen_) * params_.shared_down.groups()) +
        group;
    target_.load(unit, operand);
    spread_scale(target_.scales[unit], operand);
  }

 private:
  const DownLaunch& params_;
  int chosen_;
  int chosen_units_;
  CodeUnits target_;
};

// The same from global memory each time.
class DirectRows {
 public:
  static constexpr bool kIsFp8 = false;
  __device__ DirectRows(const DownLaunch& params, unsigned char* /*memory*/) : params_(params) {}
  __device__ void rehearse() const {}
  __device__ void prepare() const {}
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
#pragma unroll
      for (int j = 0; j < 8; ++j) values[i * 8 + j] = gated(gate[j], up[j]);
    }
    const bool shared = row >= params_.tokens * params_.choices_per_token;
    make_operand(values, matrix_of(params_, shared).is_fp8, params_.ue8m0, operand);
  }

 private:
  const DownLaunch& params_;
};

template <int kTokenTiles>
__device__ __forceinline__ void load_choices(const DownLaunch& params,
                                             DownShared<kTokenTiles>& shared) {
  const int choices = params.choices_per_token;
  for (int row = threadIdx.x; row < params.tokens * choices; row += static_cast<int>(blockDim.x)) {
    const ExpertChoice choice = params.choices.get()[row];
    shared.weights[row] = choice.weight;
    shared.plan.enter(row, choice.expert, params.tokens);
  }
}

// total += weight of the token * the item's sum, rounded; the shared expert weighs 1.
template <int kTokenTiles>
__device__ __forceinline__ void add_item(const DownShared<kTokenTiles>& shared, int item,
                                         std::uint32_t takers, const Sums<kTokenTiles>& sums,
                                         Sums<kTokenTiles>& total) {
#pragma unroll
  for (int t = 0; t < kTokenTiles; ++t) {
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const int token = t * 8 + threadIdx.x % 4 * 2 + i;
      if ((takers >> token & 1) == 0) continue;
      const float weight = item == 0 ? 1.0F : shared.weights[shared.plan.rows[item - 1][token]];
      total[t][i] += weight * round_to_bf16(sums[t][i]);
      total[t][i + 2] += weight * round_to_bf16(sums[t][i + 2]);
    }
  }
}

// A warp's way through items and tiles.
struct Place {
  int item;
  int tile;

  __device__ void advance(int items) {
    item += static_cast<int>(blockDim.x) / 32;
    if (item < items) return;
    item = static_cast<int>(threadIdx.x) / 32;
    tile += static_cast<int>(gridDim.x);
  }
};

// The weights' scales of the place that `ahead` has come to.
template <int kTokenTiles>
__device__ __forceinline__ float load_ahead(const DownLaunch& params, const Plan<kTokenTiles>& plan,
                                            int items, Place& ahead) {
  float scales = 0.0F;
  if (ahead.item < items && ahead.tile < params.down.tile_count()) {
    const PackedMatrix& matrix = matrix_of(params, ahead.item == 0);
    scales =
        load_scales(matrix, tile_of(params, plan, ahead.item, ahead.tile), {0, matrix.groups()});
  }
  ahead.advance(items);
  return scales;
}

// Adds what an item gives a tile.
template <int kTokenTiles, class Rows>
__device__ __forceinline__ void multiply_item(const DownLaunch& params, const Rows& rows,
                                              const DownShared<kTokenTiles>& shared, int item,
                                              int tile, float scales, WeightRing& ring,
                                              DownCursor<kTokenTiles>& cursor,
                                              Sums<kTokenTiles>& total) {
  const int lane = threadIdx.x % 32;
  const PackedMatrix& matrix = matrix_of(params, item == 0);
  const std::uint32_t takers = item == 0 ? (1U << params.tokens) - 1 : shared.plan.takers[item - 1];
  int row[kTokenTiles];
#pragma unroll
  for (int t = 0; t < kTokenTiles; ++t) {
    const int token = min(t * 8 + lane / 4, params.tokens - 1);
    row[t] = item == 0 ? params.tokens * params.choices_per_token + token
                       : shared.plan.rows[item - 1][token];
  }
  Sums<kTokenTiles> sums = {};
  multiply_slice<kTokenTiles>(
      ring, cursor, params.ring.piece_groups, matrix, Rows::kIsFp8 || matrix.is_fp8,
      tile_of(params, shared.plan, item, tile), {0, matrix.groups()}, scales,
      Rows::kIsFp8 ? active_tiles(takers) : ~0U,
      [&](int group, int t, Operand& operand) { rows.load(group, row[t], operand); }, sums);
  add_item<kTokenTiles>(shared, item, takers, sums, total);
}

}  // namespace experts

template <int kTokenTiles, class Rows>
__global__ void __launch_bounds__(experts::kMostDownWarps * 32, 1)
    down_kernel(const __grid_constant__ DownLaunch params) {
  using namespace experts;
  extern __shared__ __align__(128) unsigned char memory[];
  __shared__ DownShared<kTokenTiles> shared;
  [[maybe_unused]] const LaunchScope scope{};
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int warps = static_cast<int>(blockDim.x) / 32;
  const int ring_bytes = params.ring.slots * params.ring.slot_bytes;
  WeightRing ring(memory + warp * ring_bytes, shared.barriers[warp], params.ring.slots,
                  params.ring.slot_bytes);
  DownCursor<kTokenTiles> cursor(params, shared.plan,
                                 1 + min(params.tokens * params.choices_per_token, params.experts));
  // slipstream-check: allow R2: a tile of down or of shared_down, which are weights both
  ring.fill(cursor);
  shared.plan.clear();
  unsigned char* const after_rings = memory + warps * ring_bytes;
  float* const partials = reinterpret_cast<float*>(after_rings);
  const int partials_size = warps * partial_floats(params.tokens);
  const Rows rows(params, after_rings + 2 * partials_size * sizeof(float));
  rows.rehearse();
  __syncthreads();

  pdl::wait();
  pdl::trigger();
  load_choices(params, shared);
  shared.plan.build(params.tokens, params.choices_per_token);
  // Activations and scales before the weights: loads that follow those wait behind them.
  const int items = 1 + shared.plan.count;
  Place ahead = {warp, static_cast<int>(blockIdx.x)};
  float scales = load_ahead(params, shared.plan, items, ahead);
  float next_scales = load_ahead(params, shared.plan, items, ahead);
  rows.prepare();
  cursor.set_items(items);
  ring.fill(cursor);
  __syncthreads();

  int buffer_index = 0;
  for (int tile = static_cast<int>(blockIdx.x); tile < params.down.tile_count();
       tile += static_cast<int>(gridDim.x)) {
    Sums<kTokenTiles> total = {};
    for (int item = warp; item < items; item += warps) {
      const float later_scales = load_ahead(params, shared.plan, items, ahead);
      multiply_item<kTokenTiles>(params, rows, shared, item, tile, scales, ring, cursor, total);
      scales = next_scales;
      next_scales = later_scales;
    }
    float* const buffer = partials + buffer_index * partials_size;
    store_partials<kTokenTiles>(total, params.tokens,
                                buffer + warp * partial_floats(params.tokens));
    __syncthreads();
    add_partials(buffer, params.tokens, ~0U, [&](int row, int token, float sum) {
      params.output.get()[std::int64_t{token} * params.down.rows + tile * kTileRows + row] =
          __float2bfloat16_rn(sum);
    });
    buffer_index ^= 1;
  }
}

}  // namespace slipstream::engine::kernels
