// Choice of experts, then gate and up of every chosen one.
//
// Every CTA chooses for all tokens itself (that is quicker than a launch of its own) and then takes
// a run of the tasks (expert, tile of 16 rows). The warps of a CTA share the columns of a task out;
// each streams its slices across tasks. A warp quantizes the columns it multiplies, for all tokens,
// once.
//
// PDL: the correction bias before the wait, nothing else: no weight can be named.
#pragma once

#include "step/kernels/experts/choice.cuh"
#include "step/kernels/experts/multiply.cuh"
#include "step/kernels/experts/plan.cuh"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {
namespace experts {

inline constexpr int kMaxRoutedWarps = 8;

template <int kTokenTiles>
struct RoutedShared {
  uint64_t barriers[kMaxRoutedWarps][PieceRing::kMaxSlots];
  float bias[kMaxExperts];
  uint16_t places[kMaxExperts];  // of keys
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
    return {source_ + done_ * group_bytes(), static_cast<uint32_t>(groups * group_bytes())};
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
    const int64_t tile = int64_t{plan_.experts[task_.item]} * matrix.tile_count() + task_.tile;
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

// All tokens' columns in shared memory, [group][token].
template <int kTokenTiles>
class StagedInput {
 public:
  static constexpr bool kIsFp8 = true;

  __device__ StagedInput(const RoutedLaunch& params, const Slice& slice, unsigned char* memory)
      : params_(params),
        units_(params.gate_up.groups() * params.tokens),
        target_(memory, units_),
        first_unit_(slice.first * params.tokens) {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int t = 0; t < kTokenTiles; ++t) {
      // Columns of the result that belong to no token repeat the last one's.
      token_[t] = min(t * 8 + lane / 4, params.tokens - 1);
      scale_tokens_[t][0] = min(t * 8 + lane % 4 * 2, params.tokens - 1);
      scale_tokens_[t][1] = min(t * 8 + lane % 4 * 2 + 1, params.tokens - 1);
    }
  }

  __device__ void rehearse() const {
    const uint4 none = make_uint4(0, 0, 0, 0);
    quantize_plain(none, none, none, none, params_.ue8m0, nullptr, nullptr, 0);
  }
  // Behind the wait: warp `index` of `warps` quantizes its share. A barrier must follow.
  __device__ void prepare(int index, int warps) const {
    const int step = warps * 8;
    int unit = index * 8 + static_cast<int>(threadIdx.x) % 32 / 4;
    uint4 raw[4];
    load_raw(unit, raw);
#pragma unroll 1
    for (int begin = index * 8; begin < units_; begin += step, unit += step) {
      uint4 next[4];
      load_raw(unit + step, next);
      const bool exists = unit < units_;
      quantize_plain(raw[0], raw[1], raw[2], raw[3], params_.ue8m0,
                     exists ? target_.codes + unit * kGroup : nullptr, target_.scales + unit,
                     CodeUnits::low_place(unit));
#pragma unroll
      for (int i = 0; i < 4; ++i) raw[i] = next[i];
    }
  }
  __device__ void load(int index, int tile, Operand& operand) const {
    const int first = first_unit_ + index * params_.tokens;
    target_.load(first + token_[tile], operand);
    operand.scales[0] = target_.scales[first + scale_tokens_[tile][0]];
    operand.scales[1] = target_.scales[first + scale_tokens_[tile][1]];
  }

 private:
  __device__ void load_raw(int unit, uint4 (&raw)[4]) const {
    if (unit >= units_) return;
    const int group = unit / params_.tokens;
    const auto* source = reinterpret_cast<const uint4*>(
        params_.input.rows.get() + (unit - group * params_.tokens) * params_.input.stride +
        group * kGroup + static_cast<int>(threadIdx.x) % 4 * 32);
#pragma unroll
    for (int i = 0; i < 4; ++i) raw[i] = source[i];
  }

