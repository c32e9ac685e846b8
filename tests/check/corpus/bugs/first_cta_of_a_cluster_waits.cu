// The first CTA of a cluster waits, by its rank, and a barrier of the cluster orders the others. With the
// bug they read before it.
#include "chain.cuh"

constexpr int kThreads = 64;

__device__ unsigned cluster_rank() {
  unsigned rank = 0;
  asm volatile("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
  return rank;
}

__device__ void cluster_barrier() {
  asm volatile("barrier.cluster.arrive.release.aligned; barrier.cluster.wait.acquire.aligned;" ::
                   : "memory");
}

__global__ void __cluster_dims__(2, 1, 1) copy(float* in, float* out) {
  if (cluster_rank() == 0) cudaGridDependencySynchronize();
#ifdef REPAIRED
  cluster_barrier();
#endif
  const float value = in[corpus::thread_index()];  // finds R2, race
#ifndef REPAIRED
  cluster_barrier();
#endif
  out[corpus::thread_index()] = value;
}

int main() {
  cudaStream_t stream = corpus::new_stream();
  float* in = corpus::device_array(2 * kThreads, 0.0F);
  float* out = corpus::device_array(2 * kThreads, 0.0F);
  corpus::launch(stream, true, corpus::slow_producer<float>, 2, kThreads, in, 1.0F);
  corpus::launch(stream, true, copy, 2, kThreads, in, out);
  return corpus::count_wrong(stream, out, 2 * kThreads, 1.0F);
}
