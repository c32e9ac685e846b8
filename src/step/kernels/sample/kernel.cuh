// Chooses the token after each row, as model/sampling.h says, and makes the next step's input of
// it. One CTA per row.
//
// Top-k and top-p are borders on logits, found by counts and by probability masses in fixed point,
// so that nothing hangs on the order in which threads add; the choice among the kept tokens needs
// no sum at all (Gumbel-max).
//
// PDL: nothing before the wait.
#pragma once

#include "cuda/radix.cuh"
#include "model/random.h"
#include "step/kernels/sample/params.h"
#include "step/kernels/support/lanes.cuh"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {

inline constexpr int kSampleThreads = 512;

struct SampleShared {
  cuda::RadixShared<int> counts;
  cuda::RadixShared<unsigned long long> masses;
  double best[kSampleThreads / 32];
  int token[kSampleThreads / 32];
};

struct Candidate {
  double score;
  int token;

  // NaN and -inf never win.
  __device__ void consider(double other_score, int other_token) {
    if (other_score > score || (other_score == score && other_token < token)) {
      score = other_score;
      token = other_token;
    }
  }
};

// The best candidate of the CTA, in thread 0.
__device__ __forceinline__ Candidate best_of_cta(Candidate mine, SampleShared& shared) {
#pragma unroll
  for (int distance = 16; distance > 0; distance /= 2) {
    mine.consider(__shfl_xor_sync(kAllLanes, mine.score, distance),
                  __shfl_xor_sync(kAllLanes, mine.token, distance));
  }
  if (threadIdx.x % 32 == 0) {
    shared.best[threadIdx.x / 32] = mine.score;
    shared.token[threadIdx.x / 32] = mine.token;
  }
  __syncthreads();
  if (threadIdx.x == 0) {
    for (int warp = 1; warp < kSampleThreads / 32; ++warp) {
      mine.consider(shared.best[warp], shared.token[warp]);
    }
  }
  return mine;
}

__device__ __forceinline__ float largest_logit(const float* logits, int vocabulary,
                                               SampleShared& shared) {
  Candidate best{-INFINITY, 0x7fffffff};
  for (int token = threadIdx.x; token < vocabulary; token += kSampleThreads) {
    best.consider(logits[token], token);
  }
  best = best_of_cta(best, shared);
  __syncthreads();
  if (threadIdx.x == 0) shared.best[0] = best.score;
  __syncthreads();
  const auto largest = static_cast<float>(shared.best[0]);
  __syncthreads();
  return largest;
}

// The smallest logit that top-k and top-p keep, as ordered bits.
__device__ __forceinline__ uint32_t find_threshold(const float* logits, int vocabulary,
                                                   const StepRow& row, SampleShared& shared) {
  const auto key = [&](int token) { return cuda::ordered_bits(logits[token]); };
  uint32_t threshold = cuda::ordered_bits(-INFINITY);
  if (row.top_k > 0 && row.top_k < vocabulary) {
    threshold = cuda::find_border<int>(vocabulary, row.top_k, shared.counts, key, [](int) {
                  return 1;
                }).key;
  }
  if (row.top_p >= 1) return threshold;
  constexpr double kUnit = 1LL << 40;
  const double largest = largest_logit(logits, vocabulary, shared);
  const auto mass = [&](int token) -> unsigned long long {
    const uint32_t bits = key(token);
    if (bits < threshold) return 0;
    const double logit = cuda::from_ordered_bits(bits);
    // The largest weighs 1, also where it is infinite.
    const double distance = logit == largest ? 0 : logit - largest;
    return __double2ull_rn(exp(distance / row.temperature) * kUnit);
  };
  unsigned long long mine = 0;
  for (int token = threadIdx.x; token < vocabulary; token += kSampleThreads) mine += mass(token);
  if (threadIdx.x == 0) shared.masses.above = 0;
  __syncthreads();
  atomicAdd(&shared.masses.above, mine);
  __syncthreads();
  const auto total = static_cast<double>(shared.masses.above);
  __syncthreads();
  const auto wanted = static_cast<unsigned long long>(ceil(row.top_p * total));
  const uint32_t border =
      cuda::find_border<unsigned long long>(vocabulary, wanted, shared.masses, key, mass).key;
  return max(threshold, border);
}

__device__ __forceinline__ Candidate sample_row(const float* logits, int vocabulary,
                                                const StepRow& row, SampleShared& shared) {
  Candidate best{-INFINITY, 0x7fffffff};
  if (row.temperature == 0) {
    for (int token = threadIdx.x; token < vocabulary; token += kSampleThreads) {
      best.consider(logits[token], token);
    }
    return best_of_cta(best, shared);
  }
  const uint32_t threshold = find_threshold(logits, vocabulary, row, shared);
  for (int token = threadIdx.x; token < vocabulary; token += kSampleThreads) {
    if (isnan(logits[token]) || cuda::ordered_bits(logits[token]) < threshold) continue;
    const double uniform = model::token_uniform(row.seed, row.position, token);
    best.consider(static_cast<double>(logits[token]) / row.temperature - log(-log(uniform)), token);
  }
  return best_of_cta(best, shared);
}

template <class Gate>
__device__ __forceinline__ void sample_block(const SampleParams& params, int index,
                                             SampleShared& shared, Gate gate) {
  gate.pass();
  StepRow row = params.rows.get()[index];
  const float* logits = params.logits.get() + int64_t{index} * params.vocabulary;
  const Candidate best = sample_row(logits, params.vocabulary, row, shared);
  if (threadIdx.x != 0) return;
  row.token = best.token < params.vocabulary ? best.token : 0;
  row.position += 1;
  params.sampled.get()[index] = row.token;
  params.rows.get()[index] = row;
}

__global__ void __launch_bounds__(kSampleThreads)
    sample_kernel(const __grid_constant__ SampleParams params) {
  __shared__ SampleShared shared;
  [[maybe_unused]] const LaunchScope scope{};
  sample_block(params, this_cta().index, shared, LaunchGate{});
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
