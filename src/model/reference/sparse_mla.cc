#include "model/reference/sparse_mla.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "model/reference/norms.h"
#include "model/reference/rope.h"

namespace slipstream::model::reference {
namespace {

// The part of a [heads, rows, 512] array that belongs to a head.
std::span<const float> of_head(const std::vector<float>& weights, int head, int rows) {
  const size_t size = static_cast<size_t>(rows) * kLatentWidth;
  return std::span(weights).subspan(head * size, size);
}

// All heads of one token; result [heads * v_head_dim].
void attend_token(const Model& model, const AttentionWeights& weights, std::span<const float> q,
                  const TokenPlace& place, std::span<const int> list, const LatentCache& cache,
                  const PageTable& pages, std::span<float> result) {
  const ModelConfig& config = model.config;
  const int nope = config.qk_nope_head_dim;
  const auto width = static_cast<size_t>(config.qk_head_dim());
  const auto value_width = static_cast<size_t>(config.v_head_dim);
  std::vector<float> query(kLatentWidth + kRopeWidth);
  std::vector<float> latent(kLatentWidth);
  for (int head = 0; head < model.local_heads; ++head) {
    const auto q_head = q.subspan(width * head, width);
    absorb_query(model.numerics, q_head.first(nope), of_head(weights.w_uk, head, nope),
                 std::span(query).first(kLatentWidth));
    const auto q_rope = std::span(query).subspan(kLatentWidth);
    std::copy(q_head.begin() + nope, q_head.end(), q_rope.begin());
    rotate(q_rope, model.inverse_frequencies, place.position, config.mla_rope);
    for (float& value : q_rope) value = model.numerics.stored(value);

    attend(model.numerics, query, list, cache, pages, config.softmax_scale(), latent);
    project_value(model.numerics, latent, of_head(weights.w_uv, head, config.v_head_dim),
                  result.subspan(value_width * head, value_width));
  }
}

}  // namespace

void absorb_query(const Numerics& numerics, std::span<const float> q_nope,
                  std::span<const float> w_uk, std::span<float> result) {
  std::fill(result.begin(), result.end(), 0.0F);
  for (size_t d = 0; d < q_nope.size(); ++d) {
    const auto row = w_uk.subspan(d * kLatentWidth, kLatentWidth);
    for (size_t i = 0; i < row.size(); ++i) result[i] += q_nope[d] * row[i];
  }
  for (float& value : result) value = numerics.stored(value);
}

void attend(const Numerics& numerics, std::span<const float> query, std::span<const int> positions,
            const LatentCache& cache, const PageTable& pages, double scale,
            std::span<float> result) {
  Matrix rows(static_cast<int>(positions.size()), kLatentWidth + kRopeWidth);
  std::vector<double> weights;
  double largest = -std::numeric_limits<double>::infinity();
  for (int i = 0; i < rows.rows(); ++i) {
    cache.read(pages.slot(positions[i]), rows.row(i));
    weights.push_back(scale * dot(query, rows.row(i)));
    largest = std::max(largest, weights.back());
  }
  double total = 0;
  for (double& weight : weights) {
    weight = std::exp(weight - largest);
    total += weight;
  }
  std::fill(result.begin(), result.end(), 0.0F);
  for (int i = 0; i < rows.rows(); ++i) {
    const auto probability = static_cast<float>(weights[i] / total);
    const auto row = rows.row(i);
    for (int column = 0; column < kLatentWidth; ++column) {
      result[column] += probability * row[column];
    }
  }
  for (float& value : result) value = numerics.stored(value);
}

void project_value(const Numerics& numerics, std::span<const float> latent,
                   std::span<const float> w_uv, std::span<float> result) {
  for (size_t row = 0; row < result.size(); ++row) {
    result[row] = numerics.stored(dot(latent, w_uv.subspan(row * kLatentWidth, kLatentWidth)));
  }
}

void write_latent(const Model& model, const AttentionWeights& weights, const Matrix& kv,
                  std::span<const TokenPlace> tokens, std::span<const PageTable> pages,
                  LatentCache& cache) {
  std::vector<float> latent(kLatentWidth);
  std::vector<float> rope(kRopeWidth);
  for (int token = 0; token < kv.rows(); ++token) {
    const auto row = kv.row(token);
    const TokenPlace& place = tokens[token];
    rms_norm(model.numerics, row.first(kLatentWidth), weights.kv_a_norm, model.config.lora_norm_eps,
             latent);
    std::copy(row.begin() + kLatentWidth, row.end(), rope.begin());
    rotate(rope, model.inverse_frequencies, place.position, model.config.mla_rope);
    cache.write(pages[place.sequence].slot(place.position), latent, rope);
  }
}

Matrix attention(const Model& model, const AttentionWeights& weights, const Matrix& hidden,
                 std::span<const TokenPlace> tokens, std::span<const PageTable> pages,
                 LayerCache& cache, IndexLists& lists) {
  const Numerics& numerics = model.numerics;
  const Matrix kv = linear(numerics, weights.kv_a, hidden);
  write_latent(model, weights, kv, tokens, pages, cache.latent);

  const Matrix q_latent = rms_norm(numerics, linear(numerics, weights.q_a, hidden),
                                   weights.q_a_norm, model.config.lora_norm_eps);
  if (weights.indexer) {
    lists = select_keys(model, *weights.indexer, hidden, q_latent, tokens, pages, cache.index_keys);
  } else if (!model.config.has_indexer()) {
    lists.clear();
    for (const TokenPlace& place : tokens) lists.push_back(all_positions(place.position));
  }

  const Matrix q = linear(numerics, weights.q_b, q_latent);
  Matrix values(hidden.rows(), model.local_heads * model.config.v_head_dim);
  for (int token = 0; token < hidden.rows(); ++token) {
    const TokenPlace& place = tokens[token];
    attend_token(model, weights, q.row(token), place, lists[token], cache.latent,
                 pages[place.sequence], values.row(token));
  }
  return linear(numerics, weights.o, values);
}

}  // namespace slipstream::model::reference
