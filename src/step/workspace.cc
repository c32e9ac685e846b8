#include "step/workspace.h"

#include <algorithm>
#include <cmath>

#include "step/kernels/attend/plan.h"
#include "step/kernels/support/code_units.h"
#include "step/kernels/support/division.h"
#include "step/rope_table.h"

namespace slipstream::step {
namespace {

using kernels::kMaxRows;
using kernels::kPageSize;

// Heads times splits of attention, at most, over all numbers of tokens.
int64_t most_attention_splits(const model::ModelConfig& config, int heads, int positions) {
  const int keys = most_keys(config, positions);
  int64_t most = 0;
  for (int tokens = 1; tokens <= kMaxRows; ++tokens) {
    const int64_t splits = kernels::attention_splits(tokens, heads, keys);
    most = std::max(most, splits * tokens * heads);
  }
  return most;
}

}  // namespace

int most_keys(const model::ModelConfig& config, int positions) {
  return config.has_indexer() ? std::min(config.index_topk, positions) : positions;
}

LayerCache plan_layer_cache(const CacheShape& shape, bool has_indexer) {
  const int64_t row = shape.fp8_rows ? kernels::kFp8RowBytes : kernels::kLatentRow * 2;
  LayerCache cache;
  cache.latent.plan(row * shape.pages * kPageSize);
  if (has_indexer) cache.index_keys.plan(int64_t{shape.pages} * kernels::kIndexPageBytes);
  return cache;
}

LayerCache make_layer_cache(const CacheShape& shape, bool has_indexer) {
  LayerCache cache = plan_layer_cache(shape, has_indexer);
  cache.allocate();
  return cache;
}

void LayerCache::allocate() {
  latent.allocate();
  index_keys.allocate();
  if (index_keys.bytes() == 0) return;
  // Kernels read whole pages of keys, and discard the scores of those that are not written yet.
  check_cuda(cudaMemset(index_keys.data(), 0, index_keys.bytes()), "cudaMemset of index keys");
  check_cuda(cudaStreamSynchronize(cudaStreamLegacy), "cudaStreamSynchronize");
}

Workspace::Workspace(const model::Checkpoint& checkpoint, int sequences, int positions)
    : Workspace(planned(checkpoint, sequences, positions)) {
  allocate(checkpoint.config());
}

Workspace Workspace::planned(const model::Checkpoint& checkpoint, int sequences, int positions,
                             int adjusted_sequences, bool drafts) {
  Workspace result;
  result.positions = positions;
  result.pages_per_sequence = kernels::ceil_div(positions, kPageSize);
  result.plan(checkpoint.config(), checkpoint, sequences);
  result.plan_extras(checkpoint.config(), checkpoint, sequences, adjusted_sequences);
  if (drafts) result.plan_drafts(checkpoint);
  return result;
}

void Workspace::plan(const model::ModelConfig& config, const model::Checkpoint& checkpoint,
                     int sequences) {
  constexpr int64_t kRows = kMaxRows;
  const int64_t heads = checkpoint.local_heads();
  const int64_t hidden = kRows * config.hidden_size;
  rows.plan(kRows);
  pages.plan(int64_t{sequences} * pages_per_sequence);
  rope.plan(int64_t{positions} * kernels::kRope);
  residual.plan(hidden);
  middle_residual.plan(hidden);
  delta.plan(hidden);
  normed.plan(hidden);
  const int groups = kernels::ceil_div(config.hidden_size, kernels::kUnitCodes);
  normed_codes.plan(kernels::code_bytes(groups * kMaxRows));
  const int widest = std::max(
      {config.hidden_size, config.q_lora_rank, static_cast<int>(heads) * config.v_head_dim});
  operands.plan(kernels::OperandImage(kernels::ceil_div(widest, kernels::kGroup), kMaxRows).bytes);
  q_latent.plan(kRows * config.q_lora_rank);
  kv.plan(kRows * kernels::kLatentRow);
  q.plan(kRows * heads * config.qk_head_dim());
  absorbed.plan(kRows * heads * kernels::kLatent);
  values.plan(kRows * heads * config.v_head_dim);
  const int64_t splits = most_attention_splits(config, checkpoint.local_heads(), positions);
  partials.plan(splits * kernels::kLatent);
  partial_weights.plan(splits);
  if (config.has_indexer()) {
    index_key.plan(kRows * kernels::kIndexWidth);
    index_q.plan(kRows * config.index_n_heads * kernels::kIndexWidth);
    head_weights.plan(kRows * config.index_n_heads);
    scores.plan(kRows * pages_per_sequence * kPageSize);
    lists.plan(kRows * config.index_topk);
  }
  plan_experts(config, checkpoint);
  logits.plan(kRows * checkpoint.local_vocabulary().size());
  sampled.plan(2 * kRows);
}

void Workspace::plan_extras(const model::ModelConfig& config, const model::Checkpoint& checkpoint,
                            int sequences, int adjusted_sequences) {
  const int64_t vocabulary = checkpoint.local_vocabulary().size();
  extras.plan(kMaxRows);
  last_tokens.plan(sequences);
  mask_words = (config.vocab_size + 31) / 32;
  masks.plan(int64_t{kMaxRows} * mask_words);
  histories.plan(adjusted_sequences * vocabulary);
  biases.plan(adjusted_sequences * vocabulary);
  adjusted.plan(kMaxRows * vocabulary);
  logprobs.plan(kMaxRows);
}

void Workspace::plan_drafts(const model::Checkpoint& checkpoint) {
  draft_rows.plan(kMaxRows);
  draft_sources.plan(kMaxRows);
  draft_logits.plan(kMaxRows * checkpoint.local_vocabulary().size());
  zeros.plan(checkpoint.config().hidden_size);
}

kernels::Histories Workspace::histories_of(const model::Range& vocabulary) const {
  return {.words = histories.produced(),
          .biases = biases.produced(),
          .vocabulary = static_cast<int>(vocabulary.size()),
          .first_token = static_cast<int>(vocabulary.begin)};
}

void Workspace::plan_experts(const model::ModelConfig& config,
                             const model::Checkpoint& checkpoint) {
  const int shared = config.moe_intermediate_size * config.n_shared_experts;
  const int widest = std::max(config.intermediate_size, shared);
  gate_up.plan(int64_t{kMaxRows} * 2 * checkpoint.local_width(widest));
  router_logits.plan(int64_t{kMaxRows} * config.n_routed_experts);
  const int64_t choices_count = int64_t{kMaxRows} * config.num_experts_per_tok;
  choices.plan(choices_count);
  activated.plan(choices_count * 2 * checkpoint.local_width(config.moe_intermediate_size));
}

template <class Self, class Visit>
void Workspace::each(Self& self, const Visit& visit) {
  const auto visit_all = [&](auto&... arrays) { (visit(arrays), ...); };
  visit_all(self.rows, self.pages, self.rope, self.residual, self.middle_residual, self.delta,
            self.normed, self.normed_codes, self.operands, self.q_latent, self.kv, self.index_key,
            self.q, self.index_q, self.head_weights, self.absorbed, self.scores, self.lists,
            self.partials, self.partial_weights, self.values, self.gate_up, self.router_logits,
            self.choices, self.activated, self.logits, self.sampled, self.extras, self.last_tokens,
            self.masks, self.histories, self.biases, self.adjusted, self.logprobs, self.draft_rows,
            self.draft_sources, self.draft_logits, self.zeros);
}

void Workspace::allocate(const model::ModelConfig& config) {
  each(*this, [](auto& array) { array.allocate(); });
  const std::vector<float> table = rope_table(config, positions);
  check_cuda(
      cudaMemcpy(rope.data(), table.data(), table.size() * sizeof(float), cudaMemcpyHostToDevice),
      "copy of the rope table");
  if (zeros.bytes() > 0) {
    check_cuda(cudaMemset(zeros.data(), 0, zeros.bytes()), "cudaMemset of a row of zeros");
  }
  // Kernels read parts and lists before they know whether there are any, and drop what they read.
  check_cuda(cudaMemset(partials.data(), 0, partials.bytes()), "cudaMemset of attention's parts");
  if (lists.bytes() == 0) return;
  check_cuda(cudaMemset(lists.data(), 0, lists.bytes()), "cudaMemset of the index lists");
  // Scores of whole groups of keys are copied.
  check_cuda(cudaMemset(scores.data(), 0, scores.bytes()), "cudaMemset of the scores");
}

int64_t Workspace::bytes() const {
  int64_t sum = 0;
  each(*this, [&](const auto& array) { sum += array.bytes(); });
  return sum;
}

}  // namespace slipstream::step
