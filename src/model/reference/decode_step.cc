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

// The stored residual is rounded; the sum that the next norm reads is not.
Matrix add_to_residual(const Numerics& numerics, const Matrix& residual, const Matrix& delta) {
  Matrix sum = delta;
  for (size_t i = 0; i < sum.values().size(); ++i) {
    sum.values()[i] += numerics.stored(residual.values()[i]);
  }
  return sum;
}

}  // namespace

std::vector<LayerCache> make_caches(const Model& model, int pages) {
  std::vector<LayerCache> caches;
  for (const LayerWeights& layer : model.layers) {
    caches.push_back({LatentCache(model.numerics, pages),
                      IndexKeyCache(model.numerics, layer.attention.indexer ? pages : 0)});
  }
  return caches;
}

Matrix run_layer(const Model& model, int layer, const Matrix& hidden,
                 std::span<const TokenPlace> tokens, std::span<const PageTable> pages,
                 LayerCache& cache, IndexLists& lists) {
  const LayerWeights& weights = model.layers[layer];
  const Numerics& numerics = model.numerics;
  const float eps = model.config.rms_norm_eps;

  const Matrix x = rms_norm(numerics, hidden, weights.input_norm, eps);
  const Matrix attended = attention(model, weights.attention, x, tokens, pages, cache, lists);
  const Matrix middle = add_to_residual(numerics, hidden, attended);

  const Matrix y = rms_norm(numerics, middle, weights.post_attention_norm, eps);
  const Matrix mixed =
      weights.dense ? gated_mlp(numerics, *weights.dense, y) : moe(model, *weights.moe, y);
  return add_to_residual(numerics, middle, mixed);
}

Matrix final_norm(const Model& model, const Matrix& hidden) {
  return rms_norm(model.numerics, hidden, model.final_norm, model.config.rms_norm_eps);
}

StepResult decode_step(const Model& model, std::span<const StepToken> tokens,
                       std::span<const PageTable> pages, std::vector<LayerCache>& caches) {
  std::vector<TokenPlace> places;
  for (const StepToken& token : tokens) places.push_back(token.place);

  StepResult result;
  Matrix hidden = embed(model, tokens);
  IndexLists lists;
  for (int layer = 0; layer < model.config.num_hidden_layers; ++layer) {
    result.layer_inputs.push_back(hidden);
    hidden = run_layer(model, layer, hidden, places, pages, caches[layer], lists);
    result.index_lists.push_back(lists);
  }
  result.final_hidden = final_norm(model, hidden);
  result.logits = linear_fp32(model.head, result.final_hidden);
  return result;
}

}  // namespace slipstream::model::reference
