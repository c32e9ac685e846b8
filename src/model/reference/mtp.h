// The MTP layer, which drafts: from the hidden state at a position and the token after it, it predicts
// the token after that one (docs/model.md, 2.13).
#pragma once

#include <span>
#include <vector>

#include "model/reference/decode_step.h"

namespace slipstream::model::reference {

struct DraftResult {
  Matrix logits;  // [T, vocabulary of the ranks]: of the token two positions on
  Matrix normed;  // [T, hidden]: the hidden states that the next draft takes
};

// `tokens`: for each position of `places` the token that follows it. `hidden`: the model's states
// there, after the final norm, or those of the draft before. `lists` as for attention(); they are
// kept, if they are not empty and the model's MTP layer chooses keys once a round: a list that is
// not full takes in the positions that have come since.
[[nodiscard]] DraftResult draft(std::span<const Model> ranks, std::span<const int> tokens,
                                std::span<const TokenPlace> places, const Matrix& hidden,
                                std::span<const PageTable> pages, LayerCache& cache,
                                IndexLists& lists);

}  // namespace slipstream::model::reference
