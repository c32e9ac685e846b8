// One thread waits and writes a flag into shared memory; the others poll it and are ordered by what they
// read. Both checks once took that for a race. With the bug the writer sets the flag before its wait.
#include "chain.cuh"

constexpr int kThreads = 64;

__device__ unsigned shared_address(const void* pointer) {
  return static_cast<unsigned>(__cvta_generic_to_shared(pointer));
}

__device__ void store_release(int* flag, int value) {
  asm volatile("st.release.cta.shared.s32 [%0], %1;" ::"r"(shared_address(flag)), "r"(value)
               : "memory");
}

__device__ int load_acquire(const int* flag) {
  int value = 0;
  asm volatile("ld.acquire.cta.shared.s32 %0, [%1];"
               : "=r"(value)
               : "r"(shared_address(flag))
               : "memory");
  return value;
}

__global__ void __launch_bounds__(kThreads) copy(float* in, float* out) {
  __shared__ int ready;
  if (threadIdx.x == 0) ready = 0;
  __syncthreads();
  if (threadIdx.x == 0) {
#ifdef REPAIRED
    cudaGridDependencySynchronize();
    store_release(&ready, 1);
#else
    store_release(&ready, 1);
    cudaGridDependencySynchronize();
#endif
  }
  while (load_acquire(&ready) == 0) {
  }
  const float value = in[threadIdx.x];  // finds R2, race
  __syncthreads();
  out[threadIdx.x] = value;
}

int main() {
  cudaStream_t stream = corpus::new_stream();
  float* in = corpus::device_array(kThreads, 0.0F);
  float* out = corpus::device_array(kThreads, 0.0F);
  corpus::launch(stream, true, corpus::slow_producer<float>, 1, kThreads, in, 1.0F);
  corpus::launch(stream, true, copy, 1, kThreads, in, out);
  return corpus::count_wrong(stream, out, kThreads, 1.0F);
}
