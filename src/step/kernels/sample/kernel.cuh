// Chooses the token after each row, as model/sampling.h says, and makes the next step's input of
// it. One CTA per row.
//
// Top-k and top-p are borders on logits, found by counts and by probability masses in fixed point,
// so that nothing hangs on the order in which threads add; the choice among the kept tokens needs
// no sum at all (Gumbel-max). Ranks that share the vocabulary agree on each of these numbers. Rows
// with flags have their logits adjusted first, and report log probabilities afterwards.
//
// PDL: nothing but a look at the parameters before the wait.
#pragma once

#include "cuda/radix.cuh"
#include "model/random.h"
#include "step/kernels/sample/adjust.cuh"
#include "step/kernels/sample/agreement.cuh"
#include "step/kernels/sample/logprobs.cuh"
#include "step/kernels/sample/params.h"
#include "step/kernels/support/lanes.cuh"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {

inline constexpr int kSampleThreads = 512;

struct SampleShared {
  cuda::RadixShared<int> counts;
  cuda::RadixShared<unsigned long long> masses;
  float largest;
  double best[kSampleThreads / 32];
  int token[kSampleThreads / 32];
  LogprobShared logprobs;
};

inline constexpr int kNoToken = 0x7fffffff;

template <class Score>
struct CandidateOf {
  Score score;
  int token;

  // NaN and -inf never win.
  __device__ void consider(Score other_score, int other_token) {
    if (other_score > score || (other_score == score && other_token < token)) {
      score = other_score;
      token = other_token;
    }
  }
};
using Candidate = CandidateOf<double>;

// The best candidate of so many neighboring lanes, in all of them.
template <int kLanes>
__device__ __forceinline__ void meet_neighbors(Candidate& mine) {
#pragma unroll
  for (int distance = kLanes / 2; distance > 0; distance /= 2) {
    mine.consider(__shfl_xor_sync(kAllLanes, mine.score, distance),
                  __shfl_xor_sync(kAllLanes, mine.token, distance));
  }
}

// The best candidate of the CTA, in its first warp.
__device__ __forceinline__ Candidate best_of_cta(Candidate mine, SampleShared& shared) {
  constexpr int kSampleWarps = kSampleThreads / 32;
  meet_neighbors<32>(mine);
  if (threadIdx.x % 32 == 0) {
    shared.best[threadIdx.x / 32] = mine.score;
    shared.token[threadIdx.x / 32] = mine.token;
  }
  __syncthreads();
  if (threadIdx.x < 32) {
    const int warp = static_cast<int>(threadIdx.x) % kSampleWarps;
    mine = {shared.best[warp], shared.token[warp]};
    meet_neighbors<kSampleWarps>(mine);
  }
  return mine;
}

// A row's logits on this rank.
struct RowLogits {
  const float* logits;
  int count;
  int first_token;
  int vocabulary;  // of all ranks

  float min_p_distance;  // of rows with kMinP

  __device__ uint32_t key(int i) const { return cuda::ordered_bits(logits[i]); }
};

// The largest logit of this rank and its token, in the first warp. Many are on their way at once: a round trip to
// memory takes longer than all comparisons.
__device__ __forceinline__ Candidate largest_logit(const RowLogits& row, SampleShared& shared) {
  constexpr int kQuads = 10;  // all that a rank of eight has of 160,000 tokens
  constexpr int kStep = kSampleThreads * 4;
  CandidateOf<float> best{-INFINITY, kNoToken};
  const int quads =
      reinterpret_cast<uint64_t>(row.logits) % sizeof(float4) == 0 ? row.count / 4 : 0;
  const int last = quads * 4 - 4;
#pragma unroll 1
  for (int first = static_cast<int>(threadIdx.x) * 4; first <= last; first += kQuads * kStep) {
    float4 logits[kQuads];
#pragma unroll
    for (int i = 0; i < kQuads; ++i) {
      logits[i] = *reinterpret_cast<const float4*>(row.logits + min(first + i * kStep, last));
    }
#pragma unroll
    for (int i = 0; i < kQuads; ++i) {
      const int token = row.first_token + min(first + i * kStep, last);
      best.consider(logits[i].x, token);
      best.consider(logits[i].y, token + 1);
      best.consider(logits[i].z, token + 2);
      best.consider(logits[i].w, token + 3);
    }
  }
  for (int i = quads * 4 + static_cast<int>(threadIdx.x); i < row.count; i += kSampleThreads) {
    best.consider(row.logits[i], row.first_token + i);
  }
  return best_of_cta({best.score, best.token}, shared);
}

