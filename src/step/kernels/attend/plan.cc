#include "step/kernels/attend/plan.h"

#include <algorithm>
#include <bit>

#include "step/kernels/attend/params.h"

namespace slipstream::step::kernels {

int attention_splits(int tokens, int heads, int keys) {
  // Powers of two near one CTA per SM of an H200 while their keys come in one go, else two. The
  // number decides in which order sums are taken, so it does not depend on the device: every GPU
  // gives the same bits.
  const bool few = tokens < 8;
  const unsigned wanted = std::max(1, (few ? 128 : 256) / (tokens * attention_head_tiles(heads)));
  const int step = few ? kFewKeys : kManyKeys;
  const unsigned filled = (keys + step - 1) / step;
  const auto splits = static_cast<int>(std::min(std::bit_floor(wanted), std::bit_ceil(filled)));
  return std::max(splits, few ? kFewPartsGroup : kManyPartsGroup);
}

}  // namespace slipstream::step::kernels
