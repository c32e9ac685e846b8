// https://github.com/sgl-project/sglang/pull/32954: a CTA exits while its peer still writes to its
// shared memory.
// not in SASS alone: a store to a peer looks like any generic store
#include "chain.cuh"

constexpr int kThreads = 32;

__device__ void cluster_barrier() {
  asm volatile("barrier.cluster.arrive.release.aligned; barrier.cluster.wait.acquire.aligned;" ::
                   : "memory");
}

__global__ void __cluster_dims__(2, 1, 1) exchange(float* out) {
  __shared__ float mine[kThreads];
  cudaGridDependencySynchronize();
  mine[threadIdx.x] = 0.0F;
  cluster_barrier();
  const unsigned local = static_cast<unsigned>(__cvta_generic_to_shared(mine + threadIdx.x));
  unsigned remote = 0;
  asm volatile("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(remote) : "r"(local), "r"(1U));
  if (blockIdx.x % 2 == 0) {
    asm volatile("st.shared::cluster.f32 [%0], %1;" ::"r"(remote), "f"(1.0F)  // finds R14 fault
                 : "memory");
  }
#ifdef REPAIRED
  cluster_barrier();
  if (blockIdx.x % 2 == 1) out[threadIdx.x] = mine[threadIdx.x];
#else
  if (blockIdx.x % 2 == 1) out[threadIdx.x] = 1.0F;
#endif
}

int main() {
  cudaStream_t stream = corpus::new_stream();
  float* out = corpus::device_array(kThreads, 0.0F);
  corpus::launch(stream, true, exchange, 2, kThreads, out);
  return corpus::count_wrong(stream, out, kThreads, 1.0F);
}
