// What a step's tokens need of the experts, in shared memory: the distinct experts, and which
// tokens take each.
#pragma once

#include "step/kernels/experts/params.h"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {
namespace experts {

// Token t's i-th choice is row t * choices + i of everything that is made for chosen experts.
template <int kTokenTiles>
struct Plan {
  static constexpr int kTokens = kTokenTiles * 8;
  static constexpr int kPlanRows = kTokens * kMaxChoices;
  static constexpr int kPlanExperts = kPlanRows < kMaxExperts ? kPlanRows : kMaxExperts;

  uint16_t chosen[kPlanRows];  // experts
  uint32_t set[kMaxExperts / 32];
  int count;                             // distinct experts
  uint16_t experts[kPlanExperts];        // in ascending order, of one token: in its own
  uint32_t takers[kPlanExperts];         // tokens as bits
  uint16_t rows[kPlanExperts][kTokens];  // of the takers, 0 of the others

  __device__ void clear() {
    const int threads = static_cast<int>(blockDim.x);
    for (int i = threadIdx.x; i < kMaxExperts / 32; i += threads) set[i] = 0;
    for (int i = threadIdx.x; i < kPlanExperts; i += threads) takers[i] = 0;
    auto* const words = reinterpret_cast<uint32_t*>(&rows[0][0]);
    for (int i = threadIdx.x; i < kPlanExperts * kTokens / 2; i += threads) words[i] = 0;
  }

  // Enters the expert of a row.
  __device__ void enter(int row, int expert, int tokens) {
    chosen[row] = static_cast<uint16_t>(expert);
    if (tokens == 1) {
      experts[row] = static_cast<uint16_t>(expert);
      takers[row] = 1;
      rows[row][0] = static_cast<uint16_t>(row);
    } else {
      atomicOr(&set[expert / 32], 1U << expert % 32);
    }
  }

  // All threads of the CTA, after clear(), a barrier and enter() of every row. One token's
  // choices are distinct, which spares it a barrier.
  __device__ void build(int tokens, int choices) {
    if (tokens == 1) {
      if (threadIdx.x == 0) count = choices;
      __syncthreads();
      return;
    }
    __syncthreads();
    for (int row = threadIdx.x; row < tokens * choices; row += static_cast<int>(blockDim.x)) {
      const int token = row / choices;
      const int expert = chosen[row];
      const int index = below(expert);
      if (atomicOr(&takers[index], 1U << token) == 0) {
        experts[index] = static_cast<uint16_t>(expert);
      }
      rows[index][token] = static_cast<uint16_t>(row);
    }
    if (threadIdx.x == 0) count = below(kMaxExperts);
    __syncthreads();
  }

 private:
  // Members of the set below `expert`.
  __device__ int below(int expert) const {
    int members = 0;
#pragma unroll
    for (int word = 0; word < kMaxExperts / 32; ++word) {
      const int bits = min(max(expert - word * 32, 0), 32);
      const uint32_t mask = bits == 32 ? ~0U : (1U << bits) - 1;
      members += __popc(set[word] & mask);
    }
    return members;
  }
};

}  // namespace experts
}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
