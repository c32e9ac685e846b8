// Small device functions that the kernels of the litmus tests share.
#pragma once

#include "litmus/script.h"

namespace slipstream::litmus {

__device__ __forceinline__ unsigned long long now() {
  unsigned long long time;
  asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(time)::"memory");
  return time;
}

// Adds what the 32 lanes of a warp found to the slot.
__device__ __forceinline__ void count_reads(Slot& slot, unsigned wrong) {
  const unsigned wrong_in_warp = __reduce_add_sync(~0U, wrong > 0 ? 1U : 0U);
  if (threadIdx.x % warpSize != 0) return;
  // slipstream-check: allow R2 R6: counters that nobody reads before the chain is complete
  atomicAdd(&slot.reads, 1ULL);
  if (wrong_in_warp == 0) return;
  // slipstream-check: allow R2 R6: see above
  atomicAdd(&slot.wrong, static_cast<unsigned long long>(wrong_in_warp));
}

}  // namespace slipstream::litmus
