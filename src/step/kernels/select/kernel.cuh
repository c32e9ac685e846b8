// The index_topk largest scores of each token, lower positions first among equals.
//
// Up to 8192 keys are one CTA's; more are dealt out to a cluster. A CTA has its keys in registers,
// a tile of 8192, or several tiles in shared memory. It counts how many of them fall into each of
// 4096 bins, the upper twelve bits of the scores as halves. The bin in which the last kept key
// lies, of all peers' counts, tells apart what is kept, what is not and some candidates. The slots
// of what reaches that bin are staged in the order of positions before anybody knows which
// candidates are kept: those are ranked by comparing all with all, and the dropped ones left out
// when the list is written. Where the bin holds many (ties, outliers), further rounds split it up
// by digits of the keys' ranks.
//
// What costs time are instructions, some 600 of each of 16 warps: bins are found and compared two
// at a time, and what only some keys need is done by few threads. Everything that crosses threads
// is an integer, so the lists are the same in every run. Tokens with up to index_topk keys have no
// list: readers take every position.
//
// PDL: shared memory alone before the wait.
#pragma once

#include "cuda/memory.cuh"
#include "step/kernels/select/list.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {
namespace select {

// What a lane loads from: its place in the first row.
struct Source {
  const float* scores;
  const int* pages;
  int position;
};

template <int kBegin, int kEnd>
__device__ __forceinline__ void load_rows(Tile& tile, const Source& source, int keys, int step) {
#pragma unroll
  for (int row = kBegin; row < kEnd; ++row) {
    if (row * step < keys - source.position) {
      load_four(tile.scores[row], source.scores + row * step);
    }
  }
}

// Further tiles, which stay in shared memory.
__device__ __forceinline__ void load_tiles(const Source& source, const Share& share,
                                           const Memory& memory) {
#pragma unroll 1
  for (int row = kTileRows; row < share.tiles * kTileRows; ++row) {
    if (share.chunk(row) >= share.keys) break;
    const int distance = row * share.row_step();
    uint4& four = memory.stored[row / kTileRows].scores[row % kTileRows][threadIdx.x];
    if (source.position + distance < share.keys) {
      cuda::copy_16(&four, source.scores + distance);
    } else {
      four = {};
    }
  }
  cuda::commit_copies();
}

// The pages of the lane's keys in a tile.
__device__ __forceinline__ void load_pages(int (&pages)[kTileRows], const Source& source,
                                           const Share& share, int index) {
  const int first = index * kTileRows * share.row_step();
#pragma unroll
  for (int row = 0; row < kTileRows; ++row) {
    const int distance = first + row * share.row_step();
    pages[row] = source.position + distance < share.keys
                     ? load_early(source.pages + distance / kPageSize)
                     : 0;
  }
}

}  // namespace select

// The `workers` CTAs of a cluster share a token's keys.
struct SelectCta {
  int worker;
  int workers;
  int token;
};

