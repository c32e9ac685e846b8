#include "step/kernels/attend/plan.h"

#include <algorithm>
#include <bit>

namespace slipstream::step::kernels {
namespace {

// Of so much each.
int shares(int all, int each) { return (all + each - 1) / each; }

// Powers of two near one CTA per SM of an H200 while their keys come in one go, else two. The number
// decides in which order sums are taken, so it does not depend on the device: every GPU gives the
// same bits.
int most_splits(int tokens, int head_tiles) {
  const unsigned ctas = tokens < 8 ? 128 : 256;
  return static_cast<int>(std::bit_floor(std::max(1U, ctas / (tokens * head_tiles))));
}

}  // namespace

int attention_heads(int tokens, int heads, int keys) {
  const int splits = most_splits(tokens, shares(heads, kFewHeads));
  return keys <= splits * kManyKeys ? kFewHeads : kManyHeads;
}

int attention_splits(int tokens, int heads, int keys) {
  const int cta_heads = attention_heads(tokens, heads, keys);
  const int cta_keys = cta_heads == kFewHeads ? kFewKeys : kManyKeys;
  const unsigned filled = shares(keys, cta_keys);
  return std::min(most_splits(tokens, shares(heads, cta_heads)),
                  static_cast<int>(std::bit_ceil(filled)));
}

}  // namespace slipstream::step::kernels
