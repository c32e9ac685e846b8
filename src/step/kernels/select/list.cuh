// The list of what is kept.
#pragma once

#include "step/kernels/select/border.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {
namespace select {

__device__ __forceinline__ RowCounts unpack(uint32_t bytes) {
  return {bytes & 0x00ff00ff, bytes >> 8 & 0x00ff00ff};
}
__device__ __forceinline__ RowCounts sum(RowCounts counts) {
  return {__reduce_add_sync(kAllLanes, counts.even), __reduce_add_sync(kAllLanes, counts.odd)};
}
__device__ __forceinline__ RowCounts only_if(bool counted, RowCounts counts) {
  return {counted ? counts.even : 0, counted ? counts.odd : 0};
}

// Of each row of a tile, what this CTA's warps stage: all, and those before this one.
struct WarpCounts {
  RowCounts all;
  RowCounts before;
};
template <int kWarps>
__device__ __forceinline__ WarpCounts count_warps(const TileShared& tile) {
  const int lane = threadIdx.x % 32;
  const RowCounts warps = unpack(lane < kWarps ? tile.warps[lane] : 0);
  return {sum(warps), sum(only_if(lane < static_cast<int>(threadIdx.x) / 32, warps))};
}

// Tells the peer of this thread's number how many of each row's keys this CTA keeps.
__device__ __forceinline__ void send_rows(const RowCounts& rows, const Share& share, int index,
                                          const Memory& memory) {
  send(&memory.tiles[index].rows[share.own].even, static_cast<int>(threadIdx.x),
       {rows.even, rows.odd, 0, 0}, &memory.shared.kept_arrived);
}

// The keys of a tile that reach the border's bin.
class Reached {
 public:
  // Counts them and, where some may be dropped, lists the candidates. A barrier follows.
  template <int kWarps>
  __device__ __forceinline__ Reached(const Tile& tile, const Marks& marks,
                                     const ShareOf<kWarps>& share, int index, bool may_drop,
                                     const Memory& memory)
      : bytes_(marks.reached) {
    uint32_t counts = 0;
#pragma unroll
    for (int row = 0; row < kTileRows; ++row) {
      counts |= static_cast<uint32_t>(__dp4a(static_cast<int>(bytes_[row]), -1, 0)) << row * 8;
    }
    if (may_drop) {
      candidates_ = bits_of(marks.candidates);
      first_ = list_candidates(tile, candidates_, share, index * kTileRows, memory.shared);
    }
    const uint32_t prefix = warp_prefix(counts);  // at most 128 in each byte
    if (threadIdx.x % 32 == 31) memory.tiles[index].warps[threadIdx.x / 32] = prefix;
    before_ = prefix - counts;
  }

  // Stages their slots from `begin` on, in the order of positions.
  __device__ __forceinline__ void stage(const WarpCounts& warps, int begin,
                                        const int (&pages)[kTileRows], const Memory& memory) const {
    int places[kTileRows];
#pragma unroll
    for (int row = 0; row < kTileRows; ++row) {
      places[row] = begin + warps.before.of(row) + static_cast<int>(before_ >> 8 * row & 0xff);
      begin += warps.all.of(row);
    }
    if (candidates_ != 0) note_places(places, memory.shared);
    __syncwarp();
#pragma unroll
    for (int row = 0; row < kTileRows; ++row) {
      int* next = memory.staged + places[row];
      const int slot = pages[row] * kPageSize + static_cast<int>(threadIdx.x) % 16 * kLaneKeys;
#pragma unroll
      for (int i = 0; i < kLaneKeys; ++i) {
        if ((bytes_[row] & 0xffU << 8 * i) != 0) *next++ = slot + i;
      }
    }
  }

 private:
  // Where the candidates are staged.
  __device__ __forceinline__ void note_places(const int (&places)[kTileRows],
                                              SelectShared& shared) const {
    const uint32_t reached = bits_of(bytes_);
    uint32_t next = first_;
#pragma unroll 1
    for (uint32_t left = candidates_; left != 0; left &= left - 1) {
      const int i = __ffs(static_cast<int>(left)) - 1;
      const int low = (i & 4) != 0 ? places[1] : places[0];
      const int high = (i & 4) != 0 ? places[3] : places[2];
      const uint32_t of_row = reached >> (i & ~3);
      shared.places[next++] =
          ((i & 8) != 0 ? high : low) + __popc(of_row & ((1U << i % kLaneKeys) - 1));
    }
  }

  const uint32_t (&bytes_)[kTileRows];
  uint32_t before_;
  uint32_t candidates_ = 0;
  uint32_t first_ = 0;
};

// Of those staged of a tile, how many before each were dropped.
class Drops {
 public:
  __device__ Drops(const uint32_t* dropped, bool any) : words_(dropped), any_(any) {}

  // Of 512 neighbors from `first` on, this thread's; in their order.
  __device__ __forceinline__ int before(int first, bool& is_dropped) {
    is_dropped = false;
    if (!any_) return 0;
    const int lane = threadIdx.x % 32;
    const int warp = threadIdx.x / 32;
    const uint32_t word = lane < kSelectWarps ? words_[first / 32 + lane] : 0;
    const int count = __popc(word);
    const int all = __reduce_add_sync(kAllLanes, count);
    const int before = __reduce_add_sync(kAllLanes, lane < warp ? count : 0);
    const uint32_t own = __shfl_sync(kAllLanes, word, warp);
    is_dropped = (own >> lane & 1) != 0;
    const int result = sum_ + before + __popc(own & ((1U << lane) - 1));
    sum_ += all;
    return result;
  }

 private:
  const uint32_t* words_;
  bool any_;
  int sum_ = 0;
};

// Writes what was staged of a tile and is kept. Returns how many keys of the tile all CTAs keep.
__device__ __forceinline__ int write_tile(const Share& share, const Memory& memory, int index,
                                          int begin, const RowCounts& staged, int* list) {
  const int lane = threadIdx.x % 32;
  const RowCounts peers = lane < share.peers ? memory.tiles[index].rows[lane] : RowCounts{0, 0};
  const RowCounts all = sum(peers);
  const RowCounts before = sum(only_if(lane < share.own, peers));
  const RowCounts kept{__shfl_sync(kAllLanes, peers.even, share.own),
                       __shfl_sync(kAllLanes, peers.odd, share.own)};
  int ends[kTileRows];     // of the rows among what is staged
  int offsets[kTileRows];  // of the rows in the list, from their places among what this CTA keeps
  int end = 0;
  int offset = 0;
#pragma unroll
  for (int row = 0; row < kTileRows; ++row) {
    end += staged.of(row);
    ends[row] = end;
    offsets[row] = offset + before.of(row);
    offset += all.of(row) - kept.of(row);
  }
  Drops drops(memory.dropped + begin / 32, kept.even != staged.even || kept.odd != staged.odd);
#pragma unroll 1
  for (int first = 0; first < end; first += kSelectThreads) {
    const int i = first + static_cast<int>(threadIdx.x);
    bool is_dropped;
    const int place = i - drops.before(first, is_dropped);
    const int low = i < ends[0] ? offsets[0] : offsets[1];
    const int high = i < ends[2] ? offsets[2] : offsets[3];
    if (i < end && !is_dropped) {
      list[place + (i < ends[1] ? low : high)] = memory.staged[begin + i];
    }
  }
  return offset + kept.of(0) + kept.of(1) + kept.of(2) + kept.of(3);
}

}  // namespace select
}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
