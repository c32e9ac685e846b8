// Rows of the latent cache on their way to shared memory, as bf16.
#pragma once

#include "cuda/peers.cuh"
#include "step/kernels/attend/params.h"
#include "step/kernels/support/lanes.cuh"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {
namespace attend {

inline constexpr int kWarps = 8;
inline constexpr int kThreads = kWarps * 32;
// Eight more elements put neighboring rows on different banks.
inline constexpr int kRowStride = kLatentRow + 8;
inline constexpr int kRowPieces = kLatentRow / 8;  // of 16 bytes

__device__ __forceinline__ void store_zero_row(__nv_bfloat16* target) {
  for (int piece = threadIdx.x % 32; piece < kRowPieces; piece += 32) {
    *reinterpret_cast<uint4*>(target + piece * 8) = make_uint4(0, 0, 0, 0);
  }
}

// Where a token's keys lie. The list is read before it is known to be needed: that saves a round
// trip to memory.
template <int kRows>
struct Slots {
  int values[kRows];

  __device__ void read_list(const AttendParams& params, int token, int first) {
    if (params.lists.get() == nullptr) return;
    const int* list = params.lists.get() + token * params.index_topk;
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      values[r] = list[min(first + r * kWarps, params.index_topk - 1)];
    }
  }
  __device__ void use_positions(const AttendParams& params, const StepRow& place, int first) {
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      const int position = min(first + r * kWarps, place.position);
      values[r] = static_cast<int>(params.places.slot(place, position));
    }
  }
};

// A warp's rows of a chunk of keys: fetch() sends for them, finish() has them in shared memory, where
// `later` fetches of bf16 rows followed. Rows beyond the last key are zero.
template <int kRows, bool kFp8>
class Rows;

template <int kRows>
class Rows<kRows, false> {
 public:
  __device__ void fetch(const AttendParams& params, const Slots<kRows>& slots, int present,
                        __nv_bfloat16 (*target)[kRowStride]) {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      const int row = static_cast<int>(threadIdx.x) / 32 + r * kWarps;
      if (row >= present) {
        store_zero_row(target[row]);
        continue;
      }
      const std::byte* source = params.cache.get() + int64_t{slots.values[r]} * (kLatentRow * 2);
#pragma unroll
      for (int i = 0; i < (kRowPieces + 31) / 32; ++i) {
        const int piece = lane + i * 32;
        if (piece < kRowPieces) cuda::copy_16(target[row] + piece * 8, source + piece * 16);
      }
    }
    cuda::commit_copies();
  }
  template <int later>
  __device__ void finish(__nv_bfloat16 (*)[kRowStride]) {
    cuda::wait_copies<later>();
  }
};

// 656-byte rows are dequantized on their way: lane l has latents 16 l to 16 l + 15 and one pair of
// the rotated key.
template <int kRows>
class Rows<kRows, true> {
 public:
  __device__ void fetch(const AttendParams& params, const Slots<kRows>& slots, int present,
                        __nv_bfloat16 (*)[kRowStride]) {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      codes_[r] = make_uint4(0, 0, 0, 0);
      scales_[r] = 0;
      pairs_[r] = 0;
      if (static_cast<int>(threadIdx.x) / 32 + r * kWarps >= present) continue;
      const std::byte* source = params.cache.get() + int64_t{slots.values[r]} * kFp8RowBytes;
      codes_[r] = reinterpret_cast<const uint4*>(source)[lane];
      scales_[r] = reinterpret_cast<const float*>(source + kLatent)[lane / 8];
      pairs_[r] = reinterpret_cast<const uint32_t*>(source + kFp8RowBytes - kRope * 2)[lane];
    }
  }
  template <int later>
  __device__ void finish(__nv_bfloat16 (*target)[kRowStride]) {
    static_assert(later == 0);
    cuda::commit_copies();
    cuda::wait_copies();  // of the queries
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      __nv_bfloat16* row = target[static_cast<int>(threadIdx.x) / 32 + r * kWarps];
      const uint32_t words[] = {codes_[r].x, codes_[r].y, codes_[r].z, codes_[r].w};
      uint32_t pairs[8];
#pragma unroll
      for (int i = 0; i < 8; ++i) {
        const uint32_t codes = words[i / 2] >> (i % 2 * 16);
        const float low = from_code(static_cast<uint8_t>(codes)) * scales_[r];
        const float high = from_code(static_cast<uint8_t>(codes >> 8)) * scales_[r];
        pairs[i] = cuda::pack_pair<DType::kBFloat16>(low, high);
      }
      auto* pieces = reinterpret_cast<uint4*>(row) + lane * 2;
      pieces[0] = make_uint4(pairs[0], pairs[1], pairs[2], pairs[3]);
      pieces[1] = make_uint4(pairs[4], pairs[5], pairs[6], pairs[7]);
      reinterpret_cast<uint32_t*>(row + kLatent)[lane] = pairs_[r];
    }
  }

 private:
  uint4 codes_[kRows];
  float scales_[kRows];
  uint32_t pairs_[kRows];
};

}  // namespace attend
}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
