// Choice of experts, then gate and up of every chosen one.
//
// Every CTA chooses for all tokens itself (that is quicker than a launch of its own) and then takes
// a run of the tasks (expert, tile of 16 rows). The warps of a CTA share the columns of a task out;
// each streams its slices across tasks. They meet once for many tasks, to add up what each has: a warp that
// waits for others at every task leaves its ring full meanwhile.
//
// PDL: the correction bias before the wait, nothing else: no weight can be named.
#pragma once

#include "step/kernels/experts/choice.cuh"
#include "step/kernels/experts/input.cuh"
#include "step/kernels/experts/multiply.cuh"
#include "step/kernels/experts/plan.cuh"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {
namespace experts {

inline constexpr int kMaxRoutedWarps = 8;

struct RoutedShared {
  uint64_t barriers[kMaxRoutedWarps][PieceRing::kMaxSlots];
  uint64_t input_arrived;
  float bias[kMaxExperts];
  PlanSets plan;
  uint16_t items[kMaxRoutedWarps][Plan::kWarpRows];  // experts, as each warp lists them
};

// A warp's columns of every task.
__device__ __forceinline__ Slice warp_slice(const RoutedLaunch& params) {
  const int first = static_cast<int>(threadIdx.x) / 32 * params.slice_groups;
  return {first, max(min(params.slice_groups, params.gate_up.groups() - first), 0)};
}

// Tasks in the order of experts and tiles.
struct Task {
  int item;
  int tile;
};
__device__ __forceinline__ Task task_at(int index, const SmallDivisor& tiles) {
  const int item = tiles.divide(index);
  return {item, index - item * tiles.divisor};
}

// Whether the next task is another expert's.
__device__ __forceinline__ bool advance(Task& task, int tiles) {
  if (++task.tile < tiles) return false;
  task.tile = 0;
  ++task.item;
  return true;
}

// Neighboring tasks of a CTA. CTAs start in their order, up to 2 us apart, so that the first ones have more; but
// the very first, which has more to do besides, has no more than any other.
struct TaskRange {
  int begin;
  int end;

  __device__ TaskRange(int tasks, Cta cta, const SmallDivisor& ctas) {
    const int each = ctas.divide(tasks);
    const int without_more = ctas.divisor - (tasks - each * ctas.divisor);
    const int place = cta.index == 0 ? 0 : ctas.divisor - cta.index;
    begin = place * each + max(place - without_more, 0);
    end = begin + each + static_cast<int>(place >= without_more);
  }
};

// The pieces of one warp's slice of each task.
class RoutedCursor {
 public:
  __device__ RoutedCursor(const RoutedLaunch& params, const Items& items, const Slice& slice,
                          const Task& first, int tasks)
      : params_(params),
        experts_(items.experts),
        task_(first),
        left_(slice.count > 0 ? tasks : 0),
        begin_(slice.first * group_bytes()),
        bytes_(slice.count * group_bytes()) {
    if (left_ > 0) find_tile();
  }
  __device__ bool valid() const { return left_ > 0; }
  __device__ Piece piece() const { return {source_, static_cast<uint32_t>(piece_bytes())}; }
  __device__ void advance() {
    const int bytes = piece_bytes();
    source_ += bytes;
    left_bytes_ -= bytes;
    if (left_bytes_ > 0) return;
    if (--left_ == 0) return;
    if (experts::advance(task_, params_.tiles.divisor)) {
      find_tile();
    } else {
      left_bytes_ = bytes_;
      source_ += params_.gate_up.tile_bytes() - bytes_;
    }
  }

 private:
  __device__ int group_bytes() const { return params_.gate_up.chunks_per_group() * kChunkBytes; }
  __device__ int piece_bytes() const { return min(left_bytes_, params_.ring.slot_bytes); }
  __device__ void find_tile() {
    const PackedMatrix& matrix = params_.gate_up;
    const int tile = experts_[task_.item] * params_.tiles.divisor + task_.tile;
    source_ = matrix.tiles.get() + tile * matrix.tile_bytes() + begin_;
    left_bytes_ = bytes_;
  }