  const RoutedLaunch& params_;
  int units_;
  CodeUnits target_;
  int first_unit_;
  int token_[kTokenTiles];
  int scale_tokens_[kTokenTiles][2];
};

// The same from global memory each time.
template <int kTokenTiles>
class DirectInput {
 public:
  static constexpr bool kIsFp8 = false;
  __device__ DirectInput(const RoutedLaunch& params, const Slice& slice, unsigned char* /*memory*/)
      : params_(params), slice_(slice) {}
  __device__ void rehearse() const {}
  __device__ void prepare(int /*index*/, int /*warps*/) const {}
  __device__ void load(int index, int tile, Operand& operand) const {
    const int lane = threadIdx.x % 32;
    const int token = min(tile * 8 + lane / 4, params_.tokens - 1);
    const __nv_bfloat16* source = params_.input.rows.get() + token * params_.input.stride +
                                  (slice_.first + index) * kGroup + lane % 4 * 32;
    float values[32];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      load_eight(source + i * 8, reinterpret_cast<float(&)[8]>(values[i * 8]));
    }
    make_operand(values, params_.gate_up.is_fp8, params_.ue8m0, operand);
  }

 private:
  const RoutedLaunch& params_;
  Slice slice_;
};

// Corrected scores of all tokens as keys for choose().
__device__ __forceinline__ void make_keys(const RoutedLaunch& params, const float* bias,
                                          const uint16_t* places, uint32_t* keys) {
  const RouteParams& route = params.route;
  for (int expert = threadIdx.x; expert < route.experts; expert += static_cast<int>(blockDim.x)) {
    const float* logits = route.logits.get() + expert;
    uint32_t* target = keys + places[expert];
    const float correction = bias[expert];
#pragma unroll 4
    for (int token = 0; token < params.tokens; ++token) {
      *target = cuda::ordered_bits(sigmoid(*logits) + correction);
      logits += route.experts;
      target += route.experts_per_lane * 32;
    }
  }
}

// One warp per token. `needed`: choices that the CTA has a use for.
template <int kTokenTiles>
__device__ __forceinline__ void choose_all(const RoutedLaunch& params, const LaneShare& share,
                                           const uint32_t* keys, int needed,
                                           RoutedShared<kTokenTiles>& shared) {
  const int lane = threadIdx.x % 32;
  const int choices = params.route.choices;
  for (int token = threadIdx.x / 32; token < params.tokens;
       token += static_cast<int>(blockDim.x) / 32) {
    const int expert = choose_experts(params.route, share,
                                      keys + token * params.route.experts_per_lane * 32, needed);
    if (lane < choices) shared.plan.enter(token * choices + lane, expert, params.tokens);
  }
}

// For the next launch.
template <int kTokenTiles>
__device__ __forceinline__ void write_choices(const RoutedLaunch& params,
                                              const RoutedShared<kTokenTiles>& shared) {
  const int lane = threadIdx.x % 32;
  const int choices = params.route.choices;
  for (int token = threadIdx.x / 32; token < params.tokens;
       token += static_cast<int>(blockDim.x) / 32) {
    const int row = token * choices + min(lane, choices - 1);
    const int expert = shared.plan.chosen[row];
    const float weight = choice_weight(params.route, token, expert);
    if (lane < choices) params.choices.get()[row] = {expert, weight};
  }
}

}  // namespace experts

