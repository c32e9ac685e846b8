// How the keys of attention are shared out among the CTAs of a launch.
#pragma once

namespace slipstream::step::kernels {

inline constexpr int kAttendHeads = 16;  // of a CTA
inline constexpr int kFewKeys = 16;      // that a CTA takes at a time
inline constexpr int kManyKeys = 32;

[[nodiscard]] constexpr int attention_head_tiles(int heads) {
  return (heads + kAttendHeads - 1) / kAttendHeads;
}

// How many parts the keys of each token are split into: a power of two, and a multiple of the group
// that the combination takes. `keys` is the most that a token has.
[[nodiscard]] int attention_splits(int tokens, int heads, int keys);

}  // namespace slipstream::step::kernels