// The smallest logit that top-k keeps, as ordered bits.
template <class Agreement>
__device__ __forceinline__ uint32_t find_top_k(const RowLogits& row, int k, SampleShared& shared,
                                               const Agreement& agreement) {
  const cuda::RadixElements elements{row.count, [&](int i) { return row.key(i); },
                                     [](int /*i*/) { return 1; }};
  return cuda::find_border(
      elements, shared.counts,
      [&](int round, auto& histogram) { agreement.add_up(kTopKRound + round, histogram); },
      [&](const auto& /*histogram*/) { return k; });
}

// The smallest logit that top-p keeps of those from `threshold` up. Weights are probabilities in
// units of 2^-40 of the largest one.
template <class Agreement>
__device__ __forceinline__ uint32_t find_top_p(const RowLogits& row, const StepRow& options,
                                               float largest, uint32_t threshold,
                                               SampleShared& shared, const Agreement& agreement) {
  constexpr double kUnit = 1LL << 40;
  const auto mass = [&](int i) -> unsigned long long {
    const uint32_t bits = row.key(i);
    if (bits < threshold) return 0;
    const double logit = cuda::from_ordered_bits(bits);
    // The largest weighs 1, also where it is infinite.
    const double distance = logit == largest ? 0 : logit - largest;
    return __double2ull_rn(exp(distance / options.temperature) * kUnit);
  };
  const cuda::RadixElements elements{row.count, [&](int i) { return row.key(i); }, mass};
  return cuda::find_border(
      elements, shared.masses,
      [&](int round, auto& histogram) { agreement.add_up(kTopPRound + round, histogram); },
      [&](const auto& histogram) {
        unsigned long long total = 0;
        for (const unsigned long long of_digit : histogram) total += of_digit;
        return static_cast<unsigned long long>(ceil(options.top_p * static_cast<double>(total)));
      });
}

// The smallest logit that min-p, top-k and top-p keep, as ordered bits.
template <class Agreement>
__device__ __forceinline__ uint32_t find_threshold(const RowLogits& row, const StepRow& options,
                                                   SampleShared& shared,
                                                   const Agreement& agreement) {
  const bool has_min_p = (options.flags & kMinP) != 0;
  float largest = 0;
  if (options.top_p < 1 || has_min_p) {
    largest = static_cast<float>(largest_logit(row, shared).score);
    if (Agreement::kIsShared && threadIdx.x == 0) {
      agreement.tell(kLargestRound, 0, cuda::ordered_bits(largest));
    }
  }
  uint32_t threshold = cuda::ordered_bits(-INFINITY);
  if (options.top_k > 0 && options.top_k < row.vocabulary) {
    threshold = find_top_k(row, options.top_k, shared, agreement);
  }
  if (options.top_p >= 1 && !has_min_p) return threshold;
  if (threadIdx.x == 0) {
    // What was told before the search for the k-th has arrived meanwhile.
    if constexpr (Agreement::kIsShared) {
      agreement.hear(kLargestRound, 0, [&](int /*rank*/, uint64_t bits) {
        largest = fmaxf(largest, cuda::from_ordered_bits(static_cast<uint32_t>(bits)));
      });
    }
    shared.largest = largest;
  }
  __syncthreads();
  if (has_min_p) {
    const float border = __fadd_rn(shared.largest, row.min_p_distance);
    threshold = max(threshold, cuda::ordered_bits(border));
  }
  if (options.top_p >= 1) return threshold;
  return max(threshold, find_top_p(row, options, shared.largest, threshold, shared, agreement));
}

// The best token of this rank's part, in the first warp.
template <class Agreement>
__device__ __forceinline__ Candidate sample_part(const RowLogits& row, const StepRow& options,
                                                 SampleShared& shared, const Agreement& agreement) {
  if (options.temperature == 0) return largest_logit(row, shared);
  const uint32_t threshold = find_threshold(row, options, shared, agreement);
  Candidate best{-INFINITY, kNoToken};
  for (int i = threadIdx.x; i < row.count; i += kSampleThreads) {
    if (isnan(row.logits[i]) || row.key(i) < threshold) continue;
    const int token = row.first_token + i;
    const double uniform = model::token_uniform(options.seed, options.position, token);
    best.consider(static_cast<double>(row.logits[i]) / options.temperature - log(-log(uniform)),
                  token);
  }
  return best_of_cta(best, shared);
}

