// https://github.com/flashinfer-ai/flashinfer/issues/3361: values written by ordinary stores were
// read by the next kernel's bulk copies before they were visible to them.
// dynamic only: whether the other kernel reads through the async proxy is not seen in this one
#include "chain.cuh"

constexpr int kThreads = 64;

__global__ void quantize(float* out) {
  cudaGridDependencySynchronize();
  out[corpus::thread_index()] = 1.0F;
#ifdef REPAIRED
  asm volatile("fence.proxy.async.global;" ::: "memory");
#endif
  cudaTriggerProgrammaticLaunchCompletion();
}

__global__ void copy_in_bulk(float* in, float* out) {
  __shared__ alignas(128) float tile[kThreads];
  __shared__ unsigned long long full;
  const unsigned barrier = static_cast<unsigned>(__cvta_generic_to_shared(&full));
  const unsigned to = static_cast<unsigned>(__cvta_generic_to_shared(tile));
  if (threadIdx.x == 0) {
    asm volatile("mbarrier.init.shared.b64 [%0], 1;" ::"r"(barrier) : "memory");
    cudaGridDependencySynchronize();
    asm volatile("mbarrier.arrive.expect_tx.shared.b64 _, [%0], %1;" ::"r"(barrier),
                 "r"(static_cast<unsigned>(sizeof tile))
                 : "memory");
    asm volatile(
        "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::
            "r"(to),
        "l"(in), "r"(static_cast<unsigned>(sizeof tile)), "r"(barrier)  // finds race
        : "memory");
  }
  __syncthreads();
  unsigned done = 0;
  while (done == 0) {
    asm volatile(
        "{ .reg .pred p; mbarrier.try_wait.parity.shared.b64 p, [%1], 0; selp.u32 %0, 1, 0, p; }"
        : "=r"(done)
        : "r"(barrier)
        : "memory");
  }
  out[threadIdx.x] = tile[threadIdx.x];
}

int main() {
  cudaStream_t stream = corpus::new_stream();
  float* in = corpus::device_array(kThreads, 0.0F);
  float* out = corpus::device_array(kThreads, 0.0F);
  corpus::launch(stream, true, quantize, 1, kThreads, in);
  corpus::launch(stream, true, copy_in_bulk, 1, kThreads, in, out);
  return corpus::count_wrong(stream, out, kThreads, 1.0F);
}
