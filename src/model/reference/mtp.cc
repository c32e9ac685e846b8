#include "model/reference/mtp.h"

#include <algorithm>

#include "model/reference/norms.h"

namespace slipstream::model::reference {
namespace {

// [norm of the embedding | norm of the hidden state]
Matrix joined_norms(const Model& model, std::span<const int> tokens, const Matrix& hidden) {
  const int columns = model.config.hidden_size;
  const float eps = model.config.rms_norm_eps;
  Matrix result(hidden.rows(), 2 * columns);
  for (int row = 0; row < hidden.rows(); ++row) {
    const std::span<float> joined = result.row(row);
    rms_norm(model.numerics, model.embedding.row(tokens[row]), model.mtp->embedding_norm, eps,
             joined.first(columns));
    rms_norm(model.numerics, hidden.row(row), model.mtp->hidden_norm, eps, joined.last(columns));
  }
  return result;
}

// Positions that have come since a list was made, as long as it is not full.
void lengthen(std::vector<int>& list, int position, int index_topk) {
  while (static_cast<int>(list.size()) < std::min(index_topk, position + 1)) {
    list.push_back(static_cast<int>(list.size()));
  }
}

// The decoder layer for drafts that take their lists from the first one.
Matrix run_with_lists(std::span<const Model> ranks, const Matrix& projected,
                      std::span<const TokenPlace> places, std::span<const PageTable> pages,
                      LayerCache& cache, IndexLists& lists) {
  const int layer = ranks.front().config.num_hidden_layers;
  for (size_t i = 0; i < places.size(); ++i) {
    lengthen(lists[i], places[i].position, ranks.front().config.index_topk);
  }
  std::vector<Model> sharing(ranks.begin(), ranks.end());
  for (Model& model : sharing) model.layers[layer].attention.indexer.reset();
  return run_layer(sharing, layer, projected, places, pages, cache, lists);
}

}  // namespace

DraftResult draft(std::span<const Model> ranks, std::span<const int> tokens,
                  std::span<const TokenPlace> places, const Matrix& hidden,
                  std::span<const PageTable> pages, LayerCache& cache, IndexLists& lists) {
  const Model& model = ranks.front();
  const ModelConfig& config = model.config;
  const Matrix projected =
      linear(model.numerics, model.mtp->eh_proj, joined_norms(model, tokens, hidden));
  const bool keeps_lists = config.index_share_for_mtp_iteration && !lists.empty();
  const Matrix out = keeps_lists ? run_with_lists(ranks, projected, places, pages, cache, lists)
                                 : run_layer(ranks, config.num_hidden_layers, projected, places,
                                             pages, cache, lists);
  DraftResult result;
  result.normed = rms_norm(model.numerics, out, model.mtp->head_norm, config.rms_norm_eps);
  result.logits = head(ranks, result.normed);
  return result;
}

}  // namespace slipstream::model::reference
