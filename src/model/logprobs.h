// Log probabilities of tokens, in plain C++: the reference of what the sampling kernel reports.
#pragma once

#include <cstdint>
#include <span>

#include "slipstream/sampling.h"

namespace slipstream::model {

// Of `token` and of the `count` most likely ones, under the softmax of `logits` (with the mask, before
// any other adjustment). Probabilities are summed in units of 2^-40 of the largest one, so that the
// sum is the same in whatever order. A NaN logit counts as minus infinity.
[[nodiscard]] TokenLogprobs token_logprobs(std::span<const float> logits, int token, int count);

}  // namespace slipstream::model
