// The mbarriers of a pipeline lie in pairs: one says that a tile is full, the next one that its sums are
// cleared. The reader waits for the second one of the pair, at which nobody arrives who has waited.
#include "chain.cuh"

constexpr int kWarp = 32;
constexpr int kStages = 4;

struct Pair {
  unsigned long long full;
  unsigned long long cleared;
};

__device__ unsigned address_of(unsigned long long& barrier) {
  return static_cast<unsigned>(__cvta_generic_to_shared(&barrier));
}

__device__ void initialize(unsigned barrier) {
  asm volatile("mbarrier.init.shared.b64 [%0], %1;" ::"r"(barrier), "r"(kWarp) : "memory");
}

__device__ void arrive(unsigned barrier) {
  asm volatile("mbarrier.arrive.shared.b64 _, [%0];" ::"r"(barrier) : "memory");
}

__global__ void __launch_bounds__(3 * kWarp)
    multiply(float* in, float* scales, float* out, int rounds) {
  __shared__ float tiles[kStages][kWarp];
  __shared__ float sums[kStages][kWarp];
  __shared__ Pair pairs[kStages];
  if (threadIdx.x < kStages) {
    initialize(address_of(pairs[threadIdx.x].full));
    initialize(address_of(pairs[threadIdx.x].cleared));
  }
  __syncthreads();
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  if (warp == 0) cudaGridDependencySynchronize();
  for (int round = 0; round < rounds; ++round) {
    const int stage = round % kStages;
    const unsigned phase = static_cast<unsigned>(round / kStages) % 2;
    const int at = round * kWarp + lane;
    if (warp == 0) {
      tiles[stage][lane] = in[at];
      arrive(address_of(pairs[stage].full));
    } else if (warp == 1) {
      sums[stage][lane] = 0.0F;
      arrive(address_of(pairs[stage].cleared));
    } else {
      corpus::wait_for_phase(address_of(pairs[stage].cleared), phase);
#ifdef REPAIRED
      corpus::wait_for_phase(address_of(pairs[stage].full), phase);
#endif
      const float scale = scales[at];  // finds R2, race
#ifndef REPAIRED
      corpus::wait_for_phase(address_of(pairs[stage].full), phase);
#endif
      out[at] = sums[stage][lane] + scale * tiles[stage][lane];
    }
  }
}

int main() {
  constexpr int kCount = kStages * kWarp;
  cudaStream_t stream = corpus::new_stream();
  float* in = corpus::device_array(kCount, 1.0F);
  float* scales = corpus::device_array(kCount, 0.0F);
  float* out = corpus::device_array(kCount, 0.0F);
  corpus::launch(stream, true, corpus::slow_producer<float>, 1, kCount, scales, 2.0F);
  corpus::launch(stream, true, multiply, 1, 3 * kWarp, in, scales, out, kStages);
  return corpus::count_wrong(stream, out, kCount, 2.0F);
}
