// silu, then the down projections of chosen and shared experts, weighted and summed.
//
// A CTA owns neighboring tiles of 16 rows and takes a batch of them at a time; its warps share the
// items out: first those of the shared expert, eight tokens each, then those of the plan. What an
// item gives a batch is contiguous in memory. A warp has the whole sum of an item in registers, so that it
// can round and weight it. Every token has a place for each of its own choices, and these are added
// in their order: what other tokens chose does not change a bit of its sum.
//
// PDL: weights and activations of the shared expert before the wait, nothing else.
#pragma once

#include "step/kernels/experts/down_items.cuh"
#include "step/kernels/experts/gated_rows.cuh"
#include "step/kernels/experts/multiply.cuh"
#include "step/kernels/support/peers.cuh"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {
namespace experts {

// What the lane's result columns weigh, and at which of their token's places they are kept; -1: the
// item has no such token.
struct Shares {
  float weights[2];
  int tokens[2];
  int places[2];

  // `row_weights`: of all rows, the shared expert's last.
  __device__ Shares(const DownLaunch& params, const Plan& plan, int item,
                    const float* row_weights) {
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const Taker taker = taker_of(params, plan, item, static_cast<int>(threadIdx.x) % 4 * 2 + i);
      weights[i] = row_weights[taker.row];
      tokens[i] = taker.token;
      places[i] = taker.exists ? 1 + taker.choice : -1;
    }
  }
};

// Places of a token: of the shared expert, and of each of its choices.
SLIPSTREAM_HOST_DEVICE inline int places_of(const DownLaunch& params) {
  return 1 + params.choices_per_token;
}

// weight * sum, rounded, to [place][token][row].
__device__ __forceinline__ void store_item(const Shares& shares, const Sums& sums, int tokens,
                                           float* partials) {
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    if (shares.places[i] < 0) continue;
    float* const target = partials + shares.places[i] * partial_floats(tokens) +
                          shares.tokens[i] * kPartialStride +
                          static_cast<int>(threadIdx.x) % 32 / 4;
    target[0] = shares.weights[i] * round_to_bf16(sums[i]);
    target[8] = shares.weights[i] * round_to_bf16(sums[i + 2]);
  }
}

// The weights' scales of the place that `ahead` has come to, one per lane.
__device__ __forceinline__ float load_ahead(const DownLaunch& params, const Items& items,
                                            const Tiles& own, Place& ahead) {
  float scales = 0.0F;
  if (ahead.exists(own, items.count)) {
    const PackedMatrix& matrix = matrix_of(params, ahead.item < shared_items(params.tokens));
    const Tiles tiles = ahead.tiles(own);
    // Those of neighboring tiles follow each other.
    scales = load_scales(matrix, tile_of(params, items.experts, ahead.item, tiles.first),
                         {0, tiles.count * matrix.groups()});
  }
  ahead.advance(items.count);
  return scales;
}

// What an item gives a batch of tiles, to [tile][place][token][row].
template <class Rows>
__device__ __forceinline__ void multiply_item(const DownLaunch& params, const Rows& rows,
                                              const Plan& plan, const uint16_t* experts,
                                              const float* weights, int item, const Tiles& tiles,
                                              float scales, PieceRing& ring, DownCursor& cursor,
                                              float* partials) {
  const PackedMatrix& matrix = matrix_of(params, item < shared_items(params.tokens));
  const int groups = matrix.groups();
  const bool is_fp8 = Rows::kIsFp8 || matrix.is_fp8;
  const int group_bytes = (is_fp8 ? 1 : 2) * kChunkBytes;
  const int row = taker_of(params, plan, item, static_cast<int>(threadIdx.x) % 32 / 4).row;
  const Shares shares(params, plan, item, weights);
  PieceReader<DownCursor> reader(ring, cursor, params.ring.piece_groups, tiles.count * groups);
  const int tile_floats = places_of(params) * partial_floats(params.tokens);
  // The scale of a group of all tiles' groups.
  const auto scale_of = [&](int place) {
    return Rows::kIsFp8
               ? __shfl_sync(kAllLanes, scales, place)
               : matrix.scales.get()[tile_of(params, experts, item, tiles.first) * groups + place];
  };
  int place = 0;
#pragma unroll 1
  for (int tile = 0; tile < tiles.count; ++tile, partials += tile_floats) {
    Sums sums = {};
    constexpr int kAtOnce = Rows::kByTwos ? 2 : 1;
#pragma unroll 1
    for (int group = 0; group < groups; group += kAtOnce, place += kAtOnce) {
      if constexpr (Rows::kByTwos) {
        // A piece.
        Operand x[2];
        rows.load(group, row, x[0]);
        rows.load(group + 1, row, x[1]);
        const float of_weights[2] = {scale_of(place), scale_of(place + 1)};
        multiply_fp8_pair(ring.wait() + threadIdx.x % 32 * 16, true, of_weights, x, sums);
        ring.release(cursor);
      } else {
        Operand x;
        rows.load(group, row, x);
        if (is_fp8) {
          const float scale = scale_of(place);
          multiply_fp8_group(reader.weights(), scale, x, sums);
        } else {
          multiply_bf16_group(reader.weights(), x, sums);
        }
        reader.advance(group_bytes);
      }
    }
    store_item(shares, sums, params.tokens, partials);
  }
}

__device__ __forceinline__ QuadDeal deal_tiles(const DownLaunch& params, int tiles) {
  return {params.peers, tiles, 32 - __clz(params.tokens - 1), static_cast<int>(blockDim.x),
          static_cast<int>(threadIdx.x)};
}

