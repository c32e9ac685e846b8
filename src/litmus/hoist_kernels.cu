// Each pair differs in the type of one parameter. What the compilers do with the first of a pair,
// `slipstream check` reports as R4 and R5.
#include "litmus/device.cuh"
#include "litmus/hoist_kernels.h"
#include "slipstream/pdl.cuh"

namespace slipstream::litmus {
namespace {

__device__ __forceinline__ unsigned first_word() {
  return (blockIdx.x * blockDim.x + threadIdx.x) * kWordsPerThread;
}

// Waits in the first round of a loop, and reads after the wait in every round.
template <class Pointer>
__device__ __forceinline__ void wait_in_loop(Pointer data, const Control* control, Slot* slots,
                                             int rounds) {
  unsigned sum = 0;
  for (int round = 0; round < rounds; ++round) {
    if (round == 0) pdl::wait();
    // slipstream-check: allow R1 R4 R5: ptxas moves this read above the wait, which is observed
    sum += data[first_word()];
  }
  count_reads(slots[0], sum != rounds * (control->base + 1) ? 1 : 0);
}

__global__ void wait_in_loop_const_restrict_kernel(const unsigned* __restrict__ data,
                                                   const Control* control, Slot* slots,
                                                   int rounds) {
  wait_in_loop(data, control, slots, rounds);
}

__global__ void wait_in_loop_plain_kernel(unsigned* data, const Control* control, Slot* slots,
                                          int rounds) {
  wait_in_loop(data, control, slots, rounds);
}

// Reads before the wait, where any value is allowed, and again after it. The first value is counted
// in slot 1.
template <class Pointer>
__device__ __forceinline__ void reads_twice(Pointer data, const Control* control, Slot* slots) {
  // slipstream-check: allow R1 R4 R5: the compiler keeps this value for the read after the wait
  const unsigned early = data[first_word()];
  count_reads(slots[1], early != control->base + 1 ? 1 : 0);
  pdl::wait();
  // slipstream-check: allow R1 R4 R5: see above
  const unsigned late = data[first_word()];
  count_reads(slots[0], late != control->base + 1 ? 1 : 0);
}

__global__ void reads_twice_const_restrict_kernel(const unsigned* __restrict__ data,
                                                  const Control* control, Slot* slots, int) {
  reads_twice(data, control, slots);
}

__global__ void reads_twice_plain_kernel(unsigned* data, const Control* control, Slot* slots, int) {
  reads_twice(data, control, slots);
}

// One warp waits, a barrier orders the others after it.
template <class Pointer>
__device__ __forceinline__ void one_warp_waits(Pointer data, const Control* control, Slot* slots) {
  if (threadIdx.x < 32) pdl::wait();
  __syncthreads();
  // slipstream-check: allow R1 R2 R4 R5: on some targets ptxas moves this read above the barrier
  const unsigned seen = data[first_word()];
  count_reads(slots[0], seen != control->base + 1 ? 1 : 0);
}

__global__ void one_warp_waits_const_restrict_kernel(const unsigned* __restrict__ data,
                                                     const Control* control, Slot* slots, int) {
  one_warp_waits(data, control, slots);
}

__global__ void one_warp_waits_plain_kernel(unsigned* data, const Control* control, Slot* slots,
                                            int) {
  one_warp_waits(data, control, slots);
}

template <class Kernel>
const void* address_of(Kernel* kernel) {
  return reinterpret_cast<const void*>(kernel);
}

}  // namespace

const void* wait_in_loop_const_restrict() { return address_of(wait_in_loop_const_restrict_kernel); }
const void* wait_in_loop_plain() { return address_of(wait_in_loop_plain_kernel); }
const void* reads_twice_const_restrict() { return address_of(reads_twice_const_restrict_kernel); }
const void* reads_twice_plain() { return address_of(reads_twice_plain_kernel); }
const void* one_warp_waits_const_restrict() {
  return address_of(one_warp_waits_const_restrict_kernel);
}
const void* one_warp_waits_plain() { return address_of(one_warp_waits_plain_kernel); }

}  // namespace slipstream::litmus
