// Makes results of sums: adds the warps', then the CTAs' of a cluster, and stores them. Every order
// is fixed, so that the same step gives the same bits. Rows go in fours (quads), and a cluster
// shares them out: each CTA sends every other the sums of that one's quads.
#pragma once

#include "engine/kernels/linear/work.cuh"
#include "ops/support/cluster.cuh"

namespace slipstream::engine::kernels {

class Finisher {
 public:
  __device__ Finisher(const LinearParams& params, const CtaWork& work, unsigned char* memory,
                      std::uint64_t* sums_arrived)
      : params_(params),
        work_(work),
        first_pieces_(reinterpret_cast<int*>(memory + params.memory.first_pieces)),
        partials_(reinterpret_cast<float*>(memory + params.memory.partials)),
        exchange_(reinterpret_cast<float4*>(memory + params.memory.exchange)),
        outputs_(reinterpret_cast<const TileOutput*>(memory + params.memory.outputs)),
        sums_arrived_(sums_arrived) {}

  // What the cluster will send to this CTA.
  __device__ int bytes_to_come() const {
    return params_.cluster_ctas * own_quads(work_.rank) * params_.tokens * 16;
  }

  // The CTA has met behind its warps' sums.
  __device__ void finish() const {
    const int token = static_cast<int>(threadIdx.x) % kMaxRows;
    const int first = static_cast<int>(threadIdx.x) / kMaxRows;
    const bool alone = params_.cluster_ctas == 1;
    if (!alone) {
      if (token < params_.tokens) send(first, token);
      if (own_quads(work_.rank) > 0) ops::wait_barrier(sums_arrived_, 0);
    }
    if (token >= params_.tokens) return;
#pragma unroll 1
    for (int own = first; own < own_quads(work_.rank); own += kQuadsAtOnce) {
      store((own << params_.cluster_shift) + work_.rank, token,
            alone ? sum_of_warps(own, token) : sum_of_cluster(own, token));
    }
  }

 private:
  static constexpr int kQuads = kTileRows / 4;  // of a tile
  static constexpr int kQuadsAtOnce = kWarps * 32 / kMaxRows;

  // Of the CTA of this rank: every cluster_ctas-th.
  __device__ int own_quads(int rank) const {
    return (work_.tiles * kQuads - rank + params_.cluster_ctas - 1) >> params_.cluster_shift;
  }

  static __device__ void add(float4& sum, const float4& more) {
    sum.x += more.x;
    sum.y += more.y;
    sum.z += more.z;
    sum.w += more.w;
  }

  __device__ float4 sum_of_warps(int quad, int token) const {
    const int tile = quad / kQuads;
    const int end = first_pieces_[tile + 1];
    float4 sum = {0, 0, 0, 0};
#pragma unroll 1
    for (int piece = first_pieces_[tile]; piece < end; ++piece) {
      const int row = (piece * params_.tokens + token) * kTileRows + quad % kQuads * 4;
      add(sum, *reinterpret_cast<const float4*>(partials_ + row));
    }
    return sum;
  }

  // Where the sums of CTA `rank` for the owner of a quad lie.
  __device__ float4* exchanged(int rank, int own, int token) const {
    return exchange_ + (rank * own_quads(0) + own) * params_.tokens + token;
  }

  __device__ float4 sum_of_cluster(int own, int token) const {
    float4 sum = {0, 0, 0, 0};
#pragma unroll
    for (int rank = 0; rank < kMaxClusterCtas; ++rank) {
      if (rank < params_.cluster_ctas) add(sum, *exchanged(rank, own, token));
    }
    return sum;
  }

  __device__ void send(int first, int token) const {
#pragma unroll 1
    for (int quad = first; quad < work_.tiles * kQuads; quad += kQuadsAtOnce) {
      const int owner = quad & (params_.cluster_ctas - 1);
      const float4 sum = sum_of_warps(quad, token);
      ops::store_async_16(
          ops::remote_address(exchanged(work_.rank, quad >> params_.cluster_shift, token), owner),
          sum, ops::remote_address(sums_arrived_, owner));
    }
  }

  __device__ void store(int quad, int token, const float4& sum) const {
    const TileOutput& output = outputs_[quad / kQuads];
    const int row = quad % kQuads * 4;
    const std::int64_t index = token * output.stride + row;
    const float rows[] = {sum.x, sum.y, sum.z, sum.w};
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (row + i >= output.rows) return;
      if (output.is_float32) {
        static_cast<float*>(output.first)[index + i] = rows[i];
      } else {
        static_cast<__nv_bfloat16*>(output.first)[index + i] = __float2bfloat16_rn(rows[i]);
      }
    }
  }

  const LinearParams& params_;
  const CtaWork& work_;
  const int* first_pieces_;
  const float* partials_;
  float4* exchange_;
  const TileOutput* outputs_;
  std::uint64_t* sums_arrived_;
};

}  // namespace slipstream::engine::kernels