template <class Gate>
__device__ __forceinline__ void select_block(const SelectParams& params, SelectCta cta,
                                             unsigned char* dynamic, Gate gate) {
  using namespace select;
  const auto stride = static_cast<int>(params.score_stride);
  const int cluster_bits = 31 - __clz(cta.workers);
  const Share most(stride, cluster_bits, cta.worker);
  const Memory memory(dynamic, params.index_topk, most.tiles);
  SelectShared& shared = memory.shared;
  clear_bins(shared);
  const int words = dropped_words(params.index_topk, most.tiles);
#pragma unroll 1
  for (int i = threadIdx.x; i < words; i += kSelectThreads) memory.dropped[i] = 0;
  if (threadIdx.x < kMaxCandidates / 32) shared.dropped[threadIdx.x] = 0;
  if (threadIdx.x == 0) shared.listed = 0;
  __syncthreads();
  cuda::cluster_arrive();  // peers may write into this CTA's memory after their wait
  const StepRow* row = params.places.rows.get() + cta.token;
  Source source{params.scores.get() + cta.token * params.score_stride, params.places.pages.get(),
                most.position(0)};
  source.scores += source.position;
  source.pages += source.position / kPageSize;
  cuda::settle(row, source.scores, source.pages, stride - source.position);
  gate.pass();

  const int keys = row->position + 1;
  const int sequence = load_early(&row->sequence);
  Tile tile{};
  // Of a token of few keys, the first CTA takes all; it may load what it will not need.
  load_rows<0, 1>(tile, source, stride, 0);
  if (cta.worker == 0) load_rows<1, kTileRows>(tile, source, stride, kRowKeys);
  if (keys <= params.index_topk) return;
  const bool alone = keys <= kTileKeys;
  const Share share{keys, alone ? 0 : cluster_bits, cta.worker};
  if (cta.worker >= share.peers) return;
  if (!alone) load_rows<1, kTileRows>(tile, source, keys, share.row_step());
  if (share.tiles > 1) load_tiles(source, share, memory);
  source.pages += sequence * params.places.pages_per_sequence;
  int pages[kTileRows];
  load_pages(pages, source, share, 0);
#pragma unroll 1
  for (int index = 0; index < share.tiles; ++index) {
    if (index == 1) cuda::wait_copies();
    if (index > 0) load_stored(tile, share, index, memory.stored);
    count_scores(tile, share, index * kTileRows, shared);
    store(tile, share, index, memory.stored);
  }
  __syncthreads();
  if (share.peers > 1) cuda::cluster_wait();
  const auto wanted = static_cast<uint32_t>(params.index_topk);
  find_bin(share, wanted, shared);
  const uint32_t bin = shared.found.bin;
  const bool is_refined = shared.found.in > kMaxCandidates;
  Range range{};
  if (is_refined) range = refine(tile, share, wanted, memory);
  const uint32_t left = wanted - shared.found.above;
  const bool may_drop = shared.found.in != left;
  const int lane = threadIdx.x % 32;
  RowCounts all;
  int begin = 0;
#pragma unroll 1
  for (int index = 0; index < share.tiles; ++index) {
    if (index > 0) load_pages(pages, source, share, index);
    load_stored(tile, share, index, memory.stored);
    const Marks marks =
        is_refined ? classify(tile, range, share, index * kTileRows) : classify(tile, bin);
    const Reached reached(tile, marks, share, index, may_drop, memory);
    __syncthreads();
    const RowCounts warps = unpack(lane < kSelectWarps ? memory.tiles[index].warps[lane] : 0);
    all = sum(warps);
    const RowCounts before = sum(only_if(lane < static_cast<int>(threadIdx.x) / 32, warps));
    if (share.peers > 1) {
      // slipstream-check: allow R14: where there are peers, a cluster barrier follows
      if (static_cast<int>(threadIdx.x) < share.peers) send_rows(all, share, index, memory);
      if (index == share.tiles - 1) {
        if (may_drop) send_candidates(share, 0, shared);
        cuda::cluster_arrive();
      }
    }
    reached.stage(all, before, begin, pages, memory);
    begin += (all.sum() + 31) / 32 * 32;
  }
  int* list = params.lists.get() + cta.token * params.index_topk;
  if (share.peers == 1) {
    if (may_drop) {
      drop_candidates(shared.own, left, share, memory);
      __syncthreads();
      mark_dropped(memory);
    }
    __syncthreads();
    if (may_drop) {
      write_own(static_cast<int>(shared.found.above + shared.found.in), memory, list);
    } else {
      write_all(params.index_topk, memory, list);
    }
    return;
  }
  cuda::cluster_wait();
  if (may_drop) {
    drop_candidates(shared.candidates, left, share, memory);
    __syncthreads();
    mark_dropped(memory);
  }
  __syncthreads();
  begin = 0;
#pragma unroll 1
  for (int index = 0; index < share.tiles; ++index) {
    if (share.tiles > 1) {
      all = sum(unpack(lane < kSelectWarps ? memory.tiles[index].warps[lane] : 0));
    }
    list += write_tile(share, memory, index, begin, all, list);
    begin += (all.sum() + 31) / 32 * 32;
  }
}

__global__ void __launch_bounds__(kSelectThreads, 2)
    select_kernel(const __grid_constant__ SelectParams params) {
  extern __shared__ __align__(16) unsigned char dynamic[];
  [[maybe_unused]] const LaunchScope scope{};
  const SelectCta cta{this_cta().index, this_cta().count, static_cast<int>(blockIdx.y)};
  select_block(params, cta, dynamic, LaunchGate{});
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
