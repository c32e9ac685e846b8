// The log probabilities that a row reports (model/logprobs.h): of the chosen token, and the most
// likely tokens. Sums are integers, so that ranks that share the vocabulary find what one would.
#pragma once

#include "cuda/radix.cuh"
#include "step/kernels/sample/adjust.cuh"
#include "step/kernels/sample/agreement.cuh"
#include "step/kernels/sample/params.h"
#include "step/kernels/support/lanes.cuh"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {

struct LogprobShared {
  cuda::RadixShared<int> counts;
  unsigned long long sum;
  int found;
  int next_tie;
  // Candidates for the most likely tokens, of all ranks.
  unsigned long long candidates[kMaxRanks * kMaxLogprobs];
};

// Compares as logit and id do: larger logits first, of equal ones lower ids. 0: no token.
__device__ __forceinline__ unsigned long long candidate_of(uint32_t bits, int token) {
  return static_cast<unsigned long long>(bits) << 32 | (0xffffffffU - static_cast<uint32_t>(token));
}

template <class Agreement>
class Logprobs {
 public:
  __device__ Logprobs(const MaskedLogits& logits, int count, LogprobShared& shared,
                      const Agreement& agreement)
      : logits_(logits), count_(count), shared_(shared), agreement_(agreement) {}

  // By all threads.
  __device__ void report(int chosen, int top, RowLogprobs& result) {
    const uint32_t largest = static_cast<uint32_t>(over_all<true>(kLargestPick, largest_bits()));
    const float largest_logit = cuda::from_ordered_bits(largest);
    const auto total = over_all<false>(kMassPick, mass(largest_logit));
    const double log_sum = log(static_cast<double>(total) / kUnit);
    const uint32_t bits = static_cast<uint32_t>(over_all<true>(kChosenPick, bits_of_token(chosen)));
    const auto as_likely = over_all<false>(kRankPick, count_from(bits));
    if (threadIdx.x == 0) {
      result.chosen = logprob(bits, largest_logit, log_sum);
      result.rank = static_cast<int>(as_likely);
      result.count = 0;
    }
    __syncthreads();
    if (top > 0) report_top(top, largest_logit, log_sum, result);
  }

 private:
  static constexpr double kUnit = 1LL << 40;

  __device__ uint32_t bits(int i) const { return cuda::ordered_bits(logits_[i]); }

  __device__ static double distance(float largest, float logit) {
    // The largest weighs 1, also where it is infinite.
    return logit == largest ? 0 : static_cast<double>(logit) - largest;
  }
  __device__ static float logprob(uint32_t bits, float largest, double log_sum) {
    return static_cast<float>(distance(largest, cuda::from_ordered_bits(bits)) - log_sum);
  }

  // The sum or the maximum of all threads' values on all ranks, in every thread.
  template <bool is_maximum>
  __device__ unsigned long long over_all(int pick, unsigned long long value) {
    __syncthreads();
    if (threadIdx.x == 0) shared_.sum = 0;
    __syncthreads();
    if constexpr (is_maximum) {
      atomicMax(&shared_.sum, value);
    } else {
      atomicAdd(&shared_.sum, value);
    }
    __syncthreads();
    if constexpr (Agreement::kIsShared) {
      if (threadIdx.x == 0) {
        agreement_.tell(kLogprobRound, pick, shared_.sum);
        unsigned long long all = 0;
        agreement_.hear(kLogprobRound, pick, [&](int /*rank*/, uint64_t other) {
          all = is_maximum ? max(all, static_cast<unsigned long long>(other)) : all + other;
        });
        shared_.sum = all;
      }
      __syncthreads();
    }
    return shared_.sum;
  }

  __device__ unsigned long long largest_bits() const {
    uint32_t largest = 0;
    for (int i = threadIdx.x; i < count_; i += static_cast<int>(blockDim.x)) {
      largest = max(largest, bits(i));
    }
    return largest;
  }

