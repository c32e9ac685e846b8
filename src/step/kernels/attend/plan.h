// How the keys of attention are shared out among the CTAs of a launch.
#pragma once

namespace slipstream::step::kernels {

inline constexpr int kFewHeads = 8;  // of a CTA
inline constexpr int kManyHeads = 16;
inline constexpr int kFewKeys = 16;  // that a CTA takes at a time
inline constexpr int kManyKeys = 32;

// How many heads a CTA takes: few where all of its keys then come in one go. Fewer CTAs load the same
// queries, and there are fewer parts to combine.
[[nodiscard]] int attention_heads(int tokens, int heads, int keys);

// How many parts the keys of each token are split into: of all tokens at most as many as an H200 has
// multiprocessors, or twice as many from eight tokens on; and no more than have all of them take
// their keys in as few rounds as the one that has most. `keys` is the most that a token has.
[[nodiscard]] int attention_splits(int tokens, int heads, int keys);

}  // namespace slipstream::step::kernels
