// The choice of a token from logits, in plain C++: the reference of the sampling kernel.
//
// Greedy (temperature 0): the largest logit, of equal ones the lower id.
// Otherwise, with x = logit / temperature and p = softmax(x):
//   1. min-p keeps the tokens whose logit is not below the largest one by more than min_p_distance,
//   that is, p not below min_p of the largest p;
//   2. top-k keeps, of those, the tokens whose logit is not below the k-th largest; equal ones at the
//   border all stay;
//   3. top-p keeps, of those, the tokens whose logit is not below t, where t is the largest logit
//   such that the kept tokens with logits from t up have at least the share top_p of the kept tokens'
//   probability;
//   4. the token is the kept one with the largest x - ln(-ln(u)), where u is token_uniform(seed,
//   position, id): a draw from the renormalized p (the Gumbel-max trick), the lower id on ties.
// Nothing is sorted, every token is judged alone, and ranks that hold parts of the vocabulary agree
// by exchanging maxima. A NaN logit is never chosen; if there is nothing else, the token is 0.
// Logits are those after the adjustments of model/logit_adjustment.h.
#pragma once

#include <cstdint>
#include <span>

#include "slipstream/sampling.h"

namespace slipstream::model {

// Throws InvalidArgument for options outside their ranges.
void check_sampling(const SamplingOptions& options);

// The token chosen after the token at `position`.
[[nodiscard]] int sample(std::span<const float> logits, const SamplingOptions& options,
                         int64_t position);

// What min-p adds to the largest logit to get its border: temperature x ln(min_p), rounded to fp32
// once. The sum is one in fp32.
[[nodiscard]] float min_p_distance(const SamplingOptions& options);

// The smallest logit that steps 1 to 3 keep.
[[nodiscard]] float sampling_threshold(std::span<const float> logits,
                                       const SamplingOptions& options);

}  // namespace slipstream::model
