// Warps whose roles a switch tells apart, which compilers turn into a table of targets: that of the second
// warp reads its scales before the barrier, where the first one comes when it has waited.
#include "chain.cuh"

constexpr unsigned kWarp = 32;
constexpr unsigned kWarps = 6;

__global__ void __launch_bounds__(kWarps* kWarp)
    spread(float* in, float* scales, float* a, float* b, float* c, float* d) {
  __shared__ float tile[kWarp];
  const unsigned lane = threadIdx.x % kWarp;
  const unsigned warp = __shfl_sync(~0U, threadIdx.x / kWarp, 0);
  switch (warp) {
    case 0:
      cudaGridDependencySynchronize();
      tile[lane] = in[lane];
      asm volatile("bar.sync 1;" ::: "memory");
      break;
    case 1: {
#ifdef REPAIRED
      asm volatile("bar.sync 1;" ::: "memory");
      const float scale = scales[lane];
#else
      const float scale = scales[lane];  // finds R2, race
      asm volatile("bar.sync 1;" ::: "memory");
#endif
      a[lane] = scale * tile[lane];
      break;
    }
    case 2:
      asm volatile("bar.sync 1;" ::: "memory");
      b[lane] = tile[lane] + b[lane];
      break;
    case 3:
      asm volatile("bar.sync 1;" ::: "memory");
      c[lane] = sqrtf(tile[lane]);
      break;
    case 4:
      asm volatile("bar.sync 1;" ::: "memory");
      d[lane] = tile[kWarp - 1 - lane] * d[lane];
      break;
    default:
      asm volatile("bar.sync 1;" ::: "memory");
      break;
  }
}

int main() {
  cudaStream_t stream = corpus::new_stream();
  float* in = corpus::device_array(kWarp, 1.0F);
  float* scales = corpus::device_array(kWarp, 0.0F);
  float* out[4];
  for (float*& one : out) one = corpus::device_array(kWarp, 0.0F);
  corpus::launch(stream, true, corpus::slow_producer<float>, 1, kWarp, scales, 2.0F);
  corpus::launch(stream, true, spread, 1, kWarps * kWarp, in, scales, out[0], out[1], out[2],
                 out[3]);
  return corpus::count_wrong(stream, out[0], kWarp, 2.0F);
}
