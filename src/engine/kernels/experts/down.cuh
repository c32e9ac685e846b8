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

// silu(gate) * up of one lane of a row: those of chosen experts, then the shared expert's.
__device__ __forceinline__ void load_row(const DownLaunch& params, int row, int column,
                                         LaneValues& values) {
  const int chosen = params.tokens * params.choices_per_token;
  const int width = row < chosen ? params.down.columns : params.shared_down.columns;
  const __nv_bfloat16* gate =
      row < chosen ? params.activated.get() + std::int64_t{row} * 2 * width
                   : params.shared_input.rows.get() + (row - chosen) * params.shared_input.stride;
  load_lane(gate + column, values);
  LaneValues up;
  load_lane(gate + width + column, up);
#pragma unroll
  for (int i = 0; i < kLaneColumns; ++i) {
    // Two units in the last place, before a rounding to bf16: nobody sees that it is no exact
    // division, which would branch for every value.
    const float silu = __fdividef(values[i], 1.0F + expf(-values[i]));
    values[i] = round_to_bf16(silu * up[i]);
  }
}

// All rows, quantised in shared memory, [row][group].
class StagedRows {
 public:
  static constexpr bool kIsFp8 = true;
  // A multiple of 16.
  SLIPSTREAM_HOST_DEVICE static int bytes(const DownLaunch& params) {
    const int units = params.tokens * (params.choices_per_token * params.down.groups() +
                                       params.shared_down.groups());
    return units * kGroup + (units + 3) / 4 * static_cast<int>(sizeof(float4));
  }

  __device__ StagedRows(const DownLaunch& params, unsigned char* memory)
      : params_(params),
        chosen_(params.tokens * params.choices_per_token),
        chosen_units_(chosen_ * params.down.groups()),
        codes_(memory),
        scales_(reinterpret_cast<float*>(memory + units() * kGroup)) {}

  // Behind the wait, by all threads; a barrier must follow.
  __device__ void prepare() const {
    const int warp = static_cast<int>(threadIdx.x) / 32;
    const int warps = static_cast<int>(blockDim.x) / 32;
    quantise_units(
        warp * 8, units(), warps * 8, params_.ue8m0,
        [&](int unit, int column, LaneValues& values) {
          const Place place = place_of(unit);
          load_row(params_, place.row, place.group * kGroup + column, values);
        },
        [&](int unit, const LaneCodes& codes) {
          store_codes(codes_ + unit * kGroup, place_of(unit).row, codes);
          if (threadIdx.x % 4 == 0) scales_[unit] = codes.scale;
        });
  }
  // The first unit of a row.
  __device__ int unit_of(int row) const {
    return row < chosen_ ? row * params_.down.groups()
                         : chosen_units_ + (row - chosen_) * params_.shared_down.groups();
  }
  __device__ void load(int group, int row, Operand& operand) const {
    const int unit = unit_of(row) + group;
    load_codes(codes_ + unit * kGroup, lane_pieces(row), operand);
    spread_scale(scales_[unit], operand);
  }

 private:
  struct Place {
    int row;
    int group;
  };
  __device__ Place place_of(int unit) const {
    const bool shared = unit >= chosen_units_;
    const int groups = shared ? params_.shared_down.groups() : params_.down.groups();
    const int index = shared ? unit - chosen_units_ : unit;
    const int row = index / groups;
    return {(shared ? chosen_ : 0) + row, index - row * groups};
  }
  __device__ int units() const {
    return chosen_units_ + params_.tokens * params_.shared_down.groups();
  }

  const DownLaunch& params_;
  int chosen_;
  int chosen_units_;
  unsigned char* codes_;
  float* scales_;
};

// The same from global memory each time.
class DirectRows {
 public:
  static constexpr bool kIsFp8 = false;
  __device__ DirectRows(const DownLaunch& params, unsigned char* /*memory*/) : params_(params) {}
  __device__ void prepare() const {}
  __device__ void load(int group, int row, Operand& operand) const {
    LaneValues values;
    load_row(params_, row, group * kGroup + static_cast<int>(threadIdx.x) % 4 * kLaneColumns,
             values);
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
  shared.plan.build(params.tokens, choices);
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

// Adds everything that the warp's items give a tile. `scales` are those of the first item, and then
// those of the next tile's.
template <int kTokenTiles, class Rows>
__device__ __forceinline__ void multiply_items(const DownLaunch& params, const Rows& rows,
                                               const DownShared<kTokenTiles>& shared, int items,
                                               int tile, WeightRing& ring,
                                               DownCursor<kTokenTiles>& cursor, float& scales,
                                               Sums<kTokenTiles>& total) {
  const int lane = threadIdx.x % 32;
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int warps = static_cast<int>(blockDim.x) / 32;
  for (int item = warp; item < items; item += warps) {
    const bool last = item + warps >= items;
    const int next_item = last ? warp : item + warps;
    const int next_tile = last ? tile + static_cast<int>(gridDim.x) : tile;
    const PackedMatrix& next = matrix_of(params, next_item == 0);
    const float next_scales =
        next_tile < params.down.tile_count()
            ? load_scales(next, tile_of(params, shared.plan, next_item, next_tile),
                          {0, next.groups()})
            : 0.0F;
    const PackedMatrix& matrix = matrix_of(params, item == 0);
    const std::uint32_t takers =
        item == 0 ? (1U << params.tokens) - 1 : shared.plan.takers[item - 1];
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
    scales = next_scales;
  }
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
  __syncthreads();

  pdl::wait();
  pdl::trigger();
  load_choices(params, shared);
  const int items = 1 + shared.plan.count;
  cursor.set_items(items);
  ring.fill(cursor);
  const int first_tile = static_cast<int>(blockIdx.x);
  float scales = 0.0F;
  if (warp < items) {
    const PackedMatrix& first = matrix_of(params, warp == 0);
    scales =
        load_scales(first, tile_of(params, shared.plan, warp, first_tile), {0, first.groups()});
  }
  unsigned char* const after_rings = memory + warps * ring_bytes;
  float* const partials = reinterpret_cast<float*>(after_rings);
  const int partials_size = warps * partial_floats(params.tokens);
  const Rows rows(params, after_rings + 2 * partials_size * sizeof(float));
  rows.prepare();
  __syncthreads();

  int buffer_index = 0;
  for (int tile = first_tile; tile < params.down.tile_count();
       tile += static_cast<int>(gridDim.x)) {
    Sums<kTokenTiles> total = {};
    multiply_items<kTokenTiles>(params, rows, shared, items, tile, ring, cursor, scales, total);
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
