// What the traced build of the kernels does where the ordinary build does nothing: the first thread
// of a CTA notes when the kernel starts, triggers, returns from its wait and ends.
//
// Kernels call pdl::wait() and pdl::trigger(). In this build the namespace kernels::pdl below lies
// in front of slipstream::pdl and adds the stamps; everything else it passes on.
#pragma once

#include "pdl/instrument/stamps.h"
#include "slipstream/pdl.cuh"

namespace {
__device__ slipstream::trace::StampLists stamp_lists;
[[maybe_unused]] const int stamp_lists_registered = slipstream::trace::register_lists(&stamp_lists);
}  // namespace

namespace slipstream::step::kernels {

struct HookTimes {
  uint64_t trigger;
  uint64_t wait_return;
};

__device__ __forceinline__ HookTimes& hook_times() {
  __shared__ HookTimes times;
  return times;
}

__device__ __forceinline__ uint64_t global_time() {
  uint64_t time;
  asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(time)::"memory");
  return time;
}

__device__ __forceinline__ bool is_stamping_thread() {
  return threadIdx.x == 0 && threadIdx.y == 0 && threadIdx.z == 0;
}

// Lives as long as the kernel's body.
class LaunchScope {
 public:
  __device__ __forceinline__ LaunchScope() {
    if (!is_stamping_thread()) return;
    start_ = global_time();
    hook_times() = {};
    asm("mov.u32 %0, %%smid;" : "=r"(sm_));
    // Nobody looks at the result before the end, so that nobody waits for it.
    // slipstream-check: allow R1 R2 R6: no kernel reads the counts but to add to them
    index_ = atomicAdd(&stamp_lists.counts[sm_], 1);
  }
  __device__ __forceinline__ ~LaunchScope() {
    if (!is_stamping_thread() || index_ >= stamp_lists.capacity) return;
    const uint32_t cta = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
    // slipstream-check: allow R1 R2 R6: every CTA has a place of its own, read when all is done
    stamp_lists.stamps[uint64_t{sm_} * stamp_lists.capacity + index_] = {
        start_, hook_times().trigger, hook_times().wait_return, global_time(), cta, sm_};
  }
  LaunchScope(const LaunchScope&) = delete;
  LaunchScope& operator=(const LaunchScope&) = delete;

 private:
  uint64_t start_;
  uint32_t sm_;
  uint32_t index_;
};

namespace pdl {
using namespace ::slipstream::pdl;

__device__ __forceinline__ void wait() {
  ::slipstream::pdl::wait();
  if (is_stamping_thread()) hook_times().wait_return = global_time();
}

__device__ __forceinline__ void trigger() {
  if (is_stamping_thread()) hook_times().trigger = global_time();
  ::slipstream::pdl::trigger();
}
}  // namespace pdl

}  // namespace slipstream::step::kernels
