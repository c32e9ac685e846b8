// Choice of experts, then gate and up of every chosen one.
//
// Every CTA chooses for all tokens itself (that is quicker than a launch of its own) and then takes
// a run of the tasks (expert, tile of 16 rows). The warps of a CTA share the columns of a task out;
// each streams its slices across tasks. A warp quantises the columns it multiplies, for all tokens,
// once.
//
// PDL: the correction bias before the wait, nothing else: no weight can be named.
#pragma once

#include "engine/kernels/experts/choice.cuh"
#include "engine/kernels/experts/multiply.cuh"
#include "engine/kernels/experts/plan.cuh"
#include "engine/kernels/support/launch_scope.cuh"

namespace slipstream::engine::kernels {
namespace experts {

inline constexpr int kMostRoutedWarps = 8;

template <int kTokenTiles>
struct RoutedShared {
  std::uint64_t barriers[kMostRoutedWarps][WeightRing::kMostSlots];
  float bias[kMaxExperts];
  Plan<kTokenTiles> plan;
};

// A warp's columns of every task.
__device__ __forceinline__ Slice warp_slice(int groups) {
  const int warps = static_cast<int>(blockDim.x) / 32;
  const int each = (groups + warps - 1) / warps;
  const int first = static_cast<int>(threadIdx.x) / 32 * each;
  return {first, max(min(each, groups - first), 0)};
}

// Tasks in the order of experts and tiles.
struct Task {
  int item;
  int tile;
};
__device__ __forceinline__ Task task_at(int index, int tiles) {
  const int item = index / tiles;
  return {item, index - item * tiles};
}
// Whether the next task is another expert's.
__device__ __forceinline__ bool advance(Task& task, int tiles) {
  if (++task.tile < tiles) return false;
  task.tile = 0;
  ++task.item;
  return true;
}

// The pieces of one warp's slice of each task.
template <int kTokenTiles>
class RoutedCursor {
 public:
  __device__ RoutedCursor(const RoutedLaunch& params, const Plan<kTokenTiles>& plan,
                          const Slice& slice, int begin, int end)
      : params_(params),
        plan_(plan),
        slice_(slice),
        task_(task_at(begin, params.gate_up.tile_count())),
        left_(slice.count > 0 ? end - begin : 0) {
    if (left_ > 0) find_tile();
  }
  __device__ bool valid() const { return left_ > 0; }
  __device__ Piece piece() const {
    const int groups = min(params_.ring.piece_groups, slice_.count - done_);
    return {source_ + done_ * group_bytes(), static_cast<std::uint32_t>(groups * group_bytes())};
  }
  __device__ void advance() {
    done_ += params_.ring.piece_groups;
    if (done_ < slice_.count) return;
    done_ = 0;
    source_ += params_.gate_up.tile_bytes();
    --left_;
    if (experts::advance(task_, params_.gate_up.tile_count()) && left_ > 0) find_tile();
  }

 private:
  __device__ int group_bytes() const { return params_.gate_up.chunks_per_group() * kChunkBytes; }
  __device__ void find_tile() {
    const PackedMatrix& matrix = params_.gate_up;
    const std::int64_t tile =
        std::int64_t{plan_.experts[task_.item]} * matrix.tile_count() + task_.tile;
    source_ = matrix.tiles.get() + tile * matrix.tile_bytes() + slice_.first * group_bytes();
  }

  const RoutedLaunch& params_;
  const Plan<kTokenTiles>& plan_;
  Slice slice_;
  Task task_;
  int left_;
  int done_ = 0;
  const std::byte* source_ = nullptr;
};

// The warp's columns of all tokens in shared memory, [group of the slice][token].
template <int kTokenTiles>
class StagedInput {
 public:
  static constexpr bool kIsFp8 = true;
  // A multiple of 16, of one warp.
  SLIPSTREAM_HOST_DEVICE static int bytes(int groups_of_slice, int tokens) {
    const int units = groups_of_slice * tokens;
    return units * kGroup + (units + 3) / 4 * static_cast<int>(sizeof(float4));
  }

