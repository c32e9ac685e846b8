// Shared memory of the other CTAs of a cluster, and copies that need no register.
#pragma once

#include <cstdint>

#include "cuda/cluster.cuh"

namespace slipstream::cuda {

__device__ __forceinline__ void cluster_sync() {
  cluster_arrive();
  cluster_wait();
}

// Into `peer`'s copy of a shared variable.
__device__ __forceinline__ void store_to(uint32_t& variable, int peer, uint32_t value) {
  asm volatile("st.shared::cluster.u32 [%0], %1;" ::"r"(remote_address(&variable, peer)), "r"(value)
               : "memory");
}

// 16 bytes from global to shared memory, asynchronously; wait_copies<n>() returns
// once all but the last n groups of the thread's copies have arrived.
__device__ __forceinline__ void copy_16(uint32_t shared, const void* global) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(shared), "l"(global) : "memory");
}
__device__ __forceinline__ void copy_16(void* shared, const void* global) {
  copy_16(shared_address(shared), global);
}
__device__ __forceinline__ void commit_copies() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}
template <int groups = 0>
__device__ __forceinline__ void wait_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(groups) : "memory");
}

}  // namespace slipstream::cuda
