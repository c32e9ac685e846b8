// What is done to a row's logits before a token is chosen from them (model/logit_adjustment.h): mask,
// bias, penalties. The result goes to a buffer of its own, so that the choice reads it as it would
// read the logits, and the logits stay what the model gave.
#pragma once

#include "step/kernels/sample/params.h"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {

// A row's logits on this rank, minus infinity where a mask does not allow a token.
struct MaskedLogits {
  const float* logits;
  const uint32_t* mask;  // of the whole vocabulary; null: none
  int first_token;

  __device__ float operator[](int i) const {
    const int token = first_token + i;
    if (mask != nullptr && (mask[token / 32] >> token % 32 & 1U) == 0) return -INFINITY;
    return logits[i];
  }
};

__device__ __forceinline__ MaskedLogits masked_logits(const SampleExtras& params,
                                                      const StepRow& row, int index,
                                                      const float* logits, int first_token) {
  const bool is_masked = (row.flags & kMasked) != 0;
  const uint32_t* mask = params.masks.get() + int64_t{index} * params.mask_words;
  return {logits, is_masked ? mask : nullptr, first_token};
}

// No operation may be fused with the next: the reference rounds each.
__device__ __forceinline__ float penalized(float logit, uint32_t history, const RowExtras& extras) {
  if (history == 0) return logit;
  logit = logit > 0 ? __fdiv_rn(logit, extras.repetition) : __fmul_rn(logit, extras.repetition);
  const uint32_t sampled = history & ~kGiven;
  if (sampled == 0) return logit;
  logit = __fsub_rn(logit, __fmul_rn(extras.frequency, static_cast<float>(sampled)));
  return __fsub_rn(logit, extras.presence);
}

// The logits to choose from, by all threads of the CTA.
__device__ __forceinline__ const float* adjusted_logits(const SampleExtras& params,
                                                        const StepRow& row, int index,
                                                        const MaskedLogits& logits) {
  const Histories& histories = params.histories;
  const int count = histories.vocabulary;
  float* adjusted = params.adjusted.get() + int64_t{index} * count;
  if ((row.flags & kAdjusted) == 0) {
    for (int i = threadIdx.x; i < count; i += static_cast<int>(blockDim.x)) adjusted[i] = logits[i];
    __syncthreads();
    return adjusted;
  }
  const RowExtras extras = params.extras.get()[index];
  uint32_t* history = histories.words.get() + int64_t{extras.history} * count;
  const float* biases = histories.biases.get() + int64_t{extras.history} * count;
  const int input = row.token - logits.first_token;
  if (threadIdx.x == 0 && (row.flags & kCountsInput) != 0 && input >= 0 && input < count) {
    ++history[input];
  }
  __syncthreads();
  for (int i = threadIdx.x; i < count; i += static_cast<int>(blockDim.x)) {
    adjusted[i] = penalized(__fadd_rn(logits[i], biases[i]), history[i], extras);
  }
  __syncthreads();
  return adjusted;
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
