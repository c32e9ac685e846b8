#include "engine/workspace.h"

#include <algorithm>
#include <cmath>

#include "engine/kernels/attend/launch.h"
#include "engine/rope_table.h"

namespace slipstream::engine {
namespace {

using kernels::kMaxRows;
using kernels::kPageSize;

// Heads times splits of attention, at most, over all numbers of tokens.
std::int64_t most_splits(const ModelConfig& config, int heads, int positions) {
  const int keys = most_keys(config, positions);
  std::int64_t most = 0;
  for (int tokens = 1; tokens <= kMaxRows; ++tokens) {
    const std::int64_t splits = kernels::attention_splits(tokens, heads, keys);
    most = std::max(most, tokens * heads * splits);
  }
  return most;
}

std::int64_t widest_gate_up(const ModelConfig& config, int tp) {
  const int shared = config.moe_intermediate_size * config.n_shared_experts;
  return 2LL * std::max(config.intermediate_size, shared) / tp;
}

}  // namespace

int most_keys(const ModelConfig& config, int positions) {
  return config.has_indexer() ? std::min(config.index_topk, positions) : positions;
}

LayerCache make_layer_cache(const CacheShape& shape, bool has_indexer) {
  const std::int64_t row = shape.fp8_rows ? kernels::kFp8RowBytes : kernels::kLatentRow * 2;
  LayerCache cache{DeviceArray<std::byte>(shape.pages * kPageSize * row), {}};
  if (has_indexer) {
    cache.index_keys = DeviceArray<std::byte>(std::int64_t{shape.pages} * kernels::kIndexPageBytes);
  }
  return cache;
}

Workspace::Workspace(const Checkpoint& checkpoint, int sequences, int positions)
    : positions(positions), pages_per_sequence((positions + kPageSize - 1) / kPageSize) {
  const ModelConfig& config = checkpoint.config();
  const std::int64_t heads = checkpoint.local_heads();
  const std::int64_t hidden = std::int64_t{kMaxRows} * config.hidden_size;
  const int tp = checkpoint.share().tp;
  rows = DeviceArray<kernels::StepRow>(kMaxRows);
  pages = DeviceArray<int>(std::int64_t{sequences} * pages_per_sequence);
  const std::vector<float> table = rope_table(config, positions);
  rope = DeviceArray<float>(static_cast<std::int64_t>(table.size()));
  check_cuda(
      cudaMemcpy(rope.data(), table.data(), table.size() * sizeof(float), cudaMemcpyHostToDevice),
      "copy of the rope table");

  residual = DeviceArray<__nv_bfloat16>(hidden);
  middle_residual = DeviceArray<__nv_bfloat16>(hidden);
  delta = DeviceArray<__nv_bfloat16>(hidden);
  normed = DeviceArray<__nv_bfloat16>(hidden);
  q_latent = DeviceArray<__nv_bfloat16>(kMaxRows * config.q_lora_rank);
  kv = DeviceArray<__nv_bfloat16>(kMaxRows * kernels::kLatentRow);
  q = DeviceArray<__nv_bfloat16>(kMaxRows * heads * config.qk_head_dim());
  absorbed = DeviceArray<__nv_bfloat16>(kMaxRows * heads * kernels::kLatent);
  values = DeviceArray<__nv_bfloat16>(kMaxRows * heads * config.v_head_dim);
  const std::int64_t splits = most_splits(config, checkpoint.local_heads(), positions);
  partials = DeviceArray<float>(splits * kernels::kLatent);
  partial_weights = DeviceArray<float2>(splits);
  if (config.has_indexer()) {
    index_key = DeviceArray<__nv_bfloat16>(kMaxRows * kernels::kIndexWidth);
    index_q = DeviceArray<__nv_bfloat16>(kMaxRows * config.index_n_heads * kernels::kIndexWidth);
    head_weights = DeviceArray<float>(kMaxRows * config.index_n_heads);
    scores = DeviceArray<float>(std::int64_t{kMaxRows} * pages_per_sequence * kPageSize);
    lists = DeviceArray<int>(kMaxRows * config.index_topk);
  }

  gate_up = DeviceArray<__nv_bfloat16>(kMaxRows * widest_gate_up(config, tp));
  router_logits = DeviceArray<float>(kMaxRows * config.n_routed_experts);
  const std::int64_t choices_count = std::int64_t{kMaxRows} * config.num_experts_per_tok;
  choices = DeviceArray<kernels::ExpertChoice>(choices_count);
  activated = DeviceArray<__nv_bfloat16>(choices_count * 2 * config.moe_intermediate_size / tp);
  logits = DeviceArray<float>(kMaxRows * checkpoint.local_vocabulary().size());
  sampled = DeviceArray<int>(kMaxRows);
}

std::int64_t Workspace::bytes() const {
  return rows.bytes() + pages.bytes() + rope.bytes() + residual.bytes() + middle_residual.bytes() +
         delta.bytes() + normed.bytes() + q_latent.bytes() + kv.bytes() + index_key.bytes() +
         q.bytes() + index_q.bytes() + head_weights.bytes() + absorbed.bytes() + scores.bytes() +
         lists.bytes() + partials.bytes() + partial_weights.bytes() + values.bytes() +
         gate_up.bytes() + router_logits.bytes() + choices.bytes() + activated.bytes() +
         logits.bytes() + sampled.bytes();
}

}  // namespace slipstream::engine