  __device__ StagedInput(const RoutedLaunch& params, const Slice& slice, unsigned char* memory)
      : params_(params), slice_(slice) {
    const int warps = static_cast<int>(blockDim.x) / 32;
    const int each = (params.gate_up.groups() + warps - 1) / warps;
    codes_ = memory + static_cast<int>(threadIdx.x) / 32 * bytes(each, params.tokens);
    scales_ = reinterpret_cast<float*>(codes_ + each * params.tokens * kGroup);
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int t = 0; t < kTokenTiles; ++t) {
      // Columns of the result that belong to no token repeat the last one's.
      const int token = min(t * 8 + lane / 4, params.tokens - 1);
      pieces_[t] = lane_pieces(token);
      pieces_[t].low += token * kGroup;
      pieces_[t].high += token * kGroup;
      scale_tokens_[t][0] = min(t * 8 + lane % 4 * 2, params.tokens - 1);
      scale_tokens_[t][1] = min(t * 8 + lane % 4 * 2 + 1, params.tokens - 1);
    }
  }

  // Behind the wait.
  __device__ void prepare() const {
    const int tokens = params_.tokens;
    quantise_units(
        0, slice_.count * tokens, 8, params_.ue8m0,
        [&](int unit, int column, LaneValues& values) {
          const int group = unit / tokens;
          load_lane(params_.input.rows.get() + (unit - group * tokens) * params_.input.stride +
                        (slice_.first + group) * kGroup + column,
                    values);
        },
        [&](int unit, const LaneCodes& codes) {
          store_codes(codes_ + unit * kGroup, unit % tokens, codes);
          if (threadIdx.x % 4 == 0) scales_[unit] = codes.scale;
        });
    __syncwarp();
  }
  __device__ void load(int index, int tile, Operand& operand) const {
    const int first = index * params_.tokens;
    load_codes(codes_ + first * kGroup, pieces_[tile], operand);
    operand.scales[0] = scales_[first + scale_tokens_[tile][0]];
    operand.scales[1] = scales_[first + scale_tokens_[tile][1]];
  }

 private:
  const RoutedLaunch& params_;
  Slice slice_;
  unsigned char* codes_;
  float* scales_;
  LanePieces pieces_[kTokenTiles];
  int scale_tokens_[kTokenTiles][2];
};

// The same from global memory each time.
template <int kTokenTiles>
class DirectInput {
 public:
  static constexpr bool kIsFp8 = false;
  __device__ DirectInput(const RoutedLaunch& params, const Slice& slice, unsigned char* /*memory*/)
      : params_(params), slice_(slice) {}
  __device__ void prepare() const {}
  __device__ void load(int index, int tile, Operand& operand) const {
    const int lane = threadIdx.x % 32;
    const int token = min(tile * 8 + lane / 4, params_.tokens - 1);
    LaneValues values;
    load_lane(params_.input.rows.get() + token * params_.input.stride +
                  (slice_.first + index) * kGroup + lane % 4 * kLaneColumns,
              values);
    make_operand(values, params_.gate_up.is_fp8, params_.ue8m0, operand);
  }

 private:
  const RoutedLaunch& params_;
  Slice slice_;
};

// One warp per token. A CTA that does not write the choices down needs only as many of a single
// token's as lead to its own tasks.
template <int kTokenTiles>
__device__ __forceinline__ void choose_all(const RoutedLaunch& params, int needed, bool writes,
                                           RoutedShared<kTokenTiles>& shared) {
  const int lane = threadIdx.x % 32;
  const int choices = params.route.choices;
  for (int token = threadIdx.x / 32; token < params.tokens;
       token += static_cast<int>(blockDim.x) / 32) {
    const int expert = choose_experts(params.route, token, shared.bias, needed);
    if (lane < choices) shared.plan.enter(token * choices + lane, expert, params.tokens);
    if (!writes) continue;
    const float weight = choice_weight(params.route, token, expert);
    if (lane < choices) params.choices.get()[token * choices + lane] = {expert, weight};
  }
  shared.plan.build(params.tokens, choices);
}

}  // namespace experts

