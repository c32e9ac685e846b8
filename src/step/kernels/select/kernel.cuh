// The index_topk largest scores of each token, lower positions first among equals.
//
// Up to 8192 keys are one CTA's, in its registers (alone.cuh). More are shared out in a cluster: as
// many CTAs work as the keys need, each on a range of positions in its shared memory. They count how
// many scores fall into each of 2048 equal parts of the range of scores; the part in which the last
// kept score lies holds few keys, which are ranked by comparing all with all. Where it holds many
// (ties, outliers), further rounds split it up by digits of the keys' ranks. What is kept is written
// in the order of positions. Everything that crosses threads is an integer, so the lists are the same
// in every run. Tokens with up to index_topk keys have no list: readers take every position.
//
// PDL: shared memory alone before the wait.
#pragma once

#include "step/kernels/select/alone.cuh"
#include "step/kernels/select/border.cuh"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {
namespace select {

// Writes the slots of the slice's keys that rank at or above the border, after those of the
// warps and CTAs before this one.
__device__ __forceinline__ void write_list(const Slice& slice, const SelectShared& shared,
                                           int* list) {
  const int lane = threadIdx.x % 32;
  const int warp = threadIdx.x / 32;
  const uint32_t lanes_before = (1U << lane) - 1;
  list += shared.kept_before + __reduce_add_sync(kAllLanes, lane < warp ? shared.kept[lane] : 0);
  const float border = score_of(shared.border);
  const int last_equal = position_of(shared.border);
  visit_scores(slice, [&](const Four& four) {
    const int position = slice.first + four.index;
    bool keeps[4];
    int before = 0;
    int all = 0;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const float score = four.scores[i];
      keeps[i] =
          i < four.present && (score > border || (score == border && position + i <= last_equal));
      const uint32_t lanes = __ballot_sync(kAllLanes, keeps[i]);
      before += __popc(lanes & lanes_before);
      all += __popc(lanes);
    }
    if (keeps[0] || keeps[1] || keeps[2] || keeps[3]) {
      const int slot = slot_of(slice, position);
      int* target = list + before;
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        if (keeps[i]) *target++ = slot + i;
      }
    }
    list += all;
  });
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
                                             unsigned char* memory, Gate gate) {
  using namespace select;
  AloneShared& alone = *reinterpret_cast<AloneShared*>(memory);
  SelectShared& shared = *reinterpret_cast<SelectShared*>(memory);
  unsigned char* rest = memory + kSharedBytes;
  clear_bins(alone);  // and all counts of `shared`
  if (threadIdx.x == 0) alone.listed = 0;
  __syncthreads();
  cuda::cluster_arrive();  // peers may write into this CTA's memory after their wait
  gate.pass();

  const StepRow* row = params.places.rows.get() + cta.token;
  const int keys = row->position + 1;
  const int sequence = load_early(&row->sequence);
  const float* scores = params.scores.get() + cta.token * params.score_stride;
  const bool may_be_alone = cta.worker == 0;
  Tile tile = load_tile(scores, may_be_alone ? static_cast<int>(params.score_stride) : 0);
  if (keys <= params.index_topk) return;
  const int* pages = params.places.pages.get() + sequence * params.places.pages_per_sequence;
  int* list = params.lists.get() + cta.token * params.index_topk;
  if (keys <= kTileKeys) {
    if (!may_be_alone) return;
    select_alone(tile, keys, pages, params.index_topk, reinterpret_cast<int*>(rest), alone, list);
    return;
  }
  const int workers = min(cta.workers, (keys + kSelectLeastKeys - 1) / kSelectLeastKeys);
  if (cta.worker >= workers) return;
  const Slice slice = make_slice(reinterpret_cast<float*>(rest), keys, workers, cta.worker);
  load_slice(slice, scores, pages);
  cuda::cluster_wait();
  find_border(slice, {workers, cta.worker}, params.index_topk, shared);
  write_list(slice, shared, list);
}

__global__ void __launch_bounds__(kSelectThreads)
    select_kernel(const __grid_constant__ SelectParams params) {
  extern __shared__ __align__(16) unsigned char dynamic[];
  [[maybe_unused]] const LaunchScope scope{};
  const SelectCta cta{this_cta().index, this_cta().count, static_cast<int>(blockIdx.y)};
  select_block(params, cta, dynamic, LaunchGate{});
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
