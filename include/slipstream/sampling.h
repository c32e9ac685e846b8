// How a token is drawn.
#pragma once

#include <cstdint>
#include <vector>

namespace slipstream {

// The most likely tokens of which SamplingOptions::logprobs can ask.
inline constexpr int kMaxLogprobs = 20;

// How the next token is chosen from logits; docs/engine.md states the algorithm,
// src/model/sampling.h is its reference. A sequence that asks for none of what stands below `seed`
// costs nothing for it.
struct SamplingOptions {
  float temperature = 0;  // 0: the largest logit, the lower id on ties; finite, not negative
  int top_k = 0;          // tokens to keep, by logit; 0: all
  float top_p = 1;        // share of their probability to keep, above 0 and at most 1
  uint64_t seed = 0;      // seed, position and logits decide, whatever else is in the batch

  float min_p = 0;  // 0 to 1: tokens to keep, by probability relative to the most likely one's
  // Of tokens of the sequence, those sampled and those of its prompt: a positive logit is divided by
  // it, another one multiplied; above 0, 1: none.
  float repetition_penalty = 1;
  // Taken off the logit of a token that has been sampled, once, and as often as it was; finite.
  float presence_penalty = 0;
  float frequency_penalty = 0;
  // Report the token's log probability, its rank and those of the `logprobs` most likely tokens, 0
  // to kMaxLogprobs; -1: none.
  int logprobs = -1;
};

struct LogitBias {
  int token = 0;
  float bias = 0;  // added to its logit; finite
};

// Log probabilities under the model's logits with the mask (softmax over the tokens that it allows),
// before bias, penalties, temperature and limits.
struct TokenLogprobs {
  float logprob = 0;  // of the chosen token
  int rank = 0;       // how many tokens are at least as likely, itself included
  // The most likely tokens, as many as asked for (fewer only where fewer can be chosen), the lower id
  // first among equals.
  std::vector<int> ids = {};
  std::vector<float> logprobs = {};
};

}  // namespace slipstream