template <int kTokenTiles, template <int> class Input>
__global__ void __launch_bounds__(experts::kMostRoutedWarps * 32, 2)
    routed_kernel(const __grid_constant__ RoutedLaunch params) {
  using namespace experts;
  extern __shared__ __align__(128) unsigned char memory[];
  __shared__ RoutedShared<kTokenTiles> shared;
  [[maybe_unused]] const LaunchScope scope{};
  const PackedMatrix& matrix = params.gate_up;
  const int tiles = matrix.tile_count();
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int warps = static_cast<int>(blockDim.x) / 32;
  const int ctas = static_cast<int>(gridDim.x);
  const int cta = static_cast<int>(blockIdx.x);
  const int ring_bytes = params.ring.slots * params.ring.slot_bytes;
  WeightRing ring(memory + warp * ring_bytes, shared.barriers[warp], params.ring.slots,
                  params.ring.slot_bytes);
  for (int i = threadIdx.x; i < params.route.experts; i += warps * 32) {
    shared.bias[i] = params.route.bias.get()[i];
  }
  shared.plan.clear();
  unsigned char* const after_rings = memory + warps * ring_bytes;
  float* const partials = reinterpret_cast<float*>(after_rings);
  const int partials_size = warps * partial_floats(params.tokens);
  const Slice slice = warp_slice(matrix.groups());
  const Input<kTokenTiles> input(params, slice, after_rings + 2 * partials_size * sizeof(float));
  __syncthreads();

  pdl::wait();
  pdl::trigger();
  const bool chooses = warp < params.tokens;
  if (!chooses) input.prepare();
  const bool writes = cta == ctas - 1;
  const int choices = params.route.choices;
  const int needed = params.tokens > 1 || writes
                         ? choices
                         : ((cta + 1) * choices * tiles / ctas + tiles - 1) / tiles;
  choose_all(params, needed, writes, shared);

  const int tasks = shared.plan.count * tiles;
  const int begin = static_cast<int>(std::int64_t{cta} * tasks / ctas);
  const int end = static_cast<int>(std::int64_t{cta + 1} * tasks / ctas);
  RoutedCursor<kTokenTiles> cursor(params, shared.plan, slice, begin, end);
  ring.fill(cursor);
  Task task = task_at(begin, tiles);
  const auto tile_of = [&](const Task& of) {
    return std::int64_t{shared.plan.experts[of.item]} * tiles + of.tile;
  };
  float scales = begin < end ? load_scales(matrix, tile_of(task), slice) : 0.0F;
  if (chooses) input.prepare();

  for (int index = begin; index < end; ++index) {
    Task next = task;
    advance(next, tiles);
    const float next_scales = index + 1 < end ? load_scales(matrix, tile_of(next), slice) : 0.0F;
    const std::uint32_t takers = shared.plan.takers[task.item];
    Sums<kTokenTiles> sums = {};
    multiply_slice<kTokenTiles>(
        ring, cursor, params.ring.piece_groups, matrix, Input<kTokenTiles>::kIsFp8 || matrix.is_fp8,
        tile_of(task), slice, scales, Input<kTokenTiles>::kIsFp8 ? active_tiles(takers) : ~0U,
        [&](int group, int t, Operand& operand) { input.load(group, t, operand); }, sums);
    float* const buffer = partials + (index & 1) * partials_size;
    store_partials<kTokenTiles>(sums, params.tokens, buffer + warp * partial_floats(params.tokens));
    __syncthreads();
    add_partials(buffer, params.tokens, takers, [&](int row, int token, float sum) {
      params.activated.get()[std::int64_t{shared.plan.rows[task.item][token]} * matrix.rows +
                             task.tile * kTileRows + row] = __float2bfloat16_rn(sum);
    });
    task = next;
    scales = next_scales;
  }
}

}  // namespace slipstream::engine::kernels
