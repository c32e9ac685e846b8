// Thread-block clusters: ranks, the cluster barrier, and stores into a peer's shared memory that an
// mbarrier counts.
#pragma once

#include <cstdint>

#include "cuda/shared_memory.cuh"

namespace slipstream::cuda {

__device__ __forceinline__ int cluster_rank() {
  uint32_t rank;
  asm("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
  return static_cast<int>(rank);
}

// The cluster barrier in two halves: work that touches no peer may lie between them.
__device__ __forceinline__ void cluster_arrive() {
  asm volatile("barrier.cluster.arrive.release.aligned;" ::: "memory");
}
// Shows nothing but barriers that publish_barriers() was called for.
__device__ __forceinline__ void cluster_arrive_relaxed() {
  asm volatile("barrier.cluster.arrive.relaxed.aligned;" ::: "memory");
}
__device__ __forceinline__ void cluster_wait() {
  asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory");
}

// The address of the peer's copy of a shared variable, for store_async_16.
__device__ __forceinline__ uint32_t remote_address(const void* shared, int peer) {
  uint32_t address;
  asm("mapa.shared::cluster.u32 %0, %1, %2;"
      : "=r"(address)
      : "r"(shared_address(shared)), "r"(peer));
  return address;
}

// Makes an mbarrier whose phases complete after `arrivals` arrivals and all bytes expected.
__device__ __forceinline__ void initialize_barrier(uint64_t* barrier, uint32_t arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(barrier)),
               "r"(arrivals)
               : "memory");
}

// Shows the barriers that this thread has made to the bulk copies and, with the cluster barrier, to
// the cluster's peers.
__device__ __forceinline__ void publish_barriers() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}

// Makes a warp's own barriers, of one arrival each, by all of its lanes. One lane makes them, at addresses that
// are known to be the same in all: at each lane's own they are made lane by lane, with a fence for each.
template <int count>
__device__ __forceinline__ void make_own_barriers(uint64_t* barriers) {
  if (threadIdx.x % 32 == 0) {
#pragma unroll
    for (int i = 0; i < count; ++i) initialize_barrier(&barriers[i], 1);
    publish_barriers();
  }
  __syncwarp();
}

__device__ __forceinline__ void arrive(uint32_t barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(barrier) : "memory");
}
__device__ __forceinline__ void arrive(uint64_t* barrier) { arrive(shared_address(barrier)); }

// Arrives once, and lets the phase complete only after `bytes` more bytes were stored. (Here and
// below, barriers and buffers may be named by their 32-bit addresses.)
__device__ __forceinline__ void expect_bytes(uint32_t barrier, uint32_t bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes)
               : "memory");
}
__device__ __forceinline__ void expect_bytes(uint64_t* barrier, uint32_t bytes) {
  expect_bytes(shared_address(barrier), bytes);
}

// Blocks until the phase of the given parity has completed; the bytes counted in it are then
// visible.
__device__ __forceinline__ void wait_barrier(uint32_t barrier, uint32_t parity) {
  asm volatile(
      "{\n"
      ".reg .pred complete;\n"
      "WAIT:\n"
      "mbarrier.try_wait.parity.shared::cta.b64 complete, [%0], %1;\n"
      "@complete bra DONE;\n"
      "bra WAIT;\n"
      "DONE:\n"
      "}\n" ::"r"(barrier),
      "r"(parity)
      : "memory");
}
__device__ __forceinline__ void wait_barrier(uint64_t* barrier, uint32_t parity) {
  wait_barrier(shared_address(barrier), parity);
}

// Tells L2 to evict the lines first that are loaded under it: weights are read once per token and
// would push out what the next kernels need.
__device__ __forceinline__ uint64_t evict_first_policy() {
  uint64_t policy;
  asm("createpolicy.fractional.L2::evict_first.b64 %0, 1.0;" : "=l"(policy));
  return policy;
}

// Lets the thread's bulk copies see what was stored to global memory by plain stores before.
__device__ __forceinline__ void publish_to_copies() {
  asm volatile("fence.proxy.async.global;" ::: "memory");
}

// Copies `bytes` (a multiple of 16) from global to this CTA's shared memory and counts them on the
// barrier.
__device__ __forceinline__ void copy_bulk(uint32_t shared, const void* global, uint32_t bytes,
                                          uint32_t barrier, uint64_t policy) {
  asm volatile(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.L2::cache_hint "
      "[%0], [%1], %2, [%3], %4;" ::"r"(shared),
      "l"(global), "r"(bytes), "r"(barrier), "l"(policy)
      : "memory");
}
__device__ __forceinline__ void copy_bulk(void* shared, const void* global, uint32_t bytes,
                                          uint64_t* barrier, uint64_t policy) {
  copy_bulk(shared_address(shared), global, bytes, shared_address(barrier), policy);
}

// The same without advice to L2.
__device__ __forceinline__ void copy_bulk(void* shared, const void* global, uint32_t bytes,
                                          uint64_t* barrier) {
  asm volatile(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::
          "r"(shared_address(shared)),
      "l"(global), "r"(bytes), "r"(shared_address(barrier))
      : "memory");
}

// Starts to copy 4 bytes from global to shared memory; wait_async_copies() waits for all that the
// calling thread has started.
__device__ __forceinline__ void copy_async_4(void* shared, const void* global) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4;" ::"r"(shared_address(shared)), "l"(global)
               : "memory");
}
__device__ __forceinline__ void wait_async_copies() {
  asm volatile("cp.async.wait_all;" ::: "memory");
}

// Stores 4 bytes into a peer's shared memory and counts them on the peer's mbarrier. Both addresses
// are remote.
__device__ __forceinline__ void store_async_4(uint32_t remote, float value,
                                              uint32_t remote_barrier) {
  asm volatile(
      "st.async.shared::cluster.mbarrier::complete_tx::bytes.f32 [%0], %1, [%2];" ::"r"(remote),
      "f"(value), "r"(remote_barrier)
      : "memory");
}

// The same with 16 bytes.
__device__ __forceinline__ void store_async_16(uint32_t remote, float4 value,
                                               uint32_t remote_barrier) {
  asm volatile(
      "st.async.shared::cluster.mbarrier::complete_tx::bytes.v4.f32 [%0], {%1, %2, %3, %4}, "
      "[%5];" ::"r"(remote),
      "f"(value.x), "f"(value.y), "f"(value.z), "f"(value.w), "r"(remote_barrier)
      : "memory");
}

}  // namespace slipstream::cuda
