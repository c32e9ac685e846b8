// A warp's private ring of weights: it copies its own chunks in and shares no barrier with others.
#pragma once

#include "engine/kernels/linear/params.h"
#include "ops/support/cluster.cuh"

namespace slipstream::engine::kernels {

class WeightStream {
 public:
  static constexpr int kMaxSlots = 8;

  // `ring`: slots * 2 KB of this warp's shared memory; `barriers`: kMaxSlots of this warp.
  __device__ WeightStream(unsigned char* ring, std::uint64_t* barriers, int slots)
      : ring_(ring), barriers_(barriers), slots_(slots) {
    if (threadIdx.x % 32 == 0) {
      for (int slot = 0; slot < slots; ++slot) ops::initialize_barrier(&barriers[slot], 1);
      ops::publish_barriers();
    }
    __syncwarp();
  }

  // Starts to stream groups first, first + step, ... below matrix.groups() of a tile. Everything
  // that an earlier start() streamed has been released.
  __device__ void start(const PackedMatrix& matrix, int tile, int first, int step) {
    per_group_ = matrix.chunks_per_group();
    source_ = matrix.tiles.get() + tile * matrix.tile_bytes() +
              static_cast<std::int64_t>(first) * per_group_ * kChunkBytes;
    jump_ = static_cast<std::int64_t>(step - 1) * per_group_ * kChunkBytes;
    const int groups = first < matrix.groups() ? (matrix.groups() - first + step - 1) / step : 0;
    left_ = groups * per_group_;
    in_group_ = 0;
    for (int i = 0; i < slots_; ++i) copy_next();
  }

  // The next chunk, in shared memory.
  __device__ std::uint32_t wait() {
    ops::wait_barrier(&barriers_[slot_], phase_);
    return ops::shared_address(ring_ + slot_ * kChunkBytes);
  }

  // All lanes have read the chunk.
  __device__ void release() {
    __syncwarp();
    if (++slot_ == slots_) {
      slot_ = 0;
      phase_ ^= 1;
    }
    copy_next();
  }

 private:
  __device__ void copy_next() {
    if (left_ == 0) return;
    --left_;
    if (threadIdx.x % 32 == 0) {
      ops::expect_bytes(&barriers_[copy_slot_], kChunkBytes);
      ops::copy_bulk(ring_ + copy_slot_ * kChunkBytes, source_, kChunkBytes, &barriers_[copy_slot_],
                     policy_);
    }
    source_ += kChunkBytes;
    if (++in_group_ == per_group_) {
      in_group_ = 0;
      source_ += jump_;
    }
    if (++copy_slot_ == slots_) copy_slot_ = 0;
  }

  unsigned char* ring_;
  std::uint64_t* barriers_;
  int slots_;
  std::uint64_t policy_ = ops::evict_first_policy();  // nobody reads a weight twice in a step
  const std::byte* source_ = nullptr;
  std::int64_t jump_ = 0;
  int per_group_ = 1;
  int in_group_ = 0;
  int left_ = 0;
  int slot_ = 0;
  int copy_slot_ = 0;
  std::uint32_t phase_ = 0;
};

}  // namespace slipstream::engine::kernels
