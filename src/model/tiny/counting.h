// A tiny model that counts, so that anybody can say which tokens it gives and which drafts are right.
//
// The token after t is counting_successor(t), mostly t + 1: an embedding is a set of angles, one
// token further is a rotation, and the head looks for the embedding of the predecessor. What main
// layers add is zero. The MTP layer sees hidden states alone and rotates them once: after token b it
// drafts the successor of b + 1, after that of b + 2, and so on, which is right as long as the model
// counts by one.
//
// Whatever is done wrongly shows in the drafts. Final norms have signs, which only hnorm takes away
// again; the half of eh_proj that takes embeddings is zero; and eh_proj adds a token that the MTP
// layer's attention takes away, by the mean over all its cache rows: where rows are missing, that
// token is drafted.
#pragma once

#include <optional>
#include <vector>

#include "model/config.h"
#include "model/tensor_specs.h"

namespace slipstream::model::tiny {

inline constexpr int kCountingPeriod = 8;

// Of tokens 8n to 8n + 7 the order is 0 1 2 3 5 4 6 7.
[[nodiscard]] int counting_successor(int token, int vocabulary);
// Draft j = 1, 2, ... of the tokens after `token`, the one that the last step had before its own.
[[nodiscard]] int counting_draft(int token, int j, int vocabulary);

// Values of a tensor, row by row; none if any will do. `vocabulary` is a multiple of the period.
[[nodiscard]] std::optional<std::vector<float>> counting_values(const ModelConfig& config,
                                                                const TensorSpec& tensor);

}  // namespace slipstream::model::tiny
