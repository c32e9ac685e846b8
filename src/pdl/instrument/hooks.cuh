// What instrumented kernels do at their start, trigger, wait and end, as the process tells them
// (Instructions): the first thread of a CTA notes the times, or every thread sleeps for a random
// time.
//
// Kernels call pdl::wait() and pdl::trigger(). In the instrumented variant of a floor's kernels
// `pdl` is the namespace below, which adds the hooks and passes everything else on.
#pragma once

#include "pdl/instrument/stamps.h"
#include "slipstream/pdl.cuh"

namespace slipstream::instrument {

namespace {
__constant__ alignas(sizeof(Instructions)) Instructions instructions;  // in one line
[[maybe_unused]] const int instructions_registered = register_instructions(&instructions);
}  // namespace

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

// The thread is asked about first: the first look at constant memory takes half a microsecond, for
// which the other warps, which start the copies of weights, need not wait.
__device__ __forceinline__ bool is_stamping_thread() {
  return threadIdx.x == 0 && threadIdx.y == 0 && threadIdx.z == 0 &&
         instructions.lists.stamps != nullptr;
}

__device__ __forceinline__ void delay() {
  if (!instructions.delays) return;
  uint32_t random;
  asm volatile("mov.u32 %0, %%globaltimer_lo;" : "=r"(random));
  random = (random ^ (blockIdx.x * 2654435761U) ^ (threadIdx.x / 32 * 40503U)) * 2246822519U;
  asm volatile("nanosleep.u32 %0;" ::"r"(random >> 18));
}

// First object of a kernel's body; lives as long as it does.
class LaunchScope {
 public:
  __device__ __forceinline__ LaunchScope() {
    if (!is_stamping_thread()) return;
    start_ = global_time();
    hook_times() = {};
    asm("mov.u32 %0, %%smid;" : "=r"(sm_));
    // The result is used at the end only, so that no instruction before waits for it.
    // slipstream-check: allow R1 R2 R6: no kernel reads the counts but to add to them
    index_ = atomicAdd(&instructions.lists.counts[sm_], 1);
  }
  __device__ __forceinline__ ~LaunchScope() {
    if (!is_stamping_thread() || index_ >= instructions.lists.capacity) return;
    const uint32_t cta = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
    // slipstream-check: allow R1 R2 R6: every CTA has a place of its own, read when all is done
    instructions.lists.stamps[uint64_t{sm_} * instructions.lists.capacity + index_] = {
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
  delay();
  if (is_stamping_thread()) hook_times().wait_return = global_time();
}

__device__ __forceinline__ void trigger() {
  if (is_stamping_thread()) hook_times().trigger = global_time();
  ::slipstream::pdl::trigger();
  delay();
}
}  // namespace pdl

}  // namespace slipstream::instrument
