// Rotary embedding, with DeepSeek's YaRN, and the Hadamard transform of the indexer
// (docs/model.md, 2.4 and 2.7).
#pragma once

#include <span>

#include "model/config.h"
#include "model/rope.h"

namespace slipstream::model::reference {

// Rotates x, which holds one pair per frequency, to `position`; pairs lie as `layout` says and stay
// where they are.
void rotate(std::span<float> x, std::span<const float> inverse_frequencies, int position,
            RopeLayout layout);

// y = H x / sqrt(n) with the Hadamard matrix H in natural (Sylvester) order; n is a power of two.
void hadamard_transform(std::span<float> x);

}  // namespace slipstream::model::reference
