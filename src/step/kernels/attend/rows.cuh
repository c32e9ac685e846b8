// Rows of the latent cache on their way to shared memory, as bf16.
#pragma once

#include "cuda/cluster.cuh"
#include "cuda/memory.cuh"
#include "cuda/peers.cuh"
#include "step/kernels/attend/params.h"
#include "step/kernels/support/lanes.cuh"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {
namespace attend {

// Eight more elements put neighboring rows on different banks.
inline constexpr int kRowStride = kLatentRow + 8;
inline constexpr int kRowPieces = kLatentRow / 8;  // of 16 bytes
inline constexpr uint32_t kRowBytes = kLatentRow * 2;

__device__ __forceinline__ void store_zero_row(__nv_bfloat16* target) {
#pragma unroll 1
  for (int piece = threadIdx.x % 32; piece < kRowPieces; piece += 32) {
    *reinterpret_cast<uint4*>(target + piece * 8) = make_uint4(0, 0, 0, 0);
  }
}

// Where a token's keys lie: in the slots of a list, or in those of all positions.
struct KeyList {
  const AttendParams& params;
  StepRow place;
  const int* slots;  // of the list, or null

  // Of a warp's keys of a run: lane r has that of the warp's row r.
  template <class T>
  __device__ int slot(int first) const {
    if (slots != nullptr) return listed<T>(params, slots, first);
    const int key = own_key<T>(first);
    return static_cast<int>(params.places.slot(place, min(key, place.position)));
  }
  // The same of a list, if there is one, which does not take the token's place.
  template <class T>
  static __device__ int listed(const AttendParams& params, const int* slots, int first) {
    return cuda::load_in_order(&slots[min(own_key<T>(first), params.index_topk - 1)]);
  }

 private:
  template <class T>
  static __device__ int own_key(int first) {
    return first + static_cast<int>(threadIdx.x) / 32 +
           static_cast<int>(threadIdx.x) % T::kRows * T::kWarps;
  }
};

// A warp's rows of a run of keys: fetch() sends for them, finish() has them in shared memory, where
// `later` fetches of bf16 rows followed. Rows beyond the last key are zero. `arrived`: a barrier of the
// warp's own, by an index that is known to be the same in all lanes.
template <class T, bool kFp8>
class Rows;

// bf16 rows of a CTA that has one run: a lane sends for each, in one piece. Copies of 16 bytes take all
// lanes 400 cycles a row.
template <class T>
requires(T::kStages == 1) class Rows<T, false> {
 public:
  // Before any load: the fence would wait for it. All rows were stored by launches that had ended when this one
  // started.
  __device__ explicit Rows(uint64_t* arrived) : arrived_(arrived) {
    cuda::make_own_barriers<1>(arrived);
    cuda::publish_to_copies();
  }
  __device__ void fetch(const AttendParams& params, int own_slot, int present,
                        __nv_bfloat16 (*target)[kRowStride]) {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const int first_row = static_cast<int>(threadIdx.x) / 32;
    const int own_row = first_row + lane * T::kWarps;
    const bool exists = lane < T::kRows && own_row < present;
    const int rows = __popc(__ballot_sync(kAllLanes, exists));
    if (lane == 0) cuda::expect_bytes(arrived_, rows * kRowBytes);
    __syncwarp();
    if (exists) {
      cuda::copy_bulk(target[own_row], params.cache.get() + int64_t{own_slot} * kRowBytes,
                      kRowBytes, arrived_);
    }
    for (int r = rows; r < T::kRows; ++r) store_zero_row(target[first_row + r * T::kWarps]);
  }
  template <int later>
  __device__ void finish(__nv_bfloat16 (*)[kRowStride]) {
    static_assert(later == 0);
    cuda::wait_async_copies();  // of the queries
    cuda::wait_barrier(arrived_, 0);
  }

 private:
  uint64_t* arrived_;
};

// Those of several runs.
template <class T>
class Rows<T, false> {
 public:
  __device__ explicit Rows(uint64_t* /*arrived*/) {}
  __device__ void fetch(const AttendParams& params, int own_slot, int present,
                        __nv_bfloat16 (*target)[kRowStride]) {
    const int lane = threadIdx.x % 32;
#pragma unroll 1
    for (int r = 0; r < T::kRows; ++r) {
      const int row = static_cast<int>(threadIdx.x) / 32 + r * T::kWarps;
      const int64_t slot = __shfl_sync(kAllLanes, own_slot, r);
      if (row >= present) {
        store_zero_row(target[row]);
        continue;
      }
      const std::byte* source = params.cache.get() + slot * kRowBytes;
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
    if constexpr (later == 0) {
      cuda::wait_async_copies();  // of the queries, too
    } else {
      cuda::wait_copies<later>();
    }
  }
};

// 656-byte rows are dequantized on their way: lane l has latents 16 l to 16 l + 15 and one pair of
// the rotated key.
template <class T>
class Rows<T, true> {
 public:
  __device__ explicit Rows(uint64_t* /*arrived*/) {}
  __device__ void fetch(const AttendParams& params, int own_slot, int present,
                        __nv_bfloat16 (*)[kRowStride]) {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int r = 0; r < T::kRows; ++r) {
      codes_[r] = make_uint4(0, 0, 0, 0);
      scales_[r] = 0;
      pairs_[r] = 0;
      const int64_t slot = __shfl_sync(kAllLanes, own_slot, r);
      if (static_cast<int>(threadIdx.x) / 32 + r * T::kWarps >= present) continue;
      const std::byte* source = params.cache.get() + slot * kFp8RowBytes;
      codes_[r] = reinterpret_cast<const uint4*>(source)[lane];
      scales_[r] = reinterpret_cast<const float*>(source + kLatent)[lane / 8];
      pairs_[r] = reinterpret_cast<const uint32_t*>(source + kFp8RowBytes - kRope * 2)[lane];
    }
  }
  template <int later>
  __device__ void finish(__nv_bfloat16 (*target)[kRowStride]) {
    static_assert(later == 0);
    cuda::wait_async_copies();  // of the queries
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int r = 0; r < T::kRows; ++r) {
      __nv_bfloat16* row = target[static_cast<int>(threadIdx.x) / 32 + r * T::kWarps];
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
  uint4 codes_[T::kRows];
  float scales_[T::kRows];
  uint32_t pairs_[T::kRows];
};

}  // namespace attend
}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
