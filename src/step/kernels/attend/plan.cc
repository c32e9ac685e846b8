#include "step/kernels/attend/plan.h"

#include <algorithm>

namespace slipstream::step::kernels {
namespace {

// Of so much each.
int shares(int all, int each) { return (all + each - 1) / each; }

// What the next launch can combine (values/kernel.cuh).
int combined_splits(int tokens) {
  if (tokens > 8) return 16;
  return tokens == 1 ? 128 : tokens == 2 ? 64 : 32;
}

// One CTA per SM of an H200, or two of many tokens. The number decides in which order sums are taken, so
// it does not depend on the device: every GPU gives the same bits.
int most_splits(int tokens, int head_tiles) {
  constexpr int kProcessors = 132;
  const int ctas = tokens < 8 ? kProcessors : 2 * kProcessors;
  return std::clamp(ctas / (tokens * head_tiles), 1, combined_splits(tokens));
}

}  // namespace

int attention_heads(int tokens, int heads, int keys) {
  const int splits = most_splits(tokens, shares(heads, kFewHeads));
  return shares(keys, kManyKeys) <= splits ? kFewHeads : kManyHeads;
}

int attention_splits(int tokens, int heads, int keys) {
  const int cta_heads = attention_heads(tokens, heads, keys);
  const int cta_keys = cta_heads == kFewHeads ? kFewKeys : kManyKeys;
  const int runs = shares(keys, cta_keys);
  const int rounds = shares(runs, most_splits(tokens, shares(heads, cta_heads)));
  return shares(runs, rounds);
}

}  // namespace slipstream::step::kernels
