// Selection of keys by score (docs/model.md, 2.8).
#pragma once

#include <span>
#include <vector>

namespace slipstream::model::reference {

// What a score counts as where scores are compared: NaN is as small as minus infinity.
[[nodiscard]] float rank_of(float score);

// The positions of the min(k, n) largest scores, ascending. Of equal scores the lower position
// wins; NaN counts as minus infinity.
[[nodiscard]] std::vector<int> top_k(std::span<const float> scores, int k);

}  // namespace slipstream::model::reference
