#include "model/reference/decode_step.h"

#include <algorithm>
#include <utility>

#include "model/reference/moe.h"
#include "model/reference/norms.h"

namespace slipstream::model::reference {
namespace {

Matrix embed(const Model& model, std::span<const StepToken> tokens) {
  Matrix result(static_cast<int>(tokens.size()), model.config.hidden_size);
  for (int token = 0; token < result.rows(); ++token) {
    const auto row = model.embedding.row(tokens[token].id);
    std::copy(row.begin(), row.end(), result.row(token).begin());
  }
  return result;
}

// What all ranks add, in their order.
template <class Part>
Matrix add_ranks(std::span<const Model> ranks, const Part& part) {
  Matrix sum = part(ranks.front());
  for (const Model& rank : ranks.subspan(1)) {
    const Matrix more = part(rank);
    for (size_t i = 0; i < sum.values().size(); ++i) sum.values()[i] += more.values()[i];
  }
  return sum;
}

// The stored residual is rounded; the sum that the next norm reads is not.
Matrix add_to_residual(const Numerics& numerics, const Matrix& residual, const Matrix& delta) {
  Matrix sum = delta;
  for (size_t i = 0; i < sum.values().size(); ++i) {
    sum.values()[i] += numerics.stored(residual.values()[i]);
  }
  return sum;
}

}  // namespace

Matrix head(std::span<const Model> ranks, const Matrix& hidden) {
  int vocabulary = 0;
  for (const Model& rank : ranks) vocabulary += rank.head.rows;
  Matrix result(hidden.rows(), vocabulary);
  int first = 0;
  for (const Model& rank : ranks) {
    const Matrix part = linear_fp32(rank.head, hidden);
    for (int token = 0; token < hidden.rows(); ++token) {
      std::copy(part.row(token).begin(), part.row(token).end(), result.row(token).begin() + first);
    }
    first += rank.head.rows;
  }
  return result;
}

std::vector<LayerCache> make_caches(const Model& model, int pages) {
  std::vector<LayerCache> caches;
  for (const LayerWeights& layer : model.layers) {
    caches.push_back({LatentCache(model.numerics, pages),
                      IndexKeyCache(model.numerics, layer.attention.indexer ? pages : 0)});
  }
  return caches;
}

Matrix run_layer(std::span<const Model> ranks, int layer, const Matrix& hidden,
                 std::span<const TokenPlace> tokens, std::span<const PageTable> pages,
                 LayerCache& cache, IndexLists& lists) {
  const LayerWeights& weights = ranks.front().layers[layer];
  const Numerics& numerics = ranks.front().numerics;
  const float eps = ranks.front().config.rms_norm_eps;

  const Matrix x = rms_norm(numerics, hidden, weights.input_norm, eps);
  const Matrix attended = add_ranks(ranks, [&](const Model& rank) {
    return attention(rank, rank.layers[layer].attention, x, tokens, pages, cache, lists);
  });
  const Matrix middle = add_to_residual(numerics, hidden, attended);

  const Matrix y = rms_norm(numerics, middle, weights.post_attention_norm, eps);
  const Matrix mixed = add_ranks(ranks, [&](const Model& rank) {
    const LayerWeights& part = rank.layers[layer];
    return part.dense ? gated_mlp(numerics, *part.dense, y) : moe(rank, *part.moe, y);
  });
  return add_to_residual(numerics, middle, mixed);
}

Matrix run_layer(const Model& model, int layer, const Matrix& hidden,
                 std::span<const TokenPlace> tokens, std::span<const PageTable> pages,
                 LayerCache& cache, IndexLists& lists) {
  return run_layer({&model, 1}, layer, hidden, tokens, pages, cache, lists);
}

Matrix final_norm(const Model& model, const Matrix& hidden) {
  return rms_norm(model.numerics, hidden, model.final_norm, model.config.rms_norm_eps);
}

StepResult decode_step(const Model& model, std::span<const StepToken> tokens,
                       std::span<const PageTable> pages, std::vector<LayerCache>& caches) {
  return decode_step({&model, 1}, tokens, pages, caches);
}

StepResult decode_step(std::span<const Model> ranks, std::span<const StepToken> tokens,
                       std::span<const PageTable> pages, std::vector<LayerCache>& caches) {
  const Model& model = ranks.front();
  std::vector<TokenPlace> places;
  for (const StepToken& token : tokens) places.push_back(token.place);

  StepResult result;
  Matrix hidden = embed(model, tokens);
  IndexLists lists;
  for (int layer = 0; layer < model.config.num_hidden_layers; ++layer) {
    result.layer_inputs.push_back(hidden);
    hidden = run_layer(ranks, layer, hidden, places, pages, caches[layer], lists);
    result.index_lists.push_back(lists);
  }
  result.final_hidden = final_norm(model, hidden);
  result.logits = head(ranks, result.final_hidden);
  return result;
}

}  // namespace slipstream::model::reference
