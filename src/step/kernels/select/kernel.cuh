// The index_topk largest scores of each token, lower positions first among equals.
//
// In a workspace of up to 16384 positions a token's keys are one CTA's of 1024 threads. In a larger one up
// to 8192 keys are one CTA's of 512 (alone.cuh); more are dealt out to a cluster (together.cuh). A CTA
// has its keys in registers, a tile of 8192, or several tiles in shared memory. It counts how many
// of them fall into each of 4096 bins, the upper twelve bits of the scores as halves. The bin in
// which the last kept key lies, of all peers' counts, tells apart what is kept, what is not and a
// few candidates, which are ranked by comparing all with all. Where it holds many (ties, outliers),
// further rounds split it up by digits of the keys' ranks. Slots of what is kept are staged in the
// order of positions; in a cluster they are staged with all candidates, while these travel, and the
// dropped ones are left out when the list is written.
//
// What costs time are instructions of sixteen warps: bins are found and compared two at a time.
// Everything that crosses threads is an integer, so the lists are the same in every run. Tokens
// with up to index_topk keys have no list: readers take every position.
//
// PDL: shared memory and the token's place before the wait.
#pragma once

#include "cuda/memory.cuh"
#include "step/kernels/select/alone.cuh"
#include "step/kernels/select/together.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {

namespace select {

// Of a cluster of sixteen, the second half stays out while the first has room for all keys: what
// is told to more peers takes longer.
__device__ __forceinline__ int bits_for(int keys, int cluster_bits) {
  constexpr int kFewBits = 3;
  return keys <= kTileKeys << kFewBits ? min(cluster_bits, kFewBits) : cluster_bits;
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
  const StepRow* row = params.places.rows.get() + cta.token;
  const int keys = load_early(&row->position) + 1;
  const int sequence = load_early(&row->sequence);
  const auto stride = static_cast<int>(params.score_stride);
  const int cluster_bits = 31 - __clz(cta.workers);
  const Share most(stride, cluster_bits, cta.worker);
  const Memory memory(dynamic, params.index_topk, most.tiles);
  SelectShared& shared = memory.shared;
  clear_bins<kSelectThreads>(shared);
  const int words = dropped_words(params.index_topk, most.tiles);
#pragma unroll 1
  for (int i = threadIdx.x; i < words; i += kSelectThreads) memory.dropped[i] = 0;
  if (threadIdx.x < kMaxCandidates / 32) shared.dropped[threadIdx.x] = 0;
  if (threadIdx.x == 0) {
    shared.listed = 0;
    if (cta.workers > 1) make_barriers(shared);
  }
  __syncthreads();
  // Peers may write into this CTA's memory after their wait.
  if (cta.workers > 1) cuda::cluster_arrive();
  Source source{params.scores.get() + cta.token * params.score_stride, params.places.pages.get(),
                most.position(0)};
  source.scores += source.position;
  source.pages += source.position / kPageSize;
  source.pages += sequence * params.places.pages_per_sequence;
  cuda::settle(source.scores, source.pages, keys, stride - source.position);
  gate.pass();

  Tile tile{};
  // Of a token of few keys, the first CTA takes all; it may load what it will not need.
  load_rows<0, 1>(tile, source, stride, 0);
  if (cta.worker == 0) load_rows<1, kTileRows>(tile, source, stride, kRowKeys);
  if (keys <= params.index_topk) return;
  int pages[kTileRows];
  const auto wanted = static_cast<uint32_t>(params.index_topk);
  int* list = params.lists.get() + cta.token * params.index_topk;
  if (keys <= kTileKeys) {
    if (cta.worker != 0) return;
    const Share share(keys);
    load_pages(pages, source, share, 0);
    select_alone(tile, share, pages, wanted, memory, list);
    return;
  }
  const Share share(keys, bits_for(keys, cluster_bits), cta.worker);
  if (cta.worker >= share.peers) return;
  load_rows<1, kTileRows>(tile, source, keys, share.row_step());
  if (share.tiles > 1) load_tiles(source, share, memory);
  load_pages(pages, source, share, 0);
  select_together(tile, share, source, pages, wanted, memory, list);
}

// One CTA has all keys of a token, of which there are not more than its registers hold.
template <class Gate>
__device__ __forceinline__ void select_lone_block(const SelectParams& params, int token,
                                                  unsigned char* dynamic, Gate gate) {
  using namespace select;
  const StepRow* row = params.places.rows.get() + token;
  const ShareOf<kLoneWarps> share(load_early(&row->position) + 1);
  const int sequence = load_early(&row->sequence);
  const Memory memory(dynamic, params.index_topk, 1);
  clear_bins<kLoneThreads>(memory.shared);
  if (threadIdx.x == 0) memory.shared.listed = 0;
  __syncthreads();
  const int first = share.position(0);
  const Source source{
      params.scores.get() + token * params.score_stride + first,
      params.places.pages.get() + sequence * params.places.pages_per_sequence + first / kPageSize,
      first};
  cuda::settle(source.scores, source.pages, share.keys, first);
  gate.pass();

  if (share.keys <= params.index_topk) return;
  Tile tile{};
  load_rows<0, kTileRows>(tile, source, share.keys, share.row_step());
  int pages[kTileRows];
  load_pages(pages, source, share, 0);
  select_alone(tile, share, pages, static_cast<uint32_t>(params.index_topk), memory,
               params.lists.get() + token * params.index_topk);
}

template <bool kIsLone>
__global__ void __launch_bounds__(kIsLone ? kLoneThreads : kSelectThreads, kIsLone ? 1 : 2)
    select_kernel(const __grid_constant__ SelectParams params) {
  extern __shared__ __align__(16) unsigned char dynamic[];
  [[maybe_unused]] const LaunchScope scope{};
  const SelectCta cta{this_cta().index, this_cta().count, static_cast<int>(blockIdx.y)};
  if constexpr (kIsLone) {
    select_lone_block(params, cta.token, dynamic, LaunchGate{});
  } else {
    select_block(params, cta, dynamic, LaunchGate{});
  }
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
