// The kernel of every scripted litmus test. It breaks the rules of PDL on demand, which is what it
// is for.
#include <cooperative_groups.h>

#include "litmus/device.cuh"
#include "litmus/script.h"
#include "slipstream/pdl.cuh"

namespace slipstream::litmus {
namespace {

constexpr unsigned long long kLongestDelay = 20'000'000;  // ns: no script can hang the device

__device__ bool takes_part(const Step& step) {
  const unsigned warp = threadIdx.x / warpSize;
  if (warp < step.first_warp || warp >= step.end_warp) return false;
  if (step.only_first_block && blockIdx.x != 0) return false;
  if (step.not_first_block && blockIdx.x == 0) return false;
  return step.cluster_rank == kAnyRank ||
         step.cluster_rank == cooperative_groups::this_cluster().block_rank();
}

// Between `percent` and twice `percent` of the run's delay, another for every CTA.
__device__ void delay_for(const Control& control, unsigned percent) {
  unsigned random = (control.seed ^ (blockIdx.x * 2654435761U)) * 2246822519U;
  random ^= random >> 15;
  const unsigned long long least = control.delay_nanoseconds * 1ULL * percent / 100;
  const unsigned long long duration = least + least * (random % 1024) / 1024;
  const unsigned long long begin = now();
  while (now() - begin < min(duration, kLongestDelay)) {
  }
}

__device__ unsigned thread_in_grid() { return blockIdx.x * blockDim.x + threadIdx.x; }

// The words of a thread are contiguous, so that the stores of a warp go to many cache lines.
__device__ void write_words(const ScriptParams& params, const Step& step) {
  const unsigned value = params.control->base + step.argument;
  unsigned* words = params.data + thread_in_grid() * kWordsPerThread;
  for (unsigned i = 0; i < step.words; ++i) {
    // slipstream-check: allow R1 R2 R6: the hazard that is to be observed
    words[i] = value;
  }
}

__device__ unsigned load_read_only(const unsigned* address) {
  unsigned value;
  // slipstream-check: allow R1 R2 R4: the hazard that is to be observed
  asm volatile("ld.global.nc.u32 %0, [%1];" : "=r"(value) : "l"(address));
  return value;
}

// Reads what another CTA wrote, the word that was written last first.
__device__ void read_words(const ScriptParams& params, const Step& step) {
  const unsigned value = params.control->base + step.argument;
  const unsigned writer = gridDim.x * blockDim.x - 1 - thread_in_grid();
  const unsigned* words = params.data + writer * kWordsPerThread;
  unsigned wrong = 0;
  for (unsigned i = step.words; i-- > 0;) {
    unsigned seen = 0;
    if (step.action == Action::kReadReadOnly) {
      seen = load_read_only(words + i);
    } else {
      // slipstream-check: allow R1 R2: the hazard that is to be observed
      seen = words[i];
    }
    if (seen != value) ++wrong;
  }
  count_reads(params.slots[step.slot], wrong);
}

__device__ void take_stamp(Slot& slot) {
  if (threadIdx.x % warpSize != 0) return;
  const unsigned long long time = now();
  // slipstream-check: allow R2 R6: stamps that nobody reads before the chain is complete
  atomicMin(&slot.first_stamp, time);
  // slipstream-check: allow R2 R6: see above
  atomicMax(&slot.last_stamp, time);
}

__device__ void count_arrival(Slot& slot) {
  if (threadIdx.x != 0) return;
  // slipstream-check: allow R2 R6: the hazard that is to be observed
  atomicAdd(&slot.arrivals, 1ULL);
}

__device__ void sample_arrivals(Slot& slot) {
  if (threadIdx.x != 0) return;
  // slipstream-check: allow R1 R2 R6: the hazard that is to be observed
  const unsigned long long seen = atomicAdd(&slot.arrivals, 0ULL);
  // slipstream-check: allow R2 R6: a count that nobody reads before the chain is complete
  atomicMin(&slot.fewest_arrivals, seen);
}

__device__ void perform(const ScriptParams& params, const Step& step) {
  switch (step.action) {
    case Action::kWait:
      pdl::wait();
      break;
    case Action::kTrigger:
      pdl::trigger();
      break;
    case Action::kDelay:
      delay_for(*params.control, step.argument);
      break;
    case Action::kWrite:
      write_words(params, step);
      break;
    case Action::kRead:
    case Action::kReadReadOnly:
      read_words(params, step);
      break;
    case Action::kFenceGpu:
      __threadfence();
      break;
    case Action::kFenceSystem:
      __threadfence_system();
      break;
    case Action::kBlockBarrier:
      __syncthreads();
      break;
    case Action::kClusterBarrier:
      cooperative_groups::this_cluster().sync();
      break;
    case Action::kGridBarrier:
      // slipstream-check: allow R1 R2 R6 R13: the grid's own barrier; all its CTAs are resident
      cooperative_groups::this_grid().sync();
      break;
    case Action::kStamp:
      take_stamp(params.slots[step.slot]);
      break;
    case Action::kArrive:
      count_arrival(params.slots[step.slot]);
      break;
    case Action::kSampleArrivals:
      sample_arrivals(params.slots[step.slot]);
      break;
    case Action::kExit:
      break;
  }
}

__global__ void __launch_bounds__(kThreadsPerBlock)
    litmus_script_kernel(const __grid_constant__ ScriptParams params) {
  for (int i = 0; i < params.script.count; ++i) {
    const Step step = params.script.steps[i];
    if (!takes_part(step)) continue;
    if (step.action == Action::kExit) return;
    perform(params, step);
  }
}

}  // namespace

const void* script_kernel() { return reinterpret_cast<const void*>(litmus_script_kernel); }

}  // namespace slipstream::litmus
