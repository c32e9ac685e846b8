#include "step/decode_step.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "step/kernels/attend/launch.h"
#include "step/kernels/experts/launch.h"
#include "step/kernels/latent/launch.h"
#include "step/kernels/linear/launch.h"
#include "step/kernels/sample/launch.h"
#include "step/kernels/scores/launch.h"
#include "step/kernels/select/launch.h"
#include "step/kernels/values/launch.h"

namespace slipstream::step {
namespace {

using kernels::kPageSize;
using kernels::LinearParams;

void add_segment(LinearParams& linear, const PackedMatrix& matrix, __nv_bfloat16* output) {
  linear.segments[linear.segment_count++] = {matrix, {output}, matrix.rows, false};
}

void add_segment(LinearParams& linear, const PackedMatrix& matrix, float* output) {
  linear.segments[linear.segment_count++] = {matrix, {output}, matrix.rows, true};
}

}  // namespace

DecodeStep::DecodeStep(const model::Checkpoint& checkpoint, const Weights& weights,
                       Workspace& workspace, bool fp8_rows)
    : config_(checkpoint.config()),
      heads_(checkpoint.local_heads()),
      weights_(weights),
      workspace_(workspace),
      exchange_(std::make_unique<LocalExchange>(workspace.delta)),
      fp8_rows_(fp8_rows) {}

void DecodeStep::enqueue(int tokens, const std::vector<LayerCache>& caches,
                         const pdl::LaunchOptions& options) const {
  for (int layer = 0; layer < config_.num_hidden_layers; ++layer) {
    const Stream stream = layer == 0 ? Stream::kEmbedding : Stream::kResidualAndDelta;
    enqueue_layer({weights_.layers()[layer], caches[layer], tokens, stream, options});
  }
  enqueue_head(tokens, options);
  kernels::launch_sample({.logits = workspace_.logits.read(),
                          .vocabulary = weights_.head().rows,
                          .tokens = tokens,
                          .rows = workspace_.rows.produced(),
                          .sampled = workspace_.sampled.produced()},
                         options);
}

void DecodeStep::enqueue_layer(int layer, int tokens, const LayerCache& cache,
                               const pdl::LaunchOptions& options) const {
  enqueue_layer({weights_.layers()[layer], cache, tokens, Stream::kResidual, options});
}

void DecodeStep::enqueue_layer(const Layer& layer) const {
  project_hidden(layer);
  project_latent(layer);
  score_keys(layer);
  select_keys(layer);
  attend(layer);
  project_values(layer);
  project_output(layer);
  project_middle(layer);
  if (layer.weights.mlp_type == model::MlpType::kDense) {
    run_dense(layer);
  } else {
    run_routed_experts(layer);
    sum_experts(layer);
  }
}

void DecodeStep::enqueue_head(int tokens, const pdl::LaunchOptions& options) const {
  kernels::LinearLaunch<kernels::NormInput> launch{linear(tokens), {}};
  add_segment(launch.linear, weights_.head(), workspace_.logits.data());
  launch.input = {.rows = workspace_.residual.read(),
                  .stride = config_.hidden_size,
                  .delta = exchange_->summed().rows,
                  .gamma = weights_.final_norm(),
                  .columns = config_.hidden_size,
                  .eps = config_.rms_norm_eps,
                  .normed = workspace_.normed.produced()};
  kernels::launch_norm_linear(launch, options);
}

// Residual, RMSNorm; q_a, kv_a, indexer wk and weights_proj.
void DecodeStep::project_hidden(const Layer& layer) const {
  kernels::LinearLaunch<kernels::NormInput> launch{linear(layer.tokens), {}};
  add_segment(launch.linear, layer.weights.q_a, workspace_.q_latent.data());
  add_segment(launch.linear, layer.weights.kv_a, workspace_.kv.data());
  if (layer.weights.indexer_type == model::IndexerType::kFull) {
    add_segment(launch.linear, layer.weights.indexer.wk, workspace_.index_key.data());
    add_segment(launch.linear, layer.weights.indexer.weights_proj, workspace_.head_weights.data());
  }
  launch.input = {.rows = workspace_.residual.read(),
                  .stride = config_.hidden_size,
                  .gamma = layer.weights.input_norm,
                  .columns = config_.hidden_size,
                  .eps = config_.rms_norm_eps,
                  .sum = workspace_.middle_residual.produced()};
  if (layer.stream == Stream::kEmbedding) {
    launch.input.embedding = weights_.embedding();
    launch.input.step = workspace_.rows.read();
  }
  if (layer.stream == Stream::kResidualAndDelta) launch.input.delta = exchange_->summed().rows;
  kernels::launch_norm_linear(launch, layer.options);
}

// q_a norm; q_b and indexer wq_b; kv_a norm, rope, both cache writes.
void DecodeStep::project_latent(const Layer& layer) const {
  kernels::LatentLaunch launch{linear(layer.tokens), {}, {}};
  add_segment(launch.linear, layer.weights.q_b, workspace_.q.data());
  launch.input = {.rows = workspace_.q_latent.read(),
                  .stride = config_.q_lora_rank,
                  .gamma = layer.weights.q_a_norm,
                  .columns = config_.q_lora_rank,
                  .eps = config_.lora_norm_eps};
  kernels::CacheWriteParams& cache = launch.cache;
  cache.kv = workspace_.kv.read();
  cache.kv_gamma = layer.weights.kv_a_norm;
  cache.kv_eps = config_.lora_norm_eps;
  cache.rope = {workspace_.rope.data()};
  cache.places = places();
  cache.latent_cache = layer.cache.latent.produced();
  cache.fp8_rows = fp8_rows_;
  cache.ue8m0 = config_.ue8m0_activations;
  if (layer.weights.indexer_type == model::IndexerType::kFull) {
    add_segment(launch.linear, layer.weights.indexer.wq_b, workspace_.index_q.data());
    cache.keys = workspace_.index_key.read();
    cache.key_gamma = layer.weights.indexer.k_norm_weight;
    cache.key_bias = layer.weights.indexer.k_norm_bias;
    cache.key_eps = config_.layer_norm_eps;
    cache.index_interleaved = config_.indexer_rope == model::RopeLayout::kInterleaved;
    cache.index_cache = layer.cache.index_keys.produced();
  }
  kernels::launch_latent(launch, layer.options);
}

// W_UK; index scores.
void DecodeStep::score_keys(const Layer& layer) const {
  kernels::ScoreLaunch launch{.tokens = layer.tokens,
                              .absorb = {.w_uk = layer.weights.w_uk,
                                         .queries = workspace_.q.read(),
                                         .absorbed = workspace_.absorbed.produced(),
                                         .heads = heads_,
                                         .head_dim = config_.qk_head_dim()}};
  if (layer.weights.indexer_type == model::IndexerType::kFull) {
    const int heads = config_.index_n_heads;
    launch.score = {
        .queries = workspace_.index_q.read(),
        .head_weights = workspace_.head_weights.read(),
        .heads = heads,
        .constant = static_cast<float>(1 / std::sqrt(static_cast<double>(heads)) /
                                       std::sqrt(static_cast<double>(kernels::kIndexWidth))),
        .rope = {workspace_.rope.data()},
        .interleaved = config_.indexer_rope == model::RopeLayout::kInterleaved,
        .index_topk = config_.index_topk,
        .places = places(),
        .index_cache = layer.cache.index_keys.read(),
        .scores = workspace_.scores.produced(),
        .score_stride = int64_t{workspace_.pages_per_sequence} * kPageSize};
  }
  kernels::launch_scores(launch, layer.options);
}

void DecodeStep::select_keys(const Layer& layer) const {
  if (layer.weights.indexer_type != model::IndexerType::kFull) return;
  kernels::launch_select({.scores = workspace_.scores.read(),
                          .score_stride = int64_t{workspace_.pages_per_sequence} * kPageSize,
                          .places = places(),
                          .tokens = layer.tokens,
                          .index_topk = config_.index_topk,
                          .lists = workspace_.lists.produced()},
                         layer.options);
}

void DecodeStep::attend(const Layer& layer) const {
  kernels::launch_attend(
      {.absorbed = workspace_.absorbed.read(),
       .queries = workspace_.q.read(),
       .tokens = layer.tokens,
       .heads = heads_,
       .head_dim = config_.qk_head_dim(),
       .rope = {workspace_.rope.data()},
       .lists = workspace_.lists.read(),
       .index_topk = config_.index_topk,
       .places = places(),
       .cache = layer.cache.latent.read(),
       .fp8_rows = fp8_rows_,
       .scale = static_cast<float>(config_.softmax_scale() * std::numbers::log2e),
       .most_keys = most_keys(config_, workspace_.positions),
       .splits = splits(layer.tokens),
       .partials = workspace_.partials.produced(),
       .weights = workspace_.partial_weights.produced()},
      layer.options);
}

// Combination of the splits; W_UV.
void DecodeStep::project_values(const Layer& layer) const {
  kernels::launch_values({.w_uv = layer.weights.w_uv,
                          .tokens = layer.tokens,
                          .heads = heads_,
                          .splits = splits(layer.tokens),
                          .partials = workspace_.partials.read(),
                          .weights = workspace_.partial_weights.read(),
                          .output = workspace_.values.produced()},
                         layer.options);
}

void DecodeStep::project_output(const Layer& layer) const {
  kernels::LinearLaunch<kernels::PlainInput> launch{linear(layer.tokens), {}};
  add_segment(launch.linear, layer.weights.o, exchange_->partial().rows.get());
  const int columns = layer.weights.o.columns;
  launch.input = {.rows = workspace_.values.read(), .stride = columns, .columns = columns};
  kernels::launch_plain_linear(launch, layer.options);
}

// Residual, RMSNorm; dense gate and up, or router and shared expert's gate and up.
void DecodeStep::project_middle(const Layer& layer) const {
  kernels::LinearLaunch<kernels::NormInput> launch{linear(layer.tokens), middle_norm(layer)};
  if (layer.weights.mlp_type == model::MlpType::kDense) {
    add_segment(launch.linear, layer.weights.dense.gate_up, workspace_.gate_up.data());
  } else {
    add_segment(launch.linear, layer.weights.moe.router, workspace_.router_logits.data());
    add_segment(launch.linear, layer.weights.moe.shared.gate_up, workspace_.gate_up.data());
    launch.input.normed = workspace_.normed.produced();
  }
  kernels::launch_norm_linear(launch, layer.options);
}

void DecodeStep::run_dense(const Layer& layer) const {
  const PackedMatrix& down = layer.weights.dense.down;
  kernels::LinearLaunch<kernels::SiluInput> launch{linear(layer.tokens), {}};
  add_segment(launch.linear, down, exchange_->partial().rows.get());
  launch.input = {workspace_.gate_up.read(), 2LL * down.columns, down.columns};
  kernels::launch_silu_linear(launch, layer.options);
}

void DecodeStep::run_routed_experts(const Layer& layer) const {
  const MoeWeights& moe = layer.weights.moe;
  kernels::launch_routed({.route = {.logits = workspace_.router_logits.read(),
                                    .bias = moe.correction_bias,
                                    .experts = config_.n_routed_experts,
                                    .choices = config_.num_experts_per_tok,
                                    .groups = config_.n_group,
                                    .kept_groups = config_.topk_group,
                                    .scaling = config_.routed_scaling_factor},
                          .gate_up = moe.expert.gate_up,
                          .input = {.rows = workspace_.normed.read(),
                                    .stride = config_.hidden_size,
                                    .columns = config_.hidden_size},
                          .tokens = layer.tokens,
                          .ue8m0 = config_.ue8m0_activations,
                          .choices = workspace_.choices.produced(),
                          .activated = workspace_.activated.produced()},
                         layer.options);
}

void DecodeStep::sum_experts(const Layer& layer) const {
  const MoeWeights& moe = layer.weights.moe;
  const int shared_width = moe.shared.down.columns;
  kernels::launch_down(
      {.choices = workspace_.choices.read(),
       .choices_per_token = config_.num_experts_per_tok,
       .experts = config_.n_routed_experts,
       .activated = workspace_.activated.read(),
       .down = moe.expert.down,
       .shared_input = {workspace_.gate_up.read(), 2LL * shared_width, shared_width},
       .shared_down = moe.shared.down,
       .tokens = layer.tokens,
       .ue8m0 = config_.ue8m0_activations,
       .output = exchange_->partial().rows},
      layer.options);
}

kernels::LinearParams DecodeStep::linear(int tokens) const {
  kernels::LinearParams params;
  params.tokens = tokens;
  params.ue8m0 = config_.ue8m0_activations;
  return params;
}

kernels::NormInput DecodeStep::middle_norm(const Layer& layer) const {
  return {.rows = workspace_.middle_residual.read(),
          .stride = config_.hidden_size,
          .delta = exchange_->summed().rows,
          .gamma = layer.weights.post_attention_norm,
          .columns = config_.hidden_size,
          .eps = config_.rms_norm_eps,
          .sum = workspace_.residual.produced()};
}

kernels::Places DecodeStep::places() const {
  return {workspace_.rows.read(), workspace_.pages.read(), workspace_.pages_per_sequence};
}

int DecodeStep::splits(int tokens) const {
  return kernels::attention_splits(tokens, heads_, most_keys(config_, workspace_.positions));
}

}  // namespace slipstream::step
