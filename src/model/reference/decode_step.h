// One decode step: some tokens of some sequences in, logits out (docs/model.md, 2). The oracle
// of the GPU engine.
//
// A model may lie on several ranks, each with its heads, its part of every MLP and of the
// vocabulary. What attention and MLP add to the stream is then the sum of what the ranks add, each
// rounded, in their order.
#pragma once

#include <span>
#include <vector>

#include "model/reference/caches.h"
#include "model/reference/model.h"
#include "model/reference/sparse_mla.h"

namespace slipstream::model::reference {

// A token to process. Its sequence's earlier tokens are in the caches or earlier in the same step.
struct StepToken {
  int id = 0;
  TokenPlace place;
};

// The paged caches of every layer, an MTP layer's included, of `pages` pages each.
[[nodiscard]] std::vector<LayerCache> make_caches(const Model& model, int pages);

// What a step leaves for comparisons.
struct StepResult {
  Matrix logits;        // [T, vocabulary of the ranks]
  Matrix final_hidden;  // [T, hidden], after the final norm
  std::vector<Matrix>
      layer_inputs;  // [layers] of [T, hidden]: the residual stream before each layer
  std::vector<IndexLists> index_lists;  // [layers]: the lists that the layer's attention used
};

// `caches`: the same on every rank, so only one of each layer's.
[[nodiscard]] StepResult decode_step(std::span<const Model> ranks,
                                     std::span<const StepToken> tokens,
                                     std::span<const PageTable> pages,
                                     std::vector<LayerCache>& caches);
// Of one rank alone.
[[nodiscard]] StepResult decode_step(const Model& model, std::span<const StepToken> tokens,
                                     std::span<const PageTable> pages,
                                     std::vector<LayerCache>& caches);

// One layer alone: takes the residual stream before it, returns that after it. `lists` as for
// attention().
[[nodiscard]] Matrix run_layer(std::span<const Model> ranks, int layer, const Matrix& hidden,
                               std::span<const TokenPlace> tokens, std::span<const PageTable> pages,
                               LayerCache& cache, IndexLists& lists);
[[nodiscard]] Matrix run_layer(const Model& model, int layer, const Matrix& hidden,
                               std::span<const TokenPlace> tokens, std::span<const PageTable> pages,
                               LayerCache& cache, IndexLists& lists);

// What all ranks' parts of the head give, next to each other.
[[nodiscard]] Matrix head(std::span<const Model> ranks, const Matrix& hidden);

// The final norm of the residual stream after the last layer.
[[nodiscard]] Matrix final_norm(const Model& model, const Matrix& hidden);

}  // namespace slipstream::model::reference
