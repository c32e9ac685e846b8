#include "model/reference/indexer.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "model/reference/norms.h"
#include "model/reference/rope.h"
#include "model/reference/top_k.h"

namespace slipstream::model::reference {
namespace {

// Both q and k lie as [rope 64 | nope 64], the other way round than in attention.
void rotate_and_transform(const Model& model, std::span<float> x, int position) {
  rotate(x.first(kRopeWidth), model.inverse_frequencies, position, model.config.indexer_rope);
  for (float& value : x) value = model.numerics.stored(value);
  if (model.numerics.exact) return;
  if (!model.config.index_hadamard) return;
  hadamard_transform(x);
  for (float& value : x) value = model.numerics.stored(value);
}

// Replaces the query by its codes' values and returns their scale.
float quantize_query(const Numerics& numerics, std::span<float> query) {
  if (numerics.exact) return 1;
  const QuantizedGroup quantized = quantize_group(query, true);
  std::transform(quantized.codes.begin(), quantized.codes.end(), query.begin(), e4m3_to_float);
  return quantized.scale;
}

}  // namespace

Matrix index_keys(const Model& model, const IndexerWeights& weights, const Matrix& hidden,
                  std::span<const TokenPlace> tokens) {
  Matrix keys = linear(model.numerics, weights.wk, hidden);
  for (int token = 0; token < keys.rows(); ++token) {
    const auto key = keys.row(token);
    layer_norm(model.numerics, key, weights.k_norm_weight, weights.k_norm_bias,
               model.config.layer_norm_eps, key);
    rotate_and_transform(model, key, tokens[token].position);
  }
  return keys;
}

std::vector<IndexQuery> index_queries(const Model& model, const IndexerWeights& weights,
                                      const Matrix& hidden, const Matrix& q_latent,
                                      std::span<const TokenPlace> tokens) {
  const int heads = model.config.index_n_heads;
  const Matrix projected = linear(model.numerics, weights.wq_b, q_latent);
  const Matrix head_weights = linear_fp32(weights.weights_proj, hidden);
  const auto constant = static_cast<float>(1 / std::sqrt(static_cast<double>(heads)) /
                                           std::sqrt(static_cast<double>(kIndexWidth)));
  std::vector<IndexQuery> queries;
  for (int token = 0; token < hidden.rows(); ++token) {
    IndexQuery query{Matrix(heads, kIndexWidth), {}};
    std::copy_n(projected.row(token).begin(), projected.columns(), query.heads.values().begin());
    for (int head = 0; head < heads; ++head) {
      rotate_and_transform(model, query.heads.row(head), tokens[token].position);
      const float scale = quantize_query(model.numerics, query.heads.row(head));
      query.weights.push_back(head_weights.row(token)[head] * constant * scale);
    }
    queries.push_back(std::move(query));
  }
  return queries;
}

std::vector<float> index_scores(const IndexQuery& query, const IndexKeyCache& keys,
                                const PageTable& pages, int position) {
  std::vector<float> scores;
  std::vector<float> key(kIndexWidth);
  for (int other = 0; other <= position; ++other) {
    const float scale = keys.read(pages.slot(other), key);
    float sum = 0;
    for (int head = 0; head < query.heads.rows(); ++head) {
      sum += query.weights[head] * std::max(dot(query.heads.row(head), key), 0.0F);
    }
    scores.push_back(sum * scale);
  }
  return scores;
}

std::vector<int> all_positions(int position) {
  std::vector<int> list(position + 1);
  std::iota(list.begin(), list.end(), 0);
  return list;
}

std::vector<std::vector<int>> select_keys(const Model& model, const IndexerWeights& weights,
                                          const Matrix& hidden, const Matrix& q_latent,
                                          std::span<const TokenPlace> tokens,
                                          std::span<const PageTable> pages, IndexKeyCache& keys) {
  // Every token's key is in the cache before any token is scored: a token is a candidate for
  // itself, and tokens of one sequence see those before them.
  const Matrix fresh = index_keys(model, weights, hidden, tokens);
  for (int token = 0; token < hidden.rows(); ++token) {
    const TokenPlace& place = tokens[token];
    keys.write(pages[place.sequence].slot(place.position), fresh.row(token));
  }
  const auto queries = index_queries(model, weights, hidden, q_latent, tokens);
  std::vector<std::vector<int>> lists;
  for (int token = 0; token < hidden.rows(); ++token) {
    const TokenPlace& place = tokens[token];
    if (place.position < model.config.index_topk) {
      lists.push_back(all_positions(place.position));
    } else {
      const auto scores = index_scores(queries[token], keys, pages[place.sequence], place.position);
      lists.push_back(top_k(scores, model.config.index_topk));
    }
  }
  return lists;
}

}  // namespace slipstream::model::reference
