// Makes results of sums: adds the warps', then the CTAs' of a cluster, and stores them. Every order
// is fixed, so that the same step gives the same bits. A thread takes four neighboring rows of a
// token, a quad, at a time: a multiprocessor sends one piece per cycle to a peer, however small it
// is. The CTAs of a cluster own quads in turn; every CTA sends the others the sums of theirs. What
// goes to other ranks is dealt out by whole tiles, and neighboring threads have neighboring rows: a
// link likes 32 bytes in one place.
#pragma once

#include "cuda/cluster.cuh"
#include "step/kernels/linear/work.cuh"
#include "step/kernels/support/peers.cuh"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {

// Four neighboring results as they are stored.
template <class Element>
struct QuadOf;
template <>
struct QuadOf<float> {
  using Type = float4;
  static __device__ float4 make(float4 values) { return values; }
};
template <>
struct QuadOf<__nv_bfloat16> {
  using Type = uint2;
  static __device__ uint2 make(float4 values) {
    return {cuda::pack_pair<DType::kBFloat16>(values.x, values.y),
            cuda::pack_pair<DType::kBFloat16>(values.z, values.w)};
  }
};

// `may_push`: there may be other ranks that want the results.
template <bool may_push>
class Finisher {
 public:
  __device__ Finisher(const LinearParams& params, const CtaWork& work, unsigned char* memory,
                      uint64_t* sums_arrived)
      : params_(params),
        work_(work),
        first_pieces_(reinterpret_cast<int*>(memory + params.memory.first_pieces)),
        partials_(reinterpret_cast<float*>(memory + params.memory.partials)),
        exchange_(reinterpret_cast<float*>(memory + params.memory.exchange)),
        outputs_(reinterpret_cast<const TileOutput*>(memory + params.memory.outputs)),
        sums_arrived_(sums_arrived) {}

  // What the cluster will send to this CTA.
  __device__ int bytes_to_come() const {
    return params_.cluster_ctas * own_rows() * params_.tokens * 4;
  }

  // When the CTA knows where results of its tiles go, and nobody waits: how those that are pushed are dealt
  // out, and where the calling thread's first ones go.
  __device__ void look_up() {
    if (!pushes()) return;
    const int tiles = own_rows() >> kTileShift;
    if (first_share() >= QuadDeal::most(tiles, params_.token_shift, kWarps * 32)) return;
    deal_ = QuadDeal(params_.peers, tiles, params_.token_shift, kWarps * 32, first_share());
    first_target_ = target_of(first_share());
    deal_.settle();
    cuda::settle(first_target_);
  }

  // The CTA has synchronized since its warps stored their sums.
  __device__ void finish() const {
    const int token = static_cast<int>(threadIdx.x) & ((1 << params_.token_shift) - 1);
    const int first = static_cast<int>(threadIdx.x) >> params_.token_shift;
    const int step = kWarps * 32 >> params_.token_shift;
    const bool exists = token < params_.tokens;
    if (params_.cluster_ctas > 1) {
      const int all = all_rows() >> kQuadShift;
#pragma unroll 1
      for (int quad = exists ? first : all; quad < all; quad += step) {
        send(quad << kQuadShift, token);
      }
      if (own_rows() > 0) cuda::wait_barrier(sums_arrived_, 0);
    }
    if (pushes()) {
      push();
      return;
    }
    const int own_quads = own_rows() >> kQuadShift;
#pragma unroll 1
    for (int quad = exists ? first : own_quads; quad < own_quads; quad += step) {
      const int own = quad << kQuadShift;
      store(row_of(own), token, total(own, token));
    }
  }

 private:
  static constexpr int kQuadShift = 2;
  static constexpr int kQuadRows = 1 << kQuadShift;
  static constexpr int kTileShift = 4;
  static_assert(1 << kTileShift == kTileRows);

  __device__ bool pushes() const { return may_push && params_.peers.ranks > 0; }
  // Neighboring rows that one CTA owns, as a power of two.
  __device__ int run_shift() const { return pushes() ? kTileShift : kQuadShift; }
  __device__ int all_rows() const { return work_.tiles * kTileRows; }
  __device__ int own_rows() const { return rows_of(work_.rank); }
  __device__ int rows_of(int rank) const {
    const int runs = all_rows() >> run_shift();
    return (runs - rank + params_.cluster_ctas - 1) >> params_.cluster_shift << run_shift();
  }

  __device__ int row_of(int own) const {
    const int run = (own >> run_shift() << params_.cluster_shift) + work_.rank;
    return (run << run_shift()) + in_run(own);
  }
  __device__ int in_run(int row) const { return row & ((1 << run_shift()) - 1); }

