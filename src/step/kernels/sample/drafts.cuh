// Chooses tokens in a step that drafts. A draft is right if it is the token that the model itself
// chooses there, and drafts are drawn with the same random numbers: so drafting never changes what is
// generated.
//
// verify_drafts: one CTA per row, those of a sequence a cluster. Each chooses the token after its
// row; the first one hears them all, counts the drafts that are right, and writes the rows of the
// MTP layer: the sequence's last right row first, from which drafts go on, those of all sequences in
// front, so that only they go through the whole layer. The others only fill its caches.
//
// draw_drafts: one CTA per sequence. Chooses a draft, as the token two positions after the row that
// the MTP layer had.
//
// PDL: nothing but the cluster's meeting before the wait.
#pragma once

#include "cuda/peers.cuh"
#include "step/kernels/sample/kernel.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {

// In the first CTA of a cluster: what the rows of its sequence had and chose.
struct VerifyShared {
  uint32_t given[kMaxDrafts + 1];
  uint32_t chosen[kMaxDrafts + 1];

  // Drafts that are right, and the model's own token after them.
  __device__ int won(int drafts) const {
    int won = 1;
    while (won <= drafts && given[won] == chosen[won - 1]) ++won;
    return won;
  }
};

// Row `i` of a sequence as the MTP layer takes it, by one thread for each.
__device__ __forceinline__ void place_draft_row(const DraftParams& params, StepRow row, int first,
                                                int i, int token, int last) {
  const int sequences = params.sample.tokens / (params.drafts + 1);
  const int sequence = first / (params.drafts + 1);
  const int place =
      i == last ? sequence : sequences + sequence * params.drafts + (i < last ? i : i - 1);
  row.position += i;
  row.token = row.next == kUnknownToken ? token : row.next;
  params.draft_rows.get()[place] = row;
  params.sources.get()[place] = first + i;
}

// By the first CTA of a sequence, whose first row is `row`.
__device__ __forceinline__ void settle_sequence(const DraftParams& params, const StepRow& row,
                                                int first, const VerifyShared& verified) {
  const int i = static_cast<int>(threadIdx.x);
  if (i > params.drafts) return;
  const int won = verified.won(params.drafts);
  place_draft_row(params, row, first, i, static_cast<int>(verified.chosen[i]), won - 1);
  if (i > 0) return;
  StepRow next = row;
  next.token = static_cast<int>(verified.chosen[won - 1]);
  next.position += won;
  next.next = kUnknownToken;
  params.sample.rows.get()[first] = next;
  params.sample.sampled.get()[kMaxRows + first / (params.drafts + 1)] = won;
}

template <bool is_shared, class Gate>
__device__ __forceinline__ void verify_block(const DraftParams& params, int index,
                                             SampleShared& shared, VerifyShared& verified,
                                             Gate gate) {
  cuda::cluster_arrive();  // peers may write into this CTA's memory after their wait
  Agreement<is_shared> agreement(params.sample.ranks, index);
  gate.pass();
  agreement.begin();
  const StepRow row = params.sample.rows.get()[index];
  const int token = choose_token(params.sample, row, {index, index}, shared, agreement);
  const int own = cuda::cluster_rank();
  cuda::cluster_wait();
  if (threadIdx.x == 0) {
    params.sample.sampled.get()[index] = token;
    cuda::store_to(verified.given[own], 0, static_cast<uint32_t>(row.token));
    cuda::store_to(verified.chosen[own], 0, static_cast<uint32_t>(token));
  }
  cuda::cluster_sync();
  if (own == 0) settle_sequence(params, row, index, verified);
}

template <bool is_shared, class Gate>
__device__ __forceinline__ void draw_block(const DraftParams& params, int sequence,
                                           SampleShared& shared, Gate gate) {
  Agreement<is_shared> agreement(params.sample.ranks, sequence);
  gate.pass();
  agreement.begin();
  const int first = sequence * (params.drafts + 1);
  StepRow row = params.draft_rows.get()[sequence];
  const uint32_t flags = params.sample.rows.get()[first].flags;
  row.position += 1;
  row.flags &= kMinP;
  const int token = choose_token(params.sample, row, {sequence, first}, shared, agreement);
  if (threadIdx.x != 0) return;
  row.flags = flags;
  row.token = token;
  params.draft_rows.get()[sequence] = row;
  params.sources.get()[sequence] = sequence;
  row.position += 1;
  params.sample.rows.get()[first + params.number] = row;
}

template <bool is_shared>
__global__ void __launch_bounds__(kSampleThreads)
    verify_kernel(const __grid_constant__ DraftParams params) {
  __shared__ SampleShared shared;
  __shared__ VerifyShared verified;
  [[maybe_unused]] const LaunchScope scope{};
  verify_block<is_shared>(params, this_cta().index, shared, verified, LaunchGate{});
}

template <bool is_shared>
__global__ void __launch_bounds__(kSampleThreads)
    draw_kernel(const __grid_constant__ DraftParams params) {
  __shared__ SampleShared shared;
  [[maybe_unused]] const LaunchScope scope{};
  draw_block<is_shared>(params, this_cta().index, shared, LaunchGate{});
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
