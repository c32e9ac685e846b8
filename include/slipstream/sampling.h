// How a token is drawn.
#pragma once

#include <cstdint>

namespace slipstream {

// How the next token is chosen from logits; docs/engine.md states the algorithm,
// src/model/sampling.h is its reference.
struct SamplingOptions {
  float temperature = 0;  // 0: the largest logit, the lower id on ties; finite, not negative
  int top_k = 0;          // tokens to keep, by logit; 0: all
  float top_p = 1;        // share of their probability to keep, above 0 and at most 1
  uint64_t seed = 0;      // seed, position and logits decide, whatever else is in the batch
};

}  // namespace slipstream
