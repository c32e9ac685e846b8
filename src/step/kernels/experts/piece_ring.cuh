// A warp's private ring of weights in shared memory: pieces in the order that a cursor names. The
// warp copies its own pieces in and shares no barrier with others; the cursor runs ahead of the
// products, across tiles and experts, so that the copies never pause. (linear/chunk_ring.cuh is the
// ring for chunks of one size that are known before the wait.)
#pragma once

#include "cuda/cluster.cuh"
#include "cuda/memory.cuh"
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

  // `memory`: slots * slot_bytes of this warp's; `barriers`: kMaxSlots of this warp's, by an index that is
  // known to be the same in all lanes.
  __device__ PieceRing(unsigned char* memory, uint64_t* barriers, int slots, int slot_bytes)
      : memory_(cuda::shared_address(memory)),
        barriers_(cuda::shared_address(barriers)),
        slots_(slots),
        slot_bytes_(slot_bytes) {
    cuda::make_own_barriers<kMaxSlots>(barriers);
    // Else they are computed from scratch for every piece.
    cuda::keep(memory_);
    cuda::keep(barriers_);
  }

  // Starts copies as far as there is room. A cursor has valid(), piece() and advance().
  template <class Cursor>
  __device__ void fill(Cursor& cursor) {
    for (; in_use_ < slots_ && cursor.valid(); cursor.advance()) {
      const int slot = slot_ + in_use_;
      push(cursor.piece(), slot < slots_ ? slot : slot - slots_);
      ++in_use_;
    }
  }

  // The oldest piece, in shared memory.
  __device__ uint32_t wait() const {
    cuda::wait_barrier(barrier(slot_), phase_);
    return memory_ + slot_ * slot_bytes_;
  }

  // All lanes have read the oldest piece; copies the next one in its place. A ring that is not full
  // has had its last piece, or is filled first.
  template <class Cursor>
  __device__ void release(Cursor& cursor) {
    __syncwarp();
    if (cursor.valid()) {
      push(cursor.piece(), slot_);
      cursor.advance();
    } else {
      --in_use_;
    }
    if (++slot_ < slots_) return;
    slot_ = 0;
    phase_ ^= 1;
  }

 private:
  __device__ uint32_t barrier(int slot) const {
    return barriers_ + slot * static_cast<int>(sizeof(uint64_t));
  }
  __device__ void push(const Piece& piece, int slot) const {
    if (threadIdx.x % 32 != 0) return;
    cuda::expect_bytes(barrier(slot), piece.bytes);
    cuda::copy_bulk(memory_ + slot * slot_bytes_, piece.source, piece.bytes, barrier(slot),
                    policy_);
  }

  // Addresses in shared memory.
  uint32_t memory_;
  uint32_t barriers_;
  int slots_;
  int slot_bytes_;
  uint64_t policy_ = cuda::evict_first_policy();  // no weight is read twice in a step
  int in_use_ = 0;
  int slot_ = 0;
  uint32_t phase_ = 0;
};

}  // namespace experts
}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