  __device__ unsigned long long mass(float largest) const {
    unsigned long long sum = 0;
    for (int i = threadIdx.x; i < count_; i += static_cast<int>(blockDim.x)) {
      sum += __double2ull_rn(exp(distance(largest, cuda::from_ordered_bits(bits(i)))) * kUnit);
    }
    return sum;
  }

  // Of one thread, on the rank that has the token.
  __device__ unsigned long long bits_of_token(int token) const {
    const int local = token - logits_.first_token;
    return threadIdx.x == 0 && local >= 0 && local < count_ ? bits(local) : 0;
  }

  __device__ unsigned long long count_from(uint32_t least) const {
    unsigned long long sum = 0;
    for (int i = threadIdx.x; i < count_; i += static_cast<int>(blockDim.x)) {
      sum += bits(i) >= least ? 1 : 0;
    }
    return sum;
  }

  // This rank's most likely tokens, in any order, as the first of the candidates; the others are 0.
  __device__ void find_candidates(int top) {
    const cuda::RadixElements elements{count_, [&](int i) { return bits(i); },
                                       [](int /*i*/) { return 1; }};
    const uint32_t never = cuda::ordered_bits(-INFINITY);
    const uint32_t border = cuda::find_border(
        elements, shared_.counts, [](int /*round*/, auto& /*histogram*/) {},
        [&](const auto& /*histogram*/) { return top; });
    if (threadIdx.x == 0) shared_.found = 0;
    for (int i = threadIdx.x; i < kMaxRanks * kMaxLogprobs; i += static_cast<int>(blockDim.x)) {
      shared_.candidates[i] = 0;
    }
    __syncthreads();
    for (int i = threadIdx.x; i < count_; i += static_cast<int>(blockDim.x)) {
      if (bits(i) > border && bits(i) > never) {
        shared_.candidates[atomicAdd(&shared_.found, 1)] =
            candidate_of(bits(i), logits_.first_token + i);
      }
    }
    __syncthreads();
    const int larger = shared_.found;
    if (border > never) add_ties(border, larger, top);
  }

  // Of the tokens at the border, those with the lowest ids.
  __device__ void add_ties(uint32_t border, int found, int top) {
    int least = 0;
    for (; found < top; ++found) {
      __syncthreads();
      if (threadIdx.x == 0) shared_.next_tie = count_;
      __syncthreads();
      int i = least + static_cast<int>(threadIdx.x);
      while (i < count_ && bits(i) != border) i += static_cast<int>(blockDim.x);
      if (i < count_) atomicMin(&shared_.next_tie, i);
      __syncthreads();
      const int tie = shared_.next_tie;
      if (tie == count_) return;
      if (threadIdx.x == 0) {
        shared_.candidates[found] = candidate_of(border, logits_.first_token + tie);
      }
      least = tie + 1;
    }
  }

  __device__ void report_top(int top, float largest, double log_sum, RowLogprobs& result) {
    find_candidates(top);
    __syncthreads();
    const int index = static_cast<int>(threadIdx.x);
    if constexpr (Agreement::kIsShared) {
      const unsigned long long mine = index < top ? shared_.candidates[index] : 0;
      __syncthreads();
      if (index < top) {
        agreement_.tell(kLogprobRound, index, mine);
        agreement_.hear(kLogprobRound, index, [&](int rank, uint64_t other) {
          shared_.candidates[rank * kMaxLogprobs + index] = other;
        });
      }
      __syncthreads();
    }
    if (index >= kMaxRanks * kMaxLogprobs) return;
    const unsigned long long mine = shared_.candidates[index];
    if (mine == 0) return;
    int place = 0;
    for (const unsigned long long other : shared_.candidates) place += other > mine ? 1 : 0;
    if (place >= top) return;
    result.ids[place] = static_cast<int>(0xffffffffU - static_cast<uint32_t>(mine));
    result.logprobs[place] = logprob(static_cast<uint32_t>(mine >> 32), largest, log_sum);
    atomicAdd(&result.count, 1);
  }

  const MaskedLogits& logits_;
  int count_;
  LogprobShared& shared_;
  const Agreement& agreement_;
};

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
