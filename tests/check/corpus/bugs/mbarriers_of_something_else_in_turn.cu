// A pipeline whose stages have an mbarrier each: the loading warp waits and fills tiles, another one only
// clears sums. The third warp waits for the sums of a stage to be cleared before it reads, which tells it
// nothing of the grid before. An index chooses the mbarrier, and turns round after the last stage.
#include "chain.cuh"

constexpr int kWarp = 32;
constexpr int kStages = 3;

__device__ void arrive(unsigned barrier) {
  asm volatile("mbarrier.arrive.shared.b64 _, [%0];" ::"r"(barrier) : "memory");
}

struct Stage {
  int index = 0;
  unsigned phase = 0;

  __device__ void advance() {
    if (++index != kStages) return;
    index = 0;
    phase ^= 1U;
  }
};

__global__ void __launch_bounds__(3 * kWarp)
    multiply(float* in, float* scales, float* out, int rounds) {
  __shared__ float tiles[kStages][kWarp];
  __shared__ float sums[kStages][kWarp];
  __shared__ unsigned long long full[kStages];
  __shared__ unsigned long long cleared[kStages];
  const unsigned full_at = static_cast<unsigned>(__cvta_generic_to_shared(full));
  const unsigned cleared_at = static_cast<unsigned>(__cvta_generic_to_shared(cleared));
  if (threadIdx.x < kStages) {
    const unsigned offset = 8 * threadIdx.x;
    asm volatile("mbarrier.init.shared.b64 [%0], %1;" ::"r"(full_at + offset), "r"(kWarp)
                 : "memory");
    asm volatile("mbarrier.init.shared.b64 [%0], %1;" ::"r"(cleared_at + offset), "r"(kWarp)
                 : "memory");
  }
  __syncthreads();
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  Stage stage;
  if (warp == 0) {
    cudaGridDependencySynchronize();
    for (int round = 0; round < rounds; ++round, stage.advance()) {
      tiles[stage.index][lane] = in[round * kWarp + lane];
      arrive(full_at + 8 * stage.index);
    }
  } else if (warp == 1) {
    for (int round = 0; round < rounds; ++round, stage.advance()) {
      sums[stage.index][lane] = 0.0F;
      arrive(cleared_at + 8 * stage.index);
    }
  } else {
    for (int round = 0; round < rounds; ++round, stage.advance()) {
      corpus::wait_for_phase(cleared_at + 8 * stage.index, stage.phase);
#ifdef REPAIRED
      corpus::wait_for_phase(full_at + 8 * stage.index, stage.phase);
#endif
      const float scale = scales[round * kWarp + lane];  // finds R2, race
#ifndef REPAIRED
      corpus::wait_for_phase(full_at + 8 * stage.index, stage.phase);
#endif
      out[round * kWarp + lane] = sums[stage.index][lane] + scale * tiles[stage.index][lane];
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
