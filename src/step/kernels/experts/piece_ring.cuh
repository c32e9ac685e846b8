// A warp's private ring of weights in shared memory: pieces in the order that a cursor names. The
// warp copies its own pieces in and shares no barrier with others; the cursor runs ahead of the
// products, across tiles and experts, so that the copies never pause. (linear/chunk_ring.cuh is the
// ring for chunks of one size that are known before the wait.)
#pragma once

#include "cuda/cluster.cuh"
#include "step/kernels/linear/params.h"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {
namespace experts {

// Neighboring groups of 128 columns of a tile.
struct Piece {
  const std::byte* source;
  uint32_t bytes;
};

class PieceRing {
 public:
  static constexpr int kMaxSlots = 8;

  // `memory`: slots * slot_bytes of this warp's; `barriers`: kMaxSlots of this warp's.
  __device__ PieceRing(unsigned char* memory, uint64_t* barriers, int slots, int slot_bytes)
      : memory_(memory), barriers_(barriers), slots_(slots), slot_bytes_(slot_bytes) {
    if (threadIdx.x % 32 == 0) {
      for (int slot = 0; slot < slots; ++slot) cuda::initialize_barrier(&barriers[slot], 1);
      cuda::publish_barriers();
    }
    __syncwarp();
  }

  // Starts copies as far as there is room. A cursor has valid(), piece() and advance().
  template <class Cursor>
  __device__ void fill(Cursor& cursor) {
    for (; in_use_ < slots_ && cursor.valid(); cursor.advance()) push(cursor.piece());
  }

  // The oldest piece, in shared memory.
  __device__ uint32_t wait() const {
    cuda::wait_barrier(&barriers_[slot_], phase_);
    return cuda::shared_address(memory_ + slot_ * slot_bytes_);
  }

  // All lanes have read the oldest piece; copies the next one in its place.
  template <class Cursor>
  __device__ void release(Cursor& cursor) {
    __syncwarp();
    if (++slot_ == slots_) {
      slot_ = 0;
      phase_ ^= 1;
    }
    --in_use_;
    fill(cursor);
  }

 private:
  __device__ void push(const Piece& piece) {
    if (threadIdx.x % 32 == 0) {
      cuda::expect_bytes(&barriers_[copy_slot_], piece.bytes);
      cuda::copy_bulk(memory_ + copy_slot_ * slot_bytes_, piece.source, piece.bytes,
                      &barriers_[copy_slot_], policy_);
    }
    if (++copy_slot_ == slots_) copy_slot_ = 0;
    ++in_use_;
  }

  unsigned char* memory_;
  uint64_t* barriers_;
  int slots_;
  int slot_bytes_;
  uint64_t policy_ = cuda::evict_first_policy();  // no weight is read twice in a step
  int in_use_ = 0;
  int slot_ = 0;
  int copy_slot_ = 0;
  uint32_t phase_ = 0;
};

}  // namespace experts
}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
