// Multi-head latent attention over a list of keys, in absorbed form (docs/model.md, 2.5, 2.9
// and 2.10).
#pragma once

#include <span>
#include <vector>

#include "model/reference/caches.h"
#include "model/reference/indexer.h"
#include "model/reference/matrix.h"
#include "model/reference/model.h"

namespace slipstream::model::reference {

// q_nope W_UK: the query of one head as a vector of the latent space. `w_uk` is the head's [nope,
// 512].
void absorb_query(const Numerics& numerics, std::span<const float> q_nope,
                  std::span<const float> w_uk, std::span<float> result);

// One head over the listed positions: softmax(scale * (q . row)) applied to the latent part of the
// rows.
//   query   576: [absorbed query 512 | rotated query 64]
//   result  512
void attend(const Numerics& numerics, std::span<const float> query, std::span<const int> positions,
            const LatentCache& cache, const PageTable& pages, double scale,
            std::span<float> result);

// latent W_UV^T: the head's output. `w_uv` is the head's [v, 512].
void project_value(const Numerics& numerics, std::span<const float> latent,
                   std::span<const float> w_uv, std::span<float> result);

// Normalizes the latent, rotates the key and writes both into the cache. `kv` is kv_a_proj's result
// [T, 576].
void write_latent(const Model& model, const AttentionWeights& weights, const Matrix& kv,
                  std::span<const TokenPlace> tokens, std::span<const PageTable> pages,
                  LatentCache& cache);

// Index lists of the tokens of a step, positions ascending.
using IndexLists = std::vector<std::vector<int>>;

struct LayerCache {
  LatentCache latent;
  IndexKeyCache index_keys;
};

// The whole block: `hidden` is normalized already; the result is o_proj's (with several ranks: this
// rank's part). A full layer replaces `lists`, a shared one uses them, a model without an indexer
// attends to every position.
[[nodiscard]] Matrix attention(const Model& model, const AttentionWeights& weights,
                               const Matrix& hidden, std::span<const TokenPlace> tokens,
                               std::span<const PageTable> pages, LayerCache& cache,
                               IndexLists& lists);

}  // namespace slipstream::model::reference