template <int kTokenTiles, template <int> class Input, class Gate>
__device__ __forceinline__ void routed_block(const RoutedLaunch& params, Cta cta,
                                             unsigned char* memory,
                                             experts::RoutedShared<kTokenTiles>& shared,
                                             Gate gate) {
  using namespace experts;
  const PackedMatrix& matrix = params.gate_up;
  const int tiles = matrix.tile_count();
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int warps = static_cast<int>(blockDim.x) / 32;
  const int ring_bytes = params.ring.slots * params.ring.slot_bytes;
  PieceRing ring(memory + warp * ring_bytes, shared.barriers[warp], params.ring.slots,
                 params.ring.slot_bytes);
  for (int i = threadIdx.x; i < params.route.experts; i += warps * 32) {
    shared.bias[i] = params.route.bias.get()[i];
    shared.places[i] = static_cast<uint16_t>(key_place(params.route, i));
  }
  shared.plan.clear();
  // Keys and, later, partial sums.
  unsigned char* const scratch = memory + warps * ring_bytes;
  auto* const keys = reinterpret_cast<uint32_t*>(scratch);
  for (int i = threadIdx.x; i < params.tokens * params.route.experts_per_lane * 32;
       i += warps * 32) {
    keys[i] = 0;
  }
  float* const partials = reinterpret_cast<float*>(scratch);
  const int partials_size = warps * partial_floats(params.tokens);
  const Slice slice = warp_slice(matrix.groups());
  const Input<kTokenTiles> input(params, slice, scratch + params.scratch_bytes);
  const LaneShare share = lane_share(params.route);
  const int choices = params.route.choices;
  // A CTA that does not write the choices down needs only as many of a single token's as lead to
  // its own tasks.
  const bool writes = cta.index == 0;
  const auto share_of = [&](int tasks, int index) {
    return static_cast<int>(static_cast<unsigned>(index) * tasks /
                            static_cast<unsigned>(cta.count));
  };
  int begin = share_of(choices * tiles, cta.index);
  int end = share_of(choices * tiles, cta.index + 1);
  const int needed = params.tokens > 1 || writes ? choices : (end + tiles - 1) / tiles;
  const int choosing = min(params.tokens, warps);
  __syncthreads();
  if (warp < choosing) keep(choose_experts(params.route, share, keys, 1));
  input.rehearse();

  gate.pass();
  make_keys(params, shared.bias, shared.places, keys);
  __syncthreads();
  // Where most warps choose nothing they quantize meanwhile; else all of them do so afterwards.
  const bool meanwhile = choosing <= warps / 2;
  if (warp < choosing) choose_all(params, share, keys, needed, shared);
  if (!meanwhile) input.prepare(warp, warps);
  if (meanwhile && warp >= choosing) input.prepare(warp - choosing, warps - choosing);
  shared.plan.build(params.tokens, choices);

  if (params.tokens > 1) {
    begin = share_of(shared.plan.count * tiles, cta.index);
    end = share_of(shared.plan.count * tiles, cta.index + 1);
  }
  const auto tile_of = [&](const Task& of) {
    return int64_t{shared.plan.experts[of.item]} * tiles + of.tile;
  };
  // The scales of two tasks ahead of the weights: loads that follow those wait for them.
  Task task = task_at(begin, tiles);
  Task ahead = task;
  const auto load_ahead = [&](int index) {
    const float loaded = index < end ? load_scales(matrix, tile_of(ahead), slice) : 0.0F;
    advance(ahead, tiles);
    return loaded;
  };
  float scales = load_ahead(begin);
  float next_scales = load_ahead(begin + 1);
  RoutedCursor<kTokenTiles> cursor(params, shared.plan, slice, begin, end);
  ring.fill(cursor);
  if (writes) write_choices(params, shared);

  for (int index = begin; index < end; ++index) {
    const float later_scales = load_ahead(index + 2);
    const uint32_t takers = shared.plan.takers[task.item];
    Sums<kTokenTiles> sums = {};
    multiply_slice<kTokenTiles>(
        ring, cursor, params.ring.piece_groups, matrix, Input<kTokenTiles>::kIsFp8 || matrix.is_fp8,
        tile_of(task), slice, scales, Input<kTokenTiles>::kIsFp8 ? active_tiles(takers) : ~0U,
        [&](int group, int t, Operand& operand) { input.load(group, t, operand); }, sums);
    float* const buffer = partials + (index & 1) * partials_size;
    store_partials<kTokenTiles>(sums, params.tokens, buffer + warp * partial_floats(params.tokens));
    __syncthreads();
    for (int i = threadIdx.x; i < kTilePairs * params.tokens; i += static_cast<int>(blockDim.x)) {
      const int token = i / kTilePairs;
      const int row = i % kTilePairs * 2;
      if ((takers >> token & 1) == 0) continue;
      store_pair(params.activated.get() +
                     int64_t{shared.plan.rows[task.item][token]} * matrix.rows +
                     task.tile * kTileRows + row,
                 add_parts(buffer, static_cast<int>(blockDim.x) / 32, params.tokens, token, row));
    }
    advance(task, tiles);
    scales = next_scales;
    next_scales = later_scales;
  }
}

template <int kTokenTiles, template <int> class Input>
__global__ void __launch_bounds__(experts::kMaxRoutedWarps * 32, 2)
    routed_kernel(const __grid_constant__ RoutedLaunch params) {
  extern __shared__ __align__(128) unsigned char memory[];
  __shared__ experts::RoutedShared<kTokenTiles> shared;
  [[maybe_unused]] const LaunchScope scope{};
  routed_block<kTokenTiles, Input>(params, this_cta(), memory, shared, LaunchGate{});
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
