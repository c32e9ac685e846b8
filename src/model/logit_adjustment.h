// What is done to logits before a token is chosen from them, in plain C++: the reference of the
// sampling kernel's adjustment. In this order, each in fp32 with one rounding per operation:
//   1. the mask: tokens that it does not allow get minus infinity;
//   2. the bias of a token is added;
//   3. repetition: the logit of a token that was given or sampled is divided by the penalty where it
//   is positive, multiplied by it otherwise;
//   4. frequency: penalty x how often the token was sampled is taken off;
//   5. presence: the penalty is taken off if it was sampled at all.
// The order is vLLM's.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "slipstream/sampling.h"

namespace slipstream::model {

// What penalties count.
struct TokenHistory {
  std::vector<int> given;    // a prompt, forced tokens
  std::vector<int> sampled;  // with repetitions
};

// Whether steps 2 to 5 do anything.
[[nodiscard]] bool has_adjustment(const SamplingOptions& options, std::span<const LogitBias> bias);

// Step 1. Bit i % 32 of word i / 32 allows token i; an empty mask allows all.
[[nodiscard]] std::vector<float> masked_logits(std::span<const float> logits,
                                               std::span<const uint32_t> mask);

// Steps 2 to 5.
[[nodiscard]] std::vector<float> adjusted_logits(std::span<const float> logits,
                                                 const SamplingOptions& options,
                                                 std::span<const LogitBias> bias,
                                                 const TokenHistory& history);

}  // namespace slipstream::model
