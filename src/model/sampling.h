// The choice of a token from logits, in plain C++: the reference of the sampling kernel.
//
// Greedy (temperature 0): the largest logit, of equal ones the lower id.
// Otherwise, with x = logit / temperature and p = softmax(x):
//   1. top-k keeps the tokens whose logit is not below the k-th largest; equal ones at the border
//   all stay;
//   2. top-p keeps, of those, the tokens whose logit is not below t, where t is the largest logit
//   such that the kept tokens
//      with logits from t up have at least the share top_p of the kept tokens' probability;
//   3. the token is the kept one with the largest x - ln(-ln(u)), where u is token_uniform(seed,
//   position, id): a draw from
//      the renormalized p (the Gumbel-max trick), the lower id on ties.
// Nothing is sorted, every token is judged alone, and ranks that hold parts of the vocabulary agree
// by exchanging maxima. A NaN logit is never chosen; if there is nothing else, the token is 0.
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

// The smallest logit that steps 1 and 2 keep.
[[nodiscard]] float sampling_threshold(std::span<const float> logits,
                                       const SamplingOptions& options);

}  // namespace slipstream::model
