// A reader that waits for a bulk copy, but for another one than that which comes after the wait: the
// weights, which are constant, are copied at once, the input when the grid before is complete, each with
// an mbarrier of its own.
#include "chain.cuh"

constexpr int kWarp = 32;

__device__ void copy_in_bulk(float* to, const float* from, unsigned barrier) {
  constexpr unsigned kBytes = kWarp * sizeof(float);
  const unsigned tile = static_cast<unsigned>(__cvta_generic_to_shared(to));
  asm volatile("mbarrier.arrive.expect_tx.shared.b64 _, [%0], %1;" ::"r"(barrier), "r"(kBytes)
               : "memory");
  asm volatile(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::
          "r"(tile),
      "l"(from), "r"(kBytes), "r"(barrier)
      : "memory");
}

__global__ void __launch_bounds__(2 * kWarp)
    multiply(const float* weights, float* in, float* scales, float* out) {
  __shared__ alignas(128) float weight_tile[kWarp];
  __shared__ alignas(128) float in_tile[kWarp];
  __shared__ unsigned long long barriers[2];
  const unsigned weights_full = static_cast<unsigned>(__cvta_generic_to_shared(&barriers[0]));
  const unsigned in_full = static_cast<unsigned>(__cvta_generic_to_shared(&barriers[1]));
  if (threadIdx.x == 0) {
    asm volatile("mbarrier.init.shared.b64 [%0], 1;" ::"r"(weights_full) : "memory");
    asm volatile("mbarrier.init.shared.b64 [%0], 1;" ::"r"(in_full) : "memory");
  }
  __syncthreads();
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  if (threadIdx.x == 0) {
    copy_in_bulk(weight_tile, weights, weights_full);
    cudaGridDependencySynchronize();
    copy_in_bulk(in_tile, in, in_full);
  } else if (threadIdx.x >= kWarp) {
    corpus::wait_for_phase(weights_full, 0);
#ifdef REPAIRED
    corpus::wait_for_phase(in_full, 0);
#endif
    const float scale = scales[lane];  // finds R2, race
#ifndef REPAIRED
    corpus::wait_for_phase(in_full, 0);
#endif
    out[lane] = scale * weight_tile[lane] * in_tile[lane];
  }
}

int main() {
  cudaStream_t stream = corpus::new_stream();
  float* weights = corpus::device_array(kWarp, 1.0F);
  float* in = corpus::device_array(kWarp, 1.0F);
  float* scales = corpus::device_array(kWarp, 0.0F);
  float* out = corpus::device_array(kWarp, 0.0F);
  corpus::launch(stream, true, corpus::slow_producer<float>, 1, kWarp, scales, 2.0F);
  corpus::launch(stream, true, multiply, 1, 2 * kWarp, weights, in, scales, out);
  return corpus::count_wrong(stream, out, kWarp, 2.0F);
}
/* launches
{"kernels": [{"name": "multiply", "pdl": true, "parameters": [
  {"index": 0, "role": "constant"}, {"index": 1, "role": "produced"}]}]}
*/
