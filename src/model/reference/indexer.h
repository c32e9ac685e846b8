// The lightning indexer: which keys each token attends to (docs/model.md, 2.7 and 2.8).
#pragma once

#include <span>
#include <vector>

#include "model/reference/caches.h"
#include "model/reference/matrix.h"
#include "model/reference/model.h"

namespace slipstream::model::reference {

// Sequence and position of one token of a step.
struct TokenPlace {
  int sequence = 0;  // index into the page tables
  int position = 0;
};

// One index query per head, ready to be multiplied with cached keys.
struct IndexQuery {
  Matrix heads;  // [index_n_heads, 128]: codes' values, or the query itself in exact mode
  std::vector<float> weights;  // head weight with every constant and the query's scale folded in
};

// The token's key before it is quantized: projected, normalized, rotated and, unless exact,
// transformed.
[[nodiscard]] Matrix index_keys(const Model& model, const IndexerWeights& weights,
                                const Matrix& hidden, std::span<const TokenPlace> tokens);

[[nodiscard]] std::vector<IndexQuery> index_queries(const Model& model,
                                                    const IndexerWeights& weights,
                                                    const Matrix& hidden, const Matrix& q_latent,
                                                    std::span<const TokenPlace> tokens);

// Score of every position 0..position of the sequence.
[[nodiscard]] std::vector<float> index_scores(const IndexQuery& query, const IndexKeyCache& keys,
                                              const PageTable& pages, int position);

// The list of a token without scores: every position, as long as they are at most index_topk.
[[nodiscard]] std::vector<int> all_positions(int position);

// Writes the tokens' index keys and returns the list of each, positions ascending.
[[nodiscard]] std::vector<std::vector<int>> select_keys(
    const Model& model, const IndexerWeights& weights, const Matrix& hidden, const Matrix& q_latent,
    std::span<const TokenPlace> tokens, std::span<const PageTable> pages, IndexKeyCache& keys);

}  // namespace slipstream::model::reference
