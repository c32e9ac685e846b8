// What the down projections in tiles have to do: which tiles a CTA has, a warp's way through the items of
// these, the pieces of weights on that way, and the plan of items.
#pragma once

#include "step/kernels/experts/gated_rows.cuh"
#include "step/kernels/experts/multiply.cuh"
#include "step/kernels/experts/plan.cuh"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {
namespace experts {

inline constexpr int kMaxDownWarps = 16;
inline constexpr int kBatchTiles = 4;

// Neighboring tiles.
struct Tiles {
  int first;
  int count;
};
__device__ __forceinline__ Tiles tiles_of(Cta cta, int tiles) {
  const auto index = static_cast<unsigned>(cta.index);
  const auto count = static_cast<unsigned>(cta.count);
  const int first = static_cast<int>(index * static_cast<unsigned>(tiles) / count);
  return {first, static_cast<int>((index + 1) * static_cast<unsigned>(tiles) / count) - first};
}

struct DownShared {
  uint64_t barriers[kMaxDownWarps][PieceRing::kMaxSlots];
  PlanSets plan;
  uint16_t items[kMaxDownWarps][Plan::kWarpRows];  // experts, as each warp lists them
};

// Items of the shared expert, before those of the plan.
SLIPSTREAM_HOST_DEVICE inline int shared_items(int tokens) {
  return (tokens + kItemTokens - 1) / kItemTokens;
}

// The plan, and what all rows weigh.
SLIPSTREAM_HOST_DEVICE inline int plan_bytes(const DownLaunch& params) {
  const int chosen = params.tokens * params.choices_per_token;
  return Plan::bytes(chosen) + (chosen + params.tokens + 3) / 4 * static_cast<int>(sizeof(float4));
}
SLIPSTREAM_HOST_DEVICE inline int most_down_items(const DownLaunch& params) {
  return shared_items(params.tokens) +
         most_items(params.tokens, params.choices_per_token, params.experts);
}

// The tile among all experts' tiles.
__device__ __forceinline__ int64_t tile_of(const DownLaunch& params, const uint16_t* experts,
                                           int item, int tile) {
  const int chosen = item - shared_items(params.tokens);
  return chosen < 0 ? tile : int64_t{experts[chosen]} * params.down.tile_count() + tile;
}

// A warp's way through its items, warp, warp + warps, ... of each batch of the CTA's tiles.
struct Place {
  int item;
  int batch;

  __device__ void advance(int items) {
    item += static_cast<int>(blockDim.x) / 32;
    if (item < items) return;
    item = static_cast<int>(threadIdx.x) / 32;
    ++batch;
  }
  __device__ bool exists(const Tiles& own, int items) const {
    return item < items && batch * kBatchTiles < own.count;
  }
  __device__ Tiles tiles(const Tiles& own) const {
    const int done = batch * kBatchTiles;
    return {own.first + done, min(own.count - done, kBatchTiles)};
  }
};

// The pieces of one warp.
class DownCursor {
 public:
  // Before the wait `most_items` bounds the items and only those of the shared expert are known.
  __device__ DownCursor(const DownLaunch& params, const Tiles& own, int most_items)
      : params_(params), own_(own), items_(most_items), known_(shared_items(params.tokens)) {
    find_place();
  }
  __device__ void set_items(const Items& items) {
    const bool was_known = valid();
    items_ = items.count;
    known_ = items.count;
    experts_ = items.experts;
    if (was_known) return;
    if (place_.item >= items_) place_.advance(items_);
    find_place();
  }
  __device__ bool valid() const { return left_bytes_ > 0; }
  __device__ Piece piece() const { return {source_, static_cast<uint32_t>(piece_bytes())}; }
  __device__ void advance() {
    const int bytes = piece_bytes();
    source_ += bytes;
    left_bytes_ -= bytes;
    if (left_bytes_ > 0) return;
    place_.advance(items_);
    find_place();
  }

 private:
  __device__ int piece_bytes() const {
    // A matrix whose groups are smaller than those of the other may have fewer of them in a slot.
    return min(left_bytes_, params_.ring.piece_groups * group_bytes_);
  }
  __device__ void find_place() {
    if (!place_.exists(own_, known_)) return;
    const PackedMatrix& matrix = matrix_of(params_, place_.item < shared_items(params_.tokens));
    const Tiles tiles = place_.tiles(own_);
    source_ = matrix.tiles.get() +
              tile_of(params_, experts_, place_.item, tiles.first) * matrix.tile_bytes();
    group_bytes_ = matrix.chunks_per_group() * kChunkBytes;
    left_bytes_ = tiles.count * static_cast<int>(matrix.tile_bytes());
  }

  const DownLaunch& params_;
  const uint16_t* experts_ = nullptr;
  Tiles own_;
  int items_;
  int known_;
  Place place_ = {static_cast<int>(threadIdx.x) / 32, 0};
  const std::byte* source_ = nullptr;
  int group_bytes_ = 0;
  int left_bytes_ = 0;  // of the place
};

// Before the wait: rows of the shared expert weigh one.
__device__ __forceinline__ void weigh_shared_rows(const DownLaunch& params, float* weights) {
  const int token = static_cast<int>(threadIdx.x);
  if (token < params.tokens) weights[params.tokens * params.choices_per_token + token] = 1.0F;
}

// Of a row that lane `row` of every warp looks at.
__device__ __forceinline__ ExpertChoice load_choice(const DownLaunch& params, int row) {
  return row < params.tokens * params.choices_per_token ? params.choices.get()[row]
                                                        : ExpertChoice{-1, 0};
}

// What one warp does of a plan that fits it. A barrier must follow.
__device__ __forceinline__ void take_choice(const DownLaunch& params, const Plan& plan,
                                            const ExpertChoice& choice, float* weights) {
  if (choice.expert >= 0) weights[threadIdx.x % 32] = choice.weight;
  if (params.tokens > 1) plan.take_by_lanes(choice.expert);
}

// Of more choices, and what they weigh. Barriers come with it.
__device__ __forceinline__ void build_plan(const DownLaunch& params, const Plan& plan,
                                           float* weights) {
  const int choices = params.choices_per_token;
  for (int row = threadIdx.x; row < params.tokens * choices; row += static_cast<int>(blockDim.x)) {
    const ExpertChoice choice = params.choices.get()[row];
    weights[row] = choice.weight;
    plan.enter(row, choice.expert);
  }
  __syncthreads();
  plan.build();
}

// One of an item's tokens, be it of the plan or of the shared expert.
__device__ __forceinline__ Taker taker_of(const DownLaunch& params, const Plan& plan, int item,
                                          int place) {
  const int first = shared_items(params.tokens);
  if (item >= first) return plan.taker(item - first, place);
  const int token = item * kItemTokens + place;
  const int own = min(token, params.tokens - 1);
  return {params.tokens * params.choices_per_token + own, own, -1, token < params.tokens};
}

}  // namespace experts
}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