// The best of all ranks' tokens, in thread 0; by the warp whose lanes all have this rank's. A thread that told
// and heard rank by rank would take 3 us longer.
template <class Agreement>
__device__ __forceinline__ void agree(const Agreement& agreement, Candidate& best) {
  uint64_t numbers[] = {static_cast<uint64_t>(__double_as_longlong(best.score)),
                        static_cast<uint32_t>(best.token)};
  agreement.trade(kChoiceRound, numbers);
  best = {__longlong_as_double(static_cast<long long>(numbers[0])), static_cast<int>(numbers[1])};
  meet_neighbors<kMaxRanks>(best);
}

// By all threads, of a row with flags: its logits to choose from.
__device__ __forceinline__ void prepare(const SampleExtras& params, const StepRow& row, int index,
                                        RowLogits& logits) {
  if ((row.flags & kMinP) != 0) logits.min_p_distance = params.extras.get()[index].min_p_distance;
  if ((row.flags & (kMasked | kAdjusted)) == 0) return;
  logits.logits = adjusted_logits(
      params, row, index, masked_logits(params, row, index, logits.logits, logits.first_token));
}

// By all threads, after thread 0 has the token.
template <class Agreement>
__device__ __forceinline__ void report_logprobs(const SampleParams& params, const StepRow& row,
                                                int index, const RowLogits& logits, int token,
                                                SampleShared& shared, const Agreement& agreement) {
  if (threadIdx.x == 0) shared.token[0] = token < logits.vocabulary ? token : 0;
  __syncthreads();
  const int chosen = shared.token[0];
  const float* given = params.logits.get() + int64_t{index} * params.vocabulary;
  const MaskedLogits masked = masked_logits(params.extras, row, index, given, logits.first_token);
  Logprobs<Agreement> logprobs(masked, logits.count, shared.logprobs, agreement);
  logprobs.report(chosen, params.extras.extras.get()[index].logprobs,
                  params.extras.logprobs.get()[index]);
}

// Which row of a launch a CTA has: that of its logits, and that of its extras.
struct SampledRow {
  int index;
  int extras;
};

// The token after a row, in thread 0; by all threads.
template <class Agreement>
__device__ __forceinline__ int choose_token(const SampleParams& params, const StepRow& row,
                                            SampledRow place, SampleShared& shared,
                                            const Agreement& agreement) {
  constexpr bool kIsShared = Agreement::kIsShared;
  const SharedVocabulary& ranks = params.ranks;
  RowLogits logits{params.logits.get() + int64_t{place.index} * params.vocabulary,
                   params.vocabulary, kIsShared ? ranks.first_token : 0,
                   kIsShared ? ranks.size : params.vocabulary, 0};
  if (row.flags != 0) prepare(params.extras, row, place.extras, logits);
  Candidate best = sample_part(logits, row, shared, agreement);
  if (kIsShared && threadIdx.x < 32) agree(agreement, best);
  agreement.empty_row();
  if ((row.flags & kWantsLogprobs) != 0) {
    report_logprobs(params, row, place.index, logits, best.token, shared, agreement);
  }
  if (threadIdx.x == 0) agreement.end();
  return best.token < logits.vocabulary ? best.token : 0;
}

template <bool is_shared, class Gate>
__device__ __forceinline__ void sample_block(const SampleParams& params, int index,
                                             SampleShared& shared, Gate gate) {
  Agreement<is_shared> agreement(params.ranks, index);
  gate.pass();
  agreement.begin();
  StepRow row = params.rows.get()[index];
  const int token = choose_token(params, row, {index, index}, shared, agreement);
  if (threadIdx.x != 0) return;
  if ((row.flags & kAdjusted) != 0) row.flags |= kCountsInput;
  row.token = token;
  row.position += 1;
  params.sampled.get()[index] = row.token;
  params.rows.get()[index] = row;
}

template <bool is_shared>
__global__ void __launch_bounds__(kSampleThreads)
    sample_kernel(const __grid_constant__ SampleParams params) {
  __shared__ SampleShared shared;
  [[maybe_unused]] const LaunchScope scope{};
  sample_block<is_shared>(params, this_cta().index, shared, LaunchGate{});
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
