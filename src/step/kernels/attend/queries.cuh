// What a CTA of attention works on and has in shared memory, and how queries come there: their absorbed part
// as it is, the other one rotated.
#pragma once

#include "step/kernels/attend/plan.h"
#include "step/kernels/attend/rows.cuh"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {
namespace attend {

inline constexpr int kSteps = kLatentRow / 16;
inline constexpr int kRopeThreads = 16;  // that rotate a head's query

// What a CTA works on at a time: keys and heads; its warps; how many runs of keys it has room for.
template <int kKeysAtOnce, int kHeadsAtOnce, int kWarpsOfCta, int kStagesOfKeys>
struct Tiling {
  static constexpr int kKeys = kKeysAtOnce;
  static constexpr int kHeads = kHeadsAtOnce;
  static constexpr int kWarps = kWarpsOfCta;
  static constexpr int kStages = kStagesOfKeys;
  static constexpr int kThreads = kWarps * 32;
  static constexpr int kRows = kKeys / kWarps;                // that a warp fetches
  static constexpr int kKeyTiles = kKeys / 16;                // of the first product
  static constexpr int kParts = kWarps / kKeyTiles;           // that its columns are split into
  static constexpr int kWarpColumns = kLatent / kWarps;       // of the second product
  static constexpr int kHeadThreads = kThreads / kManyHeads;  // that share a head's softmax
  // Sixteen warps that take all keys of the CTA at once have a head each, and no sums of keys before.
  static constexpr bool kAtOnce = kStages == 1 && kHeadThreads == 32;
  // Of 64 keys half of the warps multiply two tiles each, so that queries are read half as often.
  static constexpr int kWarpTiles = kKeyTiles < 4 ? 1 : 2;
};

template <class Tiling>
struct Shared : Tiling {
  using Tiling::kHeads;
  using Tiling::kKeys;
  static constexpr int kProbabilityStride = kKeys + 8;

  __nv_bfloat16 keys[Tiling::kStages][kKeys][kRowStride];
  __nv_bfloat16 queries[kHeads][kRowStride];
  float products[Tiling::kParts][kHeads][kKeys];
  __nv_bfloat16 probabilities[kHeads][kProbabilityStride];
  float rescale[kHeads];
  uint64_t arrived[Tiling::kWarps];  // rows of each warp
};

// Whether the thread is one of `each` that a head has.
template <class T, int each>
__device__ __forceinline__ bool has_head() {
  return T::kHeads * each == T::kThreads || threadIdx.x < T::kHeads * each;
}

// Sends for the absorbed part of the queries; heads that do not exist are zero.
template <class T>
__device__ __forceinline__ void fetch_absorbed(const AttendParams& params,
                                               const __nv_bfloat16* absorbed, int token,
                                               int first_head, Shared<T>& shared) {
  constexpr int kPieces = kLatent / 8;
#pragma unroll
  for (int i = threadIdx.x; i < T::kHeads * kPieces; i += T::kThreads) {
    const int head = first_head + i / kPieces;
    __nv_bfloat16* target = &shared.queries[i / kPieces][i % kPieces * 8];
    if (head < params.heads) {
      const int64_t row = int64_t{token} * params.heads + head;
      cuda::copy_16(target, absorbed + row * kLatent + i % kPieces * 8);
    } else {
      *reinterpret_cast<uint4*>(target) = make_uint4(0, 0, 0, 0);
    }
  }
}

// The other part: thread t has pairs 2 (t % 16) and the next of head t / 16, if the CTA has it.
template <class T>
__device__ __forceinline__ uint2 read_rope_part(const AttendParams& params, int token,
                                                int first_head) {
  const int head = first_head + static_cast<int>(threadIdx.x) / kRopeThreads;
  if (!has_head<T, kRopeThreads>() || head >= params.heads) return make_uint2(0, 0);
  const int64_t row = int64_t{token} * params.heads + head;
  const __nv_bfloat16* source = params.queries.get() + (row + 1) * params.head_dim - kRope;
  return reinterpret_cast<const uint2*>(source)[threadIdx.x % 16];
}

__device__ __forceinline__ uint32_t rotate_packed(uint32_t packed, float cosine, float sine) {
  const float2 pair = __bfloat1622float2(*reinterpret_cast<const __nv_bfloat162*>(&packed));
  const float2 turned = rotate_pair(pair, cosine, sine);
  return cuda::pack_pair<DType::kBFloat16>(turned.x, turned.y);
}

struct Rotation {
  float2 cosines;
  float2 sines;
};
__device__ __forceinline__ Rotation read_rotation(const AttendParams& params, int position) {
  const auto* rope = reinterpret_cast<const float2*>(rope_row(params.rope, position));
  return {__ldg(rope + threadIdx.x % 16), __ldg(rope + kRope / 4 + threadIdx.x % 16)};
}

template <class T>
__device__ __forceinline__ void store_rope_part(const Rotation& rotation, uint2 pairs,
                                                Shared<T>& shared) {
  if (!has_head<T, kRopeThreads>()) return;
  auto* target = reinterpret_cast<uint2*>(&shared.queries[threadIdx.x / kRopeThreads][kLatent]) +
                 threadIdx.x % kRopeThreads;
  *target = make_uint2(rotate_packed(pairs.x, rotation.cosines.x, rotation.sines.x),
                       rotate_packed(pairs.y, rotation.cosines.y, rotation.sines.y));
}

}  // namespace attend
}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
