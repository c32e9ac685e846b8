// A warp's private ring of weights: it copies its own chunks in and shares no barrier with others.
//
// The other ring, experts/piece_ring.cuh, takes pieces of any size from a cursor, since which expert
// comes next is known only after the wait. Here every chunk has the same size and every lane knows
// that of its slot at the start, so the first copies of all slots are started at once, before the
// wait, and each address is one addition.
#pragma once

#include "cuda/cluster.cuh"
#include "step/kernels/linear/params.h"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {

class ChunkRing {
 public:
  // `memory`: slots * 2 KB of this warp's shared memory; `barriers`: kMaxRingSlots of this warp, by an index
  // that is known to be the same in all lanes.
  __device__ ChunkRing(const unsigned char* memory, uint64_t* barriers, int slots)
      : memory_(cuda::shared_address(memory)),
        barriers_(cuda::shared_address(barriers)),
        slots_(slots) {
    cuda::make_own_barriers<kMaxRingSlots>(barriers);
  }

  // Starts to copy the first chunks: each lane gives that of its slot, or null.
  __device__ void fill(const std::byte* chunk) const {
    if (chunk != nullptr) copy(static_cast<int>(threadIdx.x) % 32, chunk);
  }

  // Starts to copy a chunk into the oldest slot, which no lane reads any more.
  __device__ void push(const std::byte* chunk) {
    if (threadIdx.x % 32 == 0) copy(free_, chunk);
    if (++free_ == slots_) free_ = 0;
  }

  // Waits for the next chunk; its address in shared memory.
  __device__ uint32_t pop() {
    cuda::wait_barrier(barriers_ + full_ * 8, phase_);
    const uint32_t address = memory_ + full_ * kChunkBytes;
    if (++full_ == slots_) {
      full_ = 0;
      phase_ ^= 1;
    }
    return address;
  }

 private:
  __device__ void copy(int slot, const std::byte* chunk) const {
    cuda::expect_bytes(barriers_ + slot * 8, kChunkBytes);
    cuda::copy_bulk(memory_ + slot * kChunkBytes, chunk, kChunkBytes, barriers_ + slot * 8,
                    policy_);
  }

  uint32_t memory_;
  uint32_t barriers_;
  int slots_;
  uint64_t policy_ = cuda::evict_first_policy();  // no weight is read twice in a step
  int full_ = 0;
  int free_ = 0;
  uint32_t phase_ = 0;
};

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