// After a barrier: adds what lies at a token's places and stores it, for all ranks if there are
// several.
__device__ __forceinline__ void store_tiles(const DownLaunch& params, const QuadDeal& deal,
                                            const Tiles& tiles, const float* partials) {
  const int threads = static_cast<int>(blockDim.x);
#pragma unroll 1
  for (int i = static_cast<int>(threadIdx.x); i < deal.all(); i += threads) {
    const QuadDeal::Share share = deal.share(i);
    if (share.token >= params.tokens) continue;
    const int row = share.quad * QuadDeal::kRows;
    const float* const places =
        partials + share.tile * places_of(params) * partial_floats(params.tokens);
    const float2 low = add_parts(places, places_of(params), params.tokens, share.token, row);
    const float2 high = add_parts(places, places_of(params), params.tokens, share.token, row + 2);
    const float4 sums = {low.x, low.y, high.x, high.y};
    __nv_bfloat16* const target = params.output.get() + int64_t{share.token} * params.down.rows +
                                  (tiles.first + share.tile) * kTileRows + row;
    if (params.peers.ranks > 0) {
      deal.push(params.peers, share.part, target, sums);
    } else {
      store_quad(target, sums);
    }
  }
}

}  // namespace experts

template <class Rows, class Gate>
__device__ __forceinline__ void down_block(const DownLaunch& params, Cta cta, unsigned char* memory,
                                           experts::DownShared& shared, Gate gate) {
  using namespace experts;
  const int warp = warp_index();
  const int warps = static_cast<int>(blockDim.x) / 32;
  const int ring_bytes = params.ring.slots * params.ring.slot_bytes;
  PieceRing ring(memory + warp * ring_bytes, shared.barriers[warp], params.ring.slots,
                 params.ring.slot_bytes);
  const Tiles own = tiles_of(cta, params.down.tile_count());
  unsigned char* const after_rings = memory + warps * ring_bytes;
  const int chosen_rows = params.tokens * params.choices_per_token;
  const Plan plan(shared.plan, after_rings, params.tokens, params.per_token);
  auto* const weights = reinterpret_cast<float*>(after_rings + Plan::bytes(chosen_rows));
  DownCursor cursor(params, own, most_down_items(params));
  // slipstream-check: allow R2: a tile of down or of shared_down, which are weights both
  ring.fill(cursor);
  plan.clear();
  weigh_shared_rows(params, weights);
  unsigned char* const after_plan = after_rings + plan_bytes(params);
  const Rows rows(params, after_plan);
  // Last, as host and device then need not agree on how many tiles a batch has.
  float* const partials = reinterpret_cast<float*>(after_plan + Rows::bytes(params));
  rows.rehearse();
  rows.quantize_shared();
  QuadDeal deal = deal_tiles(params, min(own.count, kBatchTiles));
  deal.settle();
  auto sources = rows.first();
  __syncthreads();

  gate.pass();
  // Activations and scales before the weights: loads that follow those wait for them.
  const bool by_warps = plan.fits_warp();
  ExpertChoice choice = {-1, 0};
  if (by_warps) choice = load_choice(params, static_cast<int>(threadIdx.x) % 32);
  auto raw = rows.load(sources);
  if (!by_warps) build_plan(params, plan, weights);
  Items items = by_warps ? Plan::list(choice.expert, shared.items[warp]) : plan.items();
  items.count += shared_items(params.tokens);
  rows.quantize_all_but_last(sources, raw);
  Place ahead = {warp, 0};
  float scales = load_ahead(params, items, own, ahead);
  float next_scales = load_ahead(params, items, own, ahead);
  cursor.set_items(items);
  ring.fill(cursor);
  if (by_warps && warp == warps - 1) take_choice(params, plan, choice, weights);
  rows.quantize(sources, raw);
  __syncthreads();

  Place place = {warp, 0};
  for (int batch = 0; batch * kBatchTiles < own.count; ++batch) {
    place.batch = batch;
    const Tiles tiles = place.tiles(own);
    if (batch > 0) __syncthreads();  // the parts of the batch before have been read
    for (int item = warp; item < items.count; item += warps) {
      const float later_scales = load_ahead(params, items, own, ahead);
      multiply_item(params, rows, plan, items.experts, weights, item, tiles, scales, ring, cursor,
                    partials);
      scales = next_scales;
      next_scales = later_scales;
    }
    __syncthreads();
    if (batch > 0) deal = deal_tiles(params, tiles.count);
    store_tiles(params, deal, tiles, partials);
  }
}

namespace experts {
// Next to nine warps of this launch, with one token, eight of the launch before or after it must find
// registers. Each quarter of a multiprocessor has 512 for every lane of its warps, which here are
// three and two: 3 x 96 + 2 x 112 is all of it. The compiler grants 96 where it is told of more threads
// than there are. What bf16 experts need is more than that.
template <class Rows>
inline constexpr int kDownBoundThreads = Rows::kIsFp8 ? 640 : kMaxDownWarps * 32;
}  // namespace experts

template <class Rows>
__global__ void __launch_bounds__(experts::kDownBoundThreads<Rows>, 1)
    down_kernel(const __grid_constant__ DownLaunch params) {
  extern __shared__ __align__(128) unsigned char memory[];
  __shared__ experts::DownShared shared;
  [[maybe_unused]] const LaunchScope scope{};
  down_block<Rows>(params, this_cta(), memory, shared, LaunchGate{});
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
