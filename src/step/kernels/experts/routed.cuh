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

struct RoutedShared {
  uint64_t barriers[kMaxRoutedWarps][PieceRing::kMaxSlots];
  float bias[kMaxExperts];
  uint16_t places[kMaxExperts];  // of keys
  PlanSets plan;
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
class RoutedCursor {
 public:
  __device__ RoutedCursor(const RoutedLaunch& params, const Plan& plan, const Slice& slice,
                          int begin, int end)
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
    const int64_t tile = int64_t{plan_.expert(task_.item)} * matrix.tile_count() + task_.tile;
    source_ = matrix.tiles.get() + tile * matrix.tile_bytes() + slice_.first * group_bytes();
  }

  const RoutedLaunch& params_;
  const Plan& plan_;
  Slice slice_;
  Task task_;
  int left_;
  int done_ = 0;
  const std::byte* source_ = nullptr;
};

// The tokens of an item that a lane multiplies and gets results of.
struct LaneTokens {
  int operand;
  int results[2];

  __device__ LaneTokens(const Plan& plan, int item) {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    operand = plan.taker(item, lane / 4).token;
    results[0] = plan.taker(item, lane % 4 * 2).token;
    results[1] = plan.taker(item, lane % 4 * 2 + 1).token;
  }
};

// All tokens' columns in shared memory, [group][token].
class StagedInput {
 public:
  static constexpr bool kIsFp8 = true;

  __device__ StagedInput(const RoutedLaunch& params, const Slice& slice, unsigned char* memory)
      : params_(params),
        units_(params.gate_up.groups() * params.tokens),
        target_(memory, units_),
        first_unit_(slice.first * params.tokens) {}

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
  __device__ void load(int index, const LaneTokens& tokens, Operand& operand) const {
    const int first = first_unit_ + index * params_.tokens;
    target_.load(first + tokens.operand, operand);
    operand.scales[0] = target_.scales[first + tokens.results[0]];
    operand.scales[1] = target_.scales[first + tokens.results[1]];
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
};

// The same from global memory each time.
class DirectInput {
 public:
  static constexpr bool kIsFp8 = false;
  __device__ DirectInput(const RoutedLaunch& params, const Slice& slice, unsigned char* /*memory*/)
      : params_(params), slice_(slice) {}
  __device__ void rehearse() const {}
  __device__ void prepare(int /*index*/, int /*warps*/) const {}
  __device__ void load(int index, const LaneTokens& tokens, Operand& operand) const {
    const __nv_bfloat16* source = params_.input.rows.get() + tokens.operand * params_.input.stride +
                                  (slice_.first + index) * kGroup +
                                  static_cast<int>(threadIdx.x) % 4 * 32;
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
__device__ __forceinline__ void choose_all(const RoutedLaunch& params, const LaneShare& share,
                                           const uint32_t* keys, int needed, const Plan& plan) {
  const int lane = threadIdx.x % 32;
  const int choices = params.route.choices;
  for (int token = threadIdx.x / 32; token < params.tokens;
       token += static_cast<int>(blockDim.x) / 32) {
    const int expert = choose_experts(params.route, share,
                                      keys + token * params.route.experts_per_lane * 32, needed);
    if (lane < choices) plan.enter(token, lane, expert);
  }
}

// For the next launch.
__device__ __forceinline__ void write_choices(const RoutedLaunch& params, const Plan& plan) {
  const int lane = threadIdx.x % 32;
  const int choices = params.route.choices;
  for (int token = threadIdx.x / 32; token < params.tokens;
       token += static_cast<int>(blockDim.x) / 32) {
    const int row = token * choices + min(lane, choices - 1);
    const int expert = plan.chosen(row);
    const float weight = choice_weight(params.route, token, expert);
    if (lane < choices) params.choices.get()[row] = {expert, weight};
  }
}

}  // namespace experts

template <class Input, class Gate>
__device__ __forceinline__ void routed_block(const RoutedLaunch& params, Cta cta,
                                             unsigned char* memory, experts::RoutedShared& shared,
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
  const Plan plan(shared.plan, memory + warps * ring_bytes, params.tokens, params.route.choices);
  plan.clear();
  // Keys and, later, partial sums.
  unsigned char* const scratch =
      memory + warps * ring_bytes + Plan::bytes(params.tokens * params.route.choices);
  auto* const keys = reinterpret_cast<uint32_t*>(scratch);
  for (int i = threadIdx.x; i < params.tokens * params.route.experts_per_lane * 32;
       i += warps * 32) {
    keys[i] = 0;
  }
  float* const partials = reinterpret_cast<float*>(scratch);
  const int partials_size = warps * partial_floats(kItemTokens);
  const Slice slice = warp_slice(matrix.groups());
  const Input input(params, slice, scratch + params.scratch_bytes);
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
  // slipstream-check: allow race: warps that still rehearse read keys, and nobody uses what they choose
  make_keys(params, shared.bias, shared.places, keys);
  __syncthreads();
  // Where most warps choose nothing they quantize meanwhile; else all of them do so afterwards.
  const bool meanwhile = choosing <= warps / 2;
  if (warp < choosing) choose_all(params, share, keys, needed, plan);
  if (!meanwhile) input.prepare(warp, warps);
  if (meanwhile && warp >= choosing) input.prepare(warp - choosing, warps - choosing);
  plan.build();

  if (params.tokens > 1) {
    begin = share_of(plan.items() * tiles, cta.index);
    end = share_of(plan.items() * tiles, cta.index + 1);
  }
  const auto tile_of = [&](const Task& of) {
    return int64_t{plan.expert(of.item)} * tiles + of.tile;
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
  RoutedCursor cursor(params, plan, slice, begin, end);
  ring.fill(cursor);
  if (writes) write_choices(params, plan);

  for (int index = begin; index < end; ++index) {
    const float later_scales = load_ahead(index + 2);
    const int places = plan.places(task.item);
    const LaneTokens tokens(plan, task.item);
    Sums sums = {};
    multiply_slice(
        ring, cursor, params.ring.piece_groups, matrix, Input::kIsFp8 || matrix.is_fp8,
        tile_of(task), slice, scales,
        [&](int group, Operand& operand) { input.load(group, tokens, operand); }, sums);
    float* const buffer = partials + (index & 1) * partials_size;
    store_partials(sums, places, buffer + warp * partial_floats(kItemTokens));
    __syncthreads();
    for (int i = threadIdx.x; i < kTilePairs * places; i += static_cast<int>(blockDim.x)) {
      const int place = i / kTilePairs;
      const int row = i % kTilePairs * 2;
      const Taker taker = plan.taker(task.item, place);
      if (!taker.exists) continue;
      store_pair(
          params.activated.get() + int64_t{taker.row} * matrix.rows + task.tile * kTileRows + row,
          add_parts(buffer, warps, kItemTokens, place, row));
    }
    advance(task, tiles);
    scales = next_scales;
    next_scales = later_scales;
  }
}

template <class Input>
__global__ void __launch_bounds__(experts::kMaxRoutedWarps * 32, 2)
    routed_kernel(const __grid_constant__ RoutedLaunch params) {
  extern __shared__ __align__(128) unsigned char memory[];
  __shared__ experts::RoutedShared shared;
  [[maybe_unused]] const LaunchScope scope{};
  routed_block<Input>(params, this_cta(), memory, shared, LaunchGate{});
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
