// Shared memory of the other CTAs of a cluster, and copies that need no register.
#pragma once

#include <cstdint>

#include "cuda/cluster.cuh"

namespace slipstream::cuda {

__device__ __forceinline__ void cluster_sync() {
  cluster_arrive();
  cluster_wait();
}

// `peer`'s copy of a shared variable.
template <class T>
__device__ __forceinline__ T load_from(const T& variable, int peer) {
  static_assert(sizeof(T) == 4);
  uint32_t bits;
  asm volatile("ld.shared::cluster.u32 %0, [%1];"
               : "=r"(bits)
               : "r"(remote_address(&variable, peer))
               : "memory");
  return static_cast<T>(bits);
}

__device__ __forceinline__ void store_to(uint32_t& variable, int peer, uint32_t value) {
  asm volatile("st.shared::cluster.u32 [%0], %1;" ::"r"(remote_address(&variable, peer)), "r"(value)
               : "memory");
}
__device__ __forceinline__ void store_to(uint64_t& variable, int peer, uint64_t value) {
  asm volatile("st.shared::cluster.u64 [%0], %1;" ::"r"(remote_address(&variable, peer)), "l"(value)
               : "memory");
}
__device__ __forceinline__ void store_to(float2& variable, int peer, float2 value) {
  asm volatile("st.shared::cluster.v2.f32 [%0], {%1, %2};" ::"r"(remote_address(&variable, peer)),
               "f"(value.x), "f"(value.y)
               : "memory");
}

// 16 or 4 bytes from global to shared memory, asynchronously; wait_copies<n>() returns
// once all but the last n groups of the thread's copies have arrived.
__device__ __forceinline__ void copy_16(uint32_t shared, const void* global) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(shared), "l"(global) : "memory");
}
__device__ __forceinline__ void copy_16(void* shared, const void* global) {
  copy_16(shared_address(shared), global);
}
__device__ __forceinline__ void copy_4(void* shared, const void* global) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4;" ::"r"(shared_address(shared)), "l"(global)
               : "memory");
}
__device__ __forceinline__ void commit_copies() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}
template <int groups = 0>
__device__ __forceinline__ void wait_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(groups) : "memory");
}

}  // namespace slipstream::cuda