  const RoutedLaunch& params_;
  const uint16_t* experts_;
  Task task_;
  int left_;   // tasks
  int begin_;  // of the slice in a tile, in bytes
  int bytes_;  // of the slice
  const std::byte* source_ = nullptr;
  int left_bytes_ = 0;
};

// Before the wait: sends for the corrections of a thread's experts.
__device__ __forceinline__ void load_corrections(const RouteParams& route, float* bias) {
  for (int expert = threadIdx.x; expert < route.experts; expert += static_cast<int>(blockDim.x)) {
    cuda::copy_async_4(&bias[expert], &route.bias.get()[expert]);
  }
}

inline constexpr int kLogitsAhead = 4;  // tokens whose logits are on the way at a time

// Corrected scores of all tokens as keys for choose(); places without an expert stay as they are.
// Neighboring threads have neighboring logits: all CTAs want the same few lines at once.
__device__ __forceinline__ void make_keys(const RoutedLaunch& params, const float* bias,
                                          const KeyLists& lists) {
  const RouteParams& route = params.route;
  for (int expert = threadIdx.x; expert < route.experts; expert += static_cast<int>(blockDim.x)) {
    const float* logits = route.logits.get() + expert;
    uint32_t* target = lists.keys + place_of(route, expert);
#pragma unroll 1
    for (int left = params.tokens; left > 0; left -= kLogitsAhead) {
      float ahead[kLogitsAhead];
#pragma unroll
      for (int i = 0; i < kLogitsAhead; ++i) ahead[i] = logits[min(i, left - 1) * route.experts];
      cuda::wait_async_copies();
      const float correction = bias[expert];
#pragma unroll
      for (int i = 0; i < kLogitsAhead; ++i) {
        const uint32_t key = cuda::ordered_bits(sigmoid(ahead[i]) + correction);
        if (i < left) target[i * lists.places] = key;
      }
      logits += kLogitsAhead * route.experts;
      target += kLogitsAhead * lists.places;
    }
  }
}

// One warp per token.
__device__ __forceinline__ void choose_all(const RoutedLaunch& params, const LaneShare& share,
                                           const KeyLists& lists, const Plan& plan) {
  for (int token = threadIdx.x / 32; token < params.tokens;
       token += static_cast<int>(blockDim.x) / 32) {
    const int first = token * lists.places;
    choose_experts(params.route, share, lists.keys + first, lists.experts + first,
                   params.route.choices, plan.chosen() + token * params.route.choices);
  }
}

__device__ __forceinline__ void enter_choices(const RoutedLaunch& params, const Plan& plan) {
  for (int row = threadIdx.x; row < params.tokens * params.route.choices;
       row += static_cast<int>(blockDim.x)) {
    plan.enter(row, plan.chosen(row));
  }
}

// After a barrier, where not every warp lists them.
__device__ __forceinline__ Items make_items(const RoutedLaunch& params, const Plan& plan) {
  if (params.tokens > 1) {
    enter_choices(params, plan);
    __syncthreads();
    plan.build();
  }
  return plan.items();
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

// What the warps have of a task, [warp][place][row].
__device__ __forceinline__ int task_floats(const RoutedLaunch& params) {
  return static_cast<int>(blockDim.x) / 32 * partial_floats(params.sums.places.divisor);
}

// After a barrier: adds the warps' sums of tasks `first` to `end` - 1 and stores them.
__device__ __forceinline__ void store_tasks(const RoutedLaunch& params, const Plan& plan,
                                            const float* sums, int first, int end) {
  const int places = params.sums.places.divisor;
  for (int i = threadIdx.x; i < (end - first) * places * kTilePairs;
       i += static_cast<int>(blockDim.x)) {
    const int index = params.sums.places.divide(i / kTilePairs);
    const int place = i / kTilePairs - index * places;
    const int row = i % kTilePairs * 2;
    const Task task = task_at(first + index, params.tiles);
    const Taker taker = plan.taker(task.item, place);
    if (!taker.exists) continue;
    store_pair(params.activated.get() + int64_t{taker.row} * params.gate_up.rows +
                   task.tile * kTileRows + row,
               add_parts(sums + index * task_floats(params), static_cast<int>(blockDim.x) / 32,
                         places, place, row));
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
  const int warp = warp_index();
  const int warps = static_cast<int>(blockDim.x) / 32;
  const int ring_bytes = params.ring.slots * params.ring.slot_bytes;
  PieceRing ring(memory + warp * ring_bytes, shared.barriers[warp], params.ring.slots,
                 params.ring.slot_bytes);
  const int choices = params.route.choices;
  const Plan plan(shared.plan, memory + warps * ring_bytes, params.tokens, params.per_token);
  plan.clear();
  // Keys and, later, partial sums.
  unsigned char* const scratch = memory + warps * ring_bytes + Plan::bytes(params.tokens * choices);
  const KeyLists lists(params.route, params.tokens, scratch);
  float* const partials = reinterpret_cast<float*>(scratch);
  const Slice slice = warp_slice(params);
  const Input input(params, slice, scratch + params.scratch_bytes, &shared.input_arrived);
  const LaneShare share = lane_share(params.route);
  load_corrections(params.route, shared.bias);
  // Few keys, so that the rehearsal is short. All of them are overwritten by logits'.
#pragma unroll 1
  for (int i = threadIdx.x; i < params.tokens * lists.places; i += warps * 32) {
    lists.keys[i] = i < share.set_lanes ? i + 1 : 0;
  }
  __syncthreads();
  if (warp == 0) choose_experts(params.route, share, lists.keys, lists.experts, 0, plan.chosen());
  __syncthreads();

  gate.pass();
  make_keys(params, shared.bias, lists);
  input.send_for();
  __syncthreads();
  choose_all(params, share, lists, plan);
  __syncthreads();
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const bool by_warps = params.tokens > 1 && plan.fits_warp();
  const int own_expert = by_warps && lane < params.tokens * choices ? plan.chosen(lane) : -1;
  const Items items =
      by_warps ? Plan::list(own_expert, shared.items[warp]) : make_items(params, plan);

  const TaskRange range(items.count * tiles, cta, params.ctas);
  const auto tile_of = [&](const Task& of) {
    return int64_t{items.experts[of.item]} * tiles + of.tile;
  };
  // The scales of two tasks ahead of the weights: loads that follow those wait for them.
  Task task = task_at(range.begin, params.tiles);
  Task ahead = task;
  const auto load_ahead = [&](int index) {
    const float loaded = index < range.end ? load_scales(matrix, tile_of(ahead), slice) : 0.0F;
    advance(ahead, tiles);
    return loaded;
  };
  float scales = load_ahead(range.begin);
  float next_scales = load_ahead(range.begin + 1);
  RoutedCursor cursor(params, items, slice, task, range.end - range.begin);
  ring.fill(cursor);
  if (by_warps) {
    if (warp == warps - 1) plan.take_by_lanes(own_expert);
    __syncthreads();
  }
  if (cta.index == 0) write_choices(params, plan);
  input.wait();

  const int places = params.sums.places.divisor;
  int set = 0;
#pragma unroll 1
  for (int first = range.begin; first < range.end; first += params.sums.tasks) {
    const int end = min(first + params.sums.tasks, range.end);
    float* const of_set = partials + set * params.sums.tasks * task_floats(params);
    float* own = of_set + warp * partial_floats(places);
#pragma unroll 1
    for (int index = first; index < end; ++index, own += task_floats(params)) {
      const float later_scales = load_ahead(index + 2);
      const LaneTokens tokens(plan, task.item);
      Sums sums = {};
      multiply_slice<Input::kByTwos>(
          ring, cursor, params.ring.piece_groups, Input::kIsFp8 || matrix.is_fp8, slice.count,
          scales, [&](int group, Operand& operand) { input.load(group, tokens, operand); }, sums);
      store_partials(sums, places, own);
      advance(task, tiles);
      scales = next_scales;
      next_scales = later_scales;
    }
    __syncthreads();
    store_tasks(params, plan, of_set, first, end);
    set ^= params.sums.sets - 1;
  }
}

// As many registers as CTAs of expert_down leave next to them (banded_down.cuh).
template <class Input>
__global__ void __maxnreg__(112) routed_kernel(const __grid_constant__ RoutedLaunch params) {
  extern __shared__ __align__(128) unsigned char memory[];
  __shared__ experts::RoutedShared shared;
  [[maybe_unused]] const LaunchScope scope{};
  routed_block<Input>(params, this_cta(), memory, shared, LaunchGate{});
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
