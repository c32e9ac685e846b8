// A store to a peer's shared memory that an mbarrier counts: the peer waits for it, and stays until then.
// The last barrier is one of the cluster, for which compilers make two ways where the size of the cluster is
// given at the launch. With the bug the peer waits for nothing and may be gone.
#include "chain.cuh"

constexpr int kThreads = 32;

__device__ unsigned shared_address(const void* pointer) {
  return static_cast<unsigned>(__cvta_generic_to_shared(pointer));
}

__device__ unsigned of_peer(unsigned address, unsigned rank) {
  unsigned result = 0;
  asm volatile("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(result) : "r"(address), "r"(rank));
  return result;
}

__device__ void store_async(unsigned address, float value, unsigned barrier) {
  asm volatile("st.async.shared::cluster.mbarrier::complete_tx::bytes.f32 [%0], %1, [%2];"
               :
               : "r"(address), "f"(value), "r"(barrier)  // finds R14 fault
               : "memory");
}

__device__ void cluster_barrier() {
  asm volatile("barrier.cluster.arrive.release.aligned; barrier.cluster.wait.acquire.aligned;" ::
                   : "memory");
}

// Whoever receives waits at the mbarrier.
__global__ void __cluster_dims__(2, 1, 1) exchange(float* out) {
  __shared__ float received[kThreads];
  __shared__ unsigned long long full;
  cudaGridDependencySynchronize();
  if (threadIdx.x == 0) {
    asm volatile("mbarrier.init.shared.b64 [%0], 1;" ::"r"(shared_address(&full)) : "memory");
    asm volatile("mbarrier.arrive.expect_tx.shared.b64 _, [%0], %1;" ::"r"(shared_address(&full)),
                 "r"(static_cast<int>(sizeof(received)))
                 : "memory");
  }
  cluster_barrier();
  if (blockIdx.x % 2 == 0) {
    store_async(of_peer(shared_address(received + threadIdx.x), 1), 1.0F,
                of_peer(shared_address(&full), 1));
    return;
  }
  corpus::wait_for_phase(shared_address(&full), 0);
  out[threadIdx.x] = received[threadIdx.x];
}

// Of a size that the launch gives.
__global__ void leave(float* out) {
  __shared__ float received[kThreads];
  __shared__ unsigned long long full;
  cudaGridDependencySynchronize();
  if (threadIdx.x == 0) {
    asm volatile("mbarrier.init.shared.b64 [%0], 1;" ::"r"(shared_address(&full)) : "memory");
  }
  cluster_barrier();
  if (blockIdx.x % 2 == 0) {
#ifndef REPAIRED
    corpus::dawdle();
#endif
    store_async(of_peer(shared_address(received + threadIdx.x), 1), 1.0F,
                of_peer(shared_address(&full), 1));
  }
#ifdef REPAIRED
  cluster_barrier();
#endif
  if (blockIdx.x % 2 == 1) out[threadIdx.x] += 1.0F;
}

int main() {
  cudaStream_t stream = corpus::new_stream();
  float* out = corpus::device_array(kThreads, 0.0F);
  corpus::launch(stream, true, exchange, 2, kThreads, out);
  cudaLaunchAttribute attributes[2] = {};
  attributes[0].id = cudaLaunchAttributeProgrammaticStreamSerialization;
  attributes[0].val.programmaticStreamSerializationAllowed = 1;
  attributes[1].id = cudaLaunchAttributeClusterDimension;
  attributes[1].val.clusterDim = {2, 1, 1};
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(2);
  config.blockDim = dim3(kThreads);
  config.stream = stream;
  config.attrs = attributes;
  config.numAttrs = 2;
  corpus::require(cudaLaunchKernelEx(&config, leave, out), "launch");
  return corpus::count_wrong(stream, out, kThreads, 2.0F);
}
