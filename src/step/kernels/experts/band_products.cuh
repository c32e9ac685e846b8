// Products of a warpgroup with banded weights, item by item, and the sums of a CTA's rows.
#pragma once

#include "step/kernels/experts/band_rings.cuh"
#include "step/kernels/support/peers.cuh"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {
namespace experts {

// What a warp multiplies of a piece: its 16 rows, the last ones over again where there are fewer, times
// eight columns.
struct BandRows {
  uint32_t low;  // bands, in shared memory
  uint32_t high;
  bool two;  // groups of columns; else there is one
};

__device__ __forceinline__ float4 multiply_bands(BandRows rows, cuda::Columns8 columns,
                                                 const float* scales0, const float* scales1,
                                                 int scale_stride) {
  constexpr int kGroupBytes = kGroup * kBandRows;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const uint32_t own = (lane / 8 % 2 == 0 ? rows.low : rows.high) + lane / 16 * 128 + lane % 8 * 16;
  // In place of a second group the first one is multiplied once more, with nothing.
  const int second = rows.two ? 1 : 0;
  uint4 a[2][4];
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    a[0][i] = cuda::load_matrices(own + i * 256);
    a[1][i] = cuda::load_matrices(own + second * kGroupBytes + i * 256);
  }
  const uint32_t of_weights = (1 + second) * kGroupBytes;
  const float low0 = __uint_as_float(cuda::load_shared_4(rows.low + of_weights));
  const float high0 = __uint_as_float(cuda::load_shared_4(rows.high + of_weights));
  const auto second_scale = [&](uint32_t band) {
    const uint32_t at = band + of_weights + second * static_cast<int>(sizeof(float));
    return rows.two ? __uint_as_float(cuda::load_shared_4(at)) : 0.0F;
  };
  const float low1 = second_scale(rows.low);
  const float high1 = second_scale(rows.high);
  const float x00 = scales0[0];
  const float x01 = scales1[0];
  const float x10 = scales0[second * scale_stride];
  const float x11 = scales1[second * scale_stride];
  const cuda::Columns8 b[2] = {columns,
                               {columns.first + second * 8 * columns.pitch, columns.pitch}};
  float products[2][4];
  cuda::multiply_64(products, a, b);
  return {products[0][0] * (x00 * low0) + products[1][0] * (x10 * low1),
          products[0][1] * (x01 * low0) + products[1][1] * (x11 * low1),
          products[0][2] * (x00 * high0) + products[1][2] * (x10 * high1),
          products[0][3] * (x01 * high0) + products[1][3] * (x11 * high1)};
}

// Runs of a warpgroup through its items. The rehearsal, before the wait, is a product of cleared codes with
// themselves, of which nothing is kept: it brings the instructions into the caches, which takes much longer once
// weights are on their way. Then come the shared expert's items, if they are to come first, and the rest.
inline constexpr int kRehearsal = 0;
inline constexpr int kShared = 1;
inline constexpr int kRest = 2;

// A warpgroup's products: those of every kWarpgroups-th item.
template <int kWarpgroups>
class BandConsumer {
 public:
  __device__ BandConsumer(const DownLaunch& params, BandedShared& shared, unsigned char* memory,
                          unsigned char* base, const Bands& bands)
      : params_(params),
        rings_(params, shared, memory),
        turn_{warpgroup() * params.memory.slots},
        codes_(cuda::shared_address(base)),
        scales_(reinterpret_cast<const float*>(base + params.memory.scales)),
        partials_(reinterpret_cast<float*>(base + params.memory.partials)),
        rows_(bands.count * kBandRows),
        last_band_(bands.count - 1) {}

  __device__ void run(const Columns& columns, int run) {
    const int shared = Columns::shared_items(params_.tokens);
    const int end = run == kRehearsal ? kWarpgroups : run == kShared ? shared : columns.count();
    const int begin = done_;
#pragma unroll 1
    for (int item = begin + ((warpgroup() - begin) & (kWarpgroups - 1)); item < end;
         item += kWarpgroups) {
      multiply(columns, item, item < shared, run == kRehearsal);
    }
    if (run == kShared) done_ = shared;
  }

 private:
  static __device__ int warpgroup() {
    return static_cast<int>(threadIdx.x) / (kWarpgroupWarps * 32);
  }

