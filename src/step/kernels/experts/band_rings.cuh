// How banded weights come to the warpgroups that multiply them: a ring for each, filled by one warp. A ring
// of all would not do: where pieces arrive out of order, a warpgroup could be two phases ahead of a
// barrier, which knows only their parity.
#pragma once

#include "cuda/cluster.cuh"
#include "cuda/memory.cuh"
#include "cuda/warpgroup.cuh"
#include "step/kernels/experts/columns.cuh"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {
namespace experts {

inline constexpr int kWarpgroupWarps = 4;
inline constexpr int kMaxWarpgroups = 4;
constexpr int banded_threads(int warpgroups) { return (warpgroups * kWarpgroupWarps + 1) * 32; }

inline constexpr int kMaxBandSlots = 4;
inline constexpr int kLeastCodes = 2048;  // bytes, for the rehearsal

// Of the warpgroups' rings.
struct BandedShared {
  uint64_t full[kMaxWarpgroups * kMaxBandSlots];
  uint64_t empty[kMaxWarpgroups * kMaxBandSlots];
};

// Barriers of named threads: all is prepared for the wait; columns are known; all is ready for products; all
// sums are there.
inline constexpr int kPreparedBarrier = 4;
inline constexpr int kSortedBarrier = 1;
inline constexpr int kReadyBarrier = 2;
inline constexpr int kSummedBarrier = 3;

// Bands of a CTA.
struct Bands {
  int first;
  int count;
};
__device__ __forceinline__ Bands bands_of(const DownLaunch& params, Cta cta) {
  const int first = cta.index * params.memory.bands;
  return {first, min(params.memory.bands, params.down.bands() - first)};
}

// The slots of all warpgroups' rings, by their addresses: those of a ring follow each other.
struct Rings {
  uint32_t memory;
  uint32_t full;
  uint32_t empty;
  int slot_bytes;

  __device__ Rings(const DownLaunch& params, const BandedShared& shared,
                   const unsigned char* memory_in)
      : memory(cuda::shared_address(memory_in)),
        full(cuda::shared_address(shared.full)),
        empty(cuda::shared_address(shared.empty)),
        slot_bytes(params.memory.slot_bytes) {}
  __device__ uint32_t slot(int index) const { return memory + index * slot_bytes; }
  __device__ uint32_t full_barrier(int index) const { return full + index * kBarrier; }
  __device__ uint32_t empty_barrier(int index) const { return empty + index * kBarrier; }

 private:
  static constexpr int kBarrier = sizeof(uint64_t);
};

// A warpgroup's slots in turn.
struct Turn {
  int first;
  int next = 0;
  int lap = 0;

  __device__ int slot() const { return first + next; }
  __device__ void advance(int slots) {
    if (++next < slots) return;
    next = 0;
    ++lap;
  }
};

// The warp that copies weights: items in their order, in turn for each warpgroup.
template <int kWarpgroups>
class BandProducer {
 public:
  __device__ BandProducer(const DownLaunch& params, BandedShared& shared,
                          const unsigned char* memory, const Bands& bands)
      : rings_(params, shared, memory),
        slots_(params.memory.slots),
        shared_items_(Columns::shared_items(params.tokens)),
        all_bands_(params.down.bands()),
        bands_(bands),
        chosen_(params.down.tiles.get()),
        shared_(params.shared_down.tiles.get()),
        groups_(params.down.groups()),
        shared_groups_(params.shared_down.groups()),
        expert_bytes_(params.memory.expert_bytes) {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    if (lane < kWarpgroups * slots_) {
      cuda::initialize_barrier(&shared.full[lane], 1);
      cuda::initialize_barrier(&shared.empty[lane], kWarpgroupWarps);
      cuda::publish_barriers();
    }
    __syncwarp();
#pragma unroll
    for (int group = 0; group < kWarpgroups; ++group) turns_[group].first = group * slots_;
    cuda::settle(chosen_, groups_, expert_bytes_);
  }
  // Sends for what comes next of the first `items` items. Where it must not wait, as far as there are
  // slots that have never been used.
  __device__ void send(const Columns& columns, int items, bool waits) {
#pragma unroll 1
    while (item_ < items && (waits || turns_[0].lap == 0)) {
      if (left_ == 0) {
        const bool is_shared = item_ < shared_items_;
        left_ = is_shared ? shared_groups_ : groups_;
        source_ = is_shared ? shared_ : chosen_ + int64_t{columns.expert(item_)} * expert_bytes_;
      }
      const int band_bytes = PackedMatrix::band_bytes(min(left_, 2));
      push(source_ + bands_.first * band_bytes, bands_.count * band_bytes);
      source_ += int64_t{all_bands_} * band_bytes;
      left_ = max(left_ - 2, 0);
      if (left_ == 0) next_item();
    }
  }

 private:
  __device__ void push(const std::byte* source, int bytes) {
    Turn& turn = turns_[0];
    const int slot = turn.slot();
    if (turn.lap > 0) cuda::wait_barrier(rings_.empty_barrier(slot), turn.lap - 1 & 1);
    if (threadIdx.x % 32 == 0) {
      cuda::expect_bytes(rings_.full_barrier(slot), bytes);
      cuda::copy_bulk(rings_.slot(slot), source, bytes, rings_.full_barrier(slot), policy_);
    }
    __syncwarp();
    turn.advance(slots_);
  }
  __device__ void next_item() {
    ++item_;
    const Turn used = turns_[0];
#pragma unroll
    for (int group = 1; group < kWarpgroups; ++group) turns_[group - 1] = turns_[group];
    turns_[kWarpgroups - 1] = used;
  }

  Rings rings_;
  int slots_;
  int shared_items_;
  int all_bands_;
  Bands bands_;
  const std::byte* chosen_;
  const std::byte* shared_;
  int groups_;
  int shared_groups_;
  int expert_bytes_;
  uint64_t policy_ = cuda::evict_first_policy();
  int item_ = 0;
  int left_ = 0;  // groups of columns of the item; 0: it has not begun
  const std::byte* source_ = nullptr;
  Turn turns_[kWarpgroups] = {};  // from the item's on
};

}  // namespace experts
}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