  // Of the quad that begins with a row.
  __device__ float4 total(int own, int token) const {
    return params_.cluster_ctas == 1 ? sum_of_warps(row_of(own), token)
                                     : sum_of_cluster(own, token);
  }

  __device__ float4 sum_of_warps(int row, int token) const {
    const int tile = row / kTileRows;
    const int end = first_pieces_[tile + 1];
    float4 sum = {0, 0, 0, 0};
#pragma unroll 1
    for (int piece = first_pieces_[tile]; piece < end; ++piece) {
      add_quad(sum,
               partials_ + (piece * params_.tokens + token) * kPartialStride + row % kTileRows);
    }
    return sum;
  }

  // Where CTA `rank`'s sums of a quad lie for its owner.
  __device__ float* exchanged(int rank, int own, int token) const {
    // Neighboring threads read neighboring words.
    const int most = rows_of(0);
    return exchange_ + rank * most * params_.tokens +
           (pushes() ? token * most + own : own * params_.tokens + token * kQuadRows);
  }

  __device__ void send(int row, int token) const {
    const int run = row >> run_shift();
    const int owner = run & (params_.cluster_ctas - 1);
    const int own = (run >> params_.cluster_shift << run_shift()) + in_run(row);
    cuda::store_async_16(cuda::remote_address(exchanged(work_.rank, own, token), owner),
                         sum_of_warps(row, token), cuda::remote_address(sums_arrived_, owner));
  }

  __device__ float4 sum_of_cluster(int own, int token) const {
    float4 sum = {0, 0, 0, 0};
    add_quads<kMaxClusterCtas>(sum, params_.cluster_ctas,
                               [&](int rank) { return exchanged(rank, own, token); });
    return sum;
  }

  // Of the calling thread, of what is pushed: that of one token is the last warps', for the first ones stage.
  static __device__ int first_share() {
    return static_cast<int>(threadIdx.x) ^ ((kWarps - 1) * 32);
  }

  // The first row of a share's quad, of those that the CTA owns.
  static __device__ int first_row(const QuadDeal::Share& share) {
    return (share.tile << kTileShift) + (share.quad << kQuadShift);
  }

  // Where a share of what is pushed goes; null: there is no such token or row.
  __device__ __nv_bfloat16* target_of(int index) const {
    const QuadDeal::Share share = deal_.share(index);
    if (index >= deal_.all() || share.token >= params_.tokens) return nullptr;
    const TileOutput& output = outputs_[row_of(first_row(share)) >> kTileShift];
    const int row_of_tile = share.quad << kQuadShift;
    if (row_of_tile >= output.rows) return nullptr;
    return static_cast<__nv_bfloat16*>(output.first) + share.token * output.stride + row_of_tile;
  }

  __device__ void push() const {
    __nv_bfloat16* target = first_target_;
#pragma unroll 1
    for (int i = first_share();;) {
      const QuadDeal::Share share = deal_.share(i);
      if (target != nullptr) {
        deal_.push(params_.peers, share.part, target, total(first_row(share), share.token));
      }
      i += kWarps * 32;
      if (i >= deal_.all()) return;
      target = target_of(i);
    }
  }

  __device__ void store(int row, int token, float4 sums) const {
    const TileOutput& output = outputs_[row / kTileRows];
    const int first = row % kTileRows;
    const int rows = min(output.rows - first, kQuadRows);
    const int64_t index = token * output.stride + first;
    if (output.is_float32) {
      store_rows(static_cast<float*>(output.first) + index, sums, rows);
    } else {
      store_rows(static_cast<__nv_bfloat16*>(output.first) + index, sums, rows);
    }
  }

  // In one piece where the address allows it.
  template <class Element>
  static __device__ void store_rows(Element* target, float4 sums, int rows) {
    using Quad = typename QuadOf<Element>::Type;
    if (rows == kQuadRows && reinterpret_cast<uint64_t>(target) % sizeof(Quad) == 0) {
      *reinterpret_cast<Quad*>(target) = QuadOf<Element>::make(sums);
      return;
    }
    const float values[] = {sums.x, sums.y, sums.z, sums.w};
#pragma unroll
    for (int i = 0; i < kQuadRows; ++i) {
      if (i < rows) target[i] = static_cast<Element>(values[i]);
    }
  }

  const LinearParams& params_;
  const CtaWork& work_;
  const int* first_pieces_;
  const float* partials_;
  float* exchange_;
  const TileOutput* outputs_;
  uint64_t* sums_arrived_;
  QuadDeal deal_;
  __nv_bfloat16* first_target_ = nullptr;
};

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