  __device__ void multiply(const Columns& columns, int item, bool is_shared, bool is_rehearsal) {
    const int first = is_rehearsal ? 0 : columns.first(item);
    const int count = is_rehearsal ? 0 : columns.end(item) - first;
    const int own = static_cast<int>(threadIdx.x) % 4 * 2;  // column of the item
    // What lies beyond the item's columns is of no use.
    const int column0 = first + max(min(own, count - 1), 0);
    const int column1 = first + max(min(own + 1, count - 1), 0);
    ColumnShare shares[2] = {};
    if (!is_rehearsal) {
      shares[0] = columns.share(column0);
      shares[1] = columns.share(column1);
    }
    const int stride = params_.memory.columns;
    uint32_t operand = codes_ + first * kPieceColumns;
    const float* scales = scales_;
    float sums[4] = {};
#pragma unroll 1
    for (int left = is_shared ? params_.shared_down.groups() : params_.down.groups(); left > 0;
         left -= 2) {
      if (!is_rehearsal) cuda::wait_barrier(rings_.full_barrier(turn_.slot()), turn_.lap & 1);
      __syncwarp();
      const BandRows rows =
          is_rehearsal ? BandRows{codes_, codes_, false} : band_rows(min(left, 2));
      const float4 more =
          multiply_bands(rows, {operand, pitch()}, scales + column0, scales + column1, stride);
      sums[0] += more.x;
      sums[1] += more.y;
      sums[2] += more.z;
      sums[3] += more.w;
      if (is_rehearsal) return;
      __syncwarp();
      if (threadIdx.x % 32 == 0) cuda::arrive(rings_.empty_barrier(turn_.slot()));
      turn_.advance(params_.memory.slots);
      operand += 2 * kGroup / kPieceColumns * pitch();
      scales += 2 * stride;
    }
    store(shares, own, count, sums);
  }

  __device__ uint32_t pitch() const { return params_.memory.pitch; }
  __device__ BandRows band_rows(int groups) const {
    const int band = static_cast<int>(threadIdx.x) / 32 % kWarpgroupWarps * 2;
    const uint32_t slot = rings_.slot(turn_.slot());
    const int bytes = PackedMatrix::band_bytes(groups);
    return {slot + min(band, last_band_) * bytes, slot + min(band + 1, last_band_) * bytes,
            groups == 2};
  }

  // weight * sum, rounded.
  __device__ void store(const ColumnShare (&shares)[2], int own, int count,
                        const float (&sums)[4]) const {
    const int row = static_cast<int>(threadIdx.x) / 32 % kWarpgroupWarps * kTileRows +
                    static_cast<int>(threadIdx.x) % 32 / 4;
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      if (own + i >= count) continue;
      float* const target = partials_ + shares[i].target + row;
      if (row < rows_) target[0] = shares[i].weight * round_to_bf16(sums[i]);
      if (row + 8 < rows_) target[8] = shares[i].weight * round_to_bf16(sums[i + 2]);
    }
  }

  const DownLaunch& params_;
  Rings rings_;
  Turn turn_;
  uint32_t codes_;
  const float* scales_;
  float* partials_;
  int rows_;
  int last_band_;
  int done_ = 0;  // items
};

// Adds what lies at a token's places and stores it, for all ranks if there are several.
template <int kThreads>
__device__ __forceinline__ void store_bands(const DownLaunch& params, const QuadDeal& deal,
                                            const Bands& bands, const float* partials) {
#pragma unroll 1
  for (int i = static_cast<int>(threadIdx.x); i < deal.all(); i += kThreads) {
    const QuadDeal::Share share = deal.share(i);
    const int row = share.tile * kTileRows + share.quad * QuadDeal::kRows;
    if (share.token >= params.tokens || row >= bands.count * kBandRows) continue;
    const float* partial = partials + share.token * params.memory.token_stride + row;
    float4 sums = {0, 0, 0, 0};
    // One round of loads for the shared expert and eight choices.
    constexpr int kAtOnce = 9;
#pragma unroll 1
    for (int left = 1 + params.choices_per_token; left > 0; left -= kAtOnce) {
      add_quads<kAtOnce>(sums, left,
                         [&](int place) { return partial + place * params.memory.place_stride; });
      partial += kAtOnce * params.memory.place_stride;
    }
    __nv_bfloat16* const target = params.output.get() + int64_t{share.token} * params.down.rows +
                                  bands.first * kBandRows + row;
    if (params.peers.ranks > 0) {
      deal.push(params.peers, share.part, target, sums);
    } else {
      store_quad(target, sums);
    }
  }
}

}  // namespace experts
}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
