// The launches of a layer's attention.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "step/launch_parts.h"
#include "step/layer_list.h"

namespace slipstream::step {

using kernels::kPageSize;

StepLaunch LayerList::project_hidden() const {
  StepLaunch launch = record(
      Stage::kHidden, has_indexer() ? "norm_linear: q_a kv_a wk w" : "norm_linear: q_a kv_a");
  launch.constants = {buffer("q_a", weights_.q_a), buffer("kv_a", weights_.kv_a),
                      buffer("input_norm", weights_.input_norm)};
  launch.writes = {buffer("middle_residual", workspace_.middle_residual),
                   buffer("q_latent", workspace_.q_latent), buffer("kv", workspace_.kv),
                   buffer("operands", workspace_.operands)};
  if (stream_ == Stream::kEmbedding) {
    launch.constants.push_back(buffer("embedding", parts_.weights.embedding()));
    launch.reads = {buffer("rows", rows_)};
  } else if (stream_ == Stream::kGathered) {
    launch.constants.push_back(buffer("zeros", workspace_.zeros));
    launch.reads = {{"window", gathered().emptied.pairs.get()}};
  } else {
    launch.reads = {buffer("residual", workspace_.residual)};
  }
  if (stream_ == Stream::kResidualAndDelta) {
    launch.reads.push_back(parts_.exchange.buffer(mlp_exchange(layer_ - 1)));
  }
  if (has_indexer()) {
    launch.constants.push_back(buffer("indexer.wk", weights_.indexer->wk));
    launch.constants.push_back(buffer("indexer.weights_proj", weights_.indexer->weights_proj));
    launch.writes.push_back(buffer("index_key", workspace_.index_key));
    launch.writes.push_back(buffer("head_weights", workspace_.head_weights));
  }
  launch.bytes = [list = *this](const StepLoad& load) {
    const LayerWeights& w = list.weights_;
    const double bytes = bytes_of(w.q_a) + bytes_of(w.kv_a) +
                         activations(load, 3 * list.config_.hidden_size + w.q_a.rows + w.kv_a.rows);
    if (!list.has_indexer()) return bytes;
    return bytes + bytes_of(w.indexer->wk) + bytes_of(w.indexer->weights_proj) +
           activations(load, w.indexer->wk.rows) +
           activations(load, w.indexer->weights_proj.rows, 4);
  };
  launch.enqueue = [list = *this](int tokens, const pdl::LaunchOptions& options) {
    const Workspace& workspace = list.workspace_;
    const LayerWeights& w = list.weights_;
    kernels::LinearLaunch<kernels::NormInput> params{list.linear(tokens), {}};
    params.linear.small_rows = 4;  // next to expert_down of so many
    add_segment(params.linear, w.q_a, workspace.q_latent.data());
    add_segment(params.linear, w.kv_a, workspace.kv.data());
    if (list.has_indexer()) {
      add_segment(params.linear, w.indexer->wk, workspace.index_key.data());
      add_segment(params.linear, w.indexer->weights_proj, workspace.head_weights.data());
    }
    params.input = {.stride = list.config_.hidden_size,
                    .gamma = w.input_norm,
                    .columns = list.config_.hidden_size,
                    .eps = list.config_.rms_norm_eps,
                    .sum = workspace.middle_residual.produced(),
                    .operands = workspace.operands.produced()};
    if (list.stream_ == Stream::kEmbedding) {
      params.input.embedding = list.parts_.weights.embedding();
      params.input.step = list.rows_.read();
    } else if (list.stream_ == Stream::kGathered) {
      params.input.rows = workspace.zeros.read();  // one row for all tokens
      params.input.stride = 0;
      params.input.polled = list.gathered().all.polled;
    } else {
      params.input.rows = workspace.residual.read();
    }
    if (list.stream_ == Stream::kResidualAndDelta) {
      const SummedRows delta = list.parts_.exchange.summed(mlp_exchange(list.layer_ - 1));
      params.input.delta = delta.rows;
      params.input.polled = delta.polled;
    }
    // What is asked for before the wait comes out of what expert_down can stream; with three tokens it does without
    // (measured on an H200).
    if (params.input.polled.ranks == 0) params.linear.early_slots = tokens == 3 ? 0 : 1;
    list.parts_.kernels.norm_linear(params, options);
  };
  return launch;
}

StepLaunch LayerList::project_latent() const {
  StepLaunch launch =
      record(Stage::kLatent, has_indexer() ? "project_latent: q_b wq_b" : "project_latent: q_b");
  launch.constants = {buffer("q_b", weights_.q_b), buffer("q_a_norm", weights_.q_a_norm),
                      buffer("kv_a_norm", weights_.kv_a_norm), buffer("rope", workspace_.rope)};
  launch.reads = {buffer("q_latent", workspace_.q_latent), buffer("kv", workspace_.kv),
                  buffer("rows", rows_), buffer("pages", workspace_.pages)};
  launch.writes = {buffer("q", workspace_.q), buffer("latent_cache", cache_.latent),
                   buffer("operands", workspace_.operands)};
  if (has_indexer()) {
    launch.constants.push_back(buffer("indexer.wq_b", weights_.indexer->wq_b));
    launch.constants.push_back(buffer("indexer.k_norm.weight", weights_.indexer->k_norm_weight));
    launch.constants.push_back(buffer("indexer.k_norm.bias", weights_.indexer->k_norm_bias));
    launch.reads.push_back(buffer("index_key", workspace_.index_key));
    launch.writes.push_back(buffer("index_q", workspace_.index_q));
    launch.writes.push_back(buffer("index_cache", cache_.index_keys));
  }
  if (stream_ == Stream::kGathered) {
    launch.writes.push_back({"window", gathered().emptied.pairs.get()});
  }
  launch.bytes = [list = *this](const StepLoad& load) {
    const LayerWeights& w = list.weights_;
    const double bytes = bytes_of(w.q_b) +
                         activations(load, w.q_b.columns + w.q_b.rows + w.kv_a.rows) +
                         activations(load, list.latent_row_bytes(), 1);
    if (!list.has_indexer()) return bytes;
    return bytes + bytes_of(w.indexer->wq_b) + activations(load, w.indexer->wq_b.rows) +
           activations(load, 3 * kernels::kIndexWidth + 4, 1);
  };
  launch.enqueue = [list = *this](int tokens, const pdl::LaunchOptions& options) {
    const model::ModelConfig& config = list.config_;
    const Workspace& workspace = list.workspace_;
    const LayerWeights& w = list.weights_;
    kernels::LatentLaunch params{list.linear(tokens), {}, {}};
    add_segment(params.linear, w.q_b, workspace.q.data());
    // Few weights come in time without a head start, which the launch before would pay for.
    if (!list.has_indexer()) params.linear.early_slots = 0;
    params.input = {.rows = workspace.q_latent.read(),
                    .stride = config.q_lora_rank,
                    .gamma = w.q_a_norm,
                    .columns = config.q_lora_rank,
                    .eps = config.lora_norm_eps,
                    .operands = workspace.operands.produced()};
    kernels::CacheWriteParams& cache = params.cache;
    cache.kv = workspace.kv.read();
    cache.kv_gamma = w.kv_a_norm;
    cache.kv_eps = config.lora_norm_eps;
    cache.rope = {workspace.rope.data()};
    cache.places = {list.rows_.read(), workspace.pages.read(), workspace.pages_per_sequence};
    cache.latent_cache = list.cache_.latent.produced();
    cache.fp8_rows = list.parts_.fp8_rows;
    cache.ue8m0 = config.ue8m0_activations;
    if (list.has_indexer()) {
      add_segment(params.linear, w.indexer->wq_b, workspace.index_q.data());
      cache.keys = workspace.index_key.read();
      cache.key_gamma = w.indexer->k_norm_weight;
      cache.key_bias = w.indexer->k_norm_bias;
      cache.key_eps = config.layer_norm_eps;
      cache.index_interleaved = config.indexer_rope == model::RopeLayout::kInterleaved;
      cache.index_hadamard = config.index_hadamard;
      cache.index_cache = list.cache_.index_keys.produced();
    }
    if (list.stream_ == Stream::kGathered) cache.gathered = list.gathered().emptied;
    list.parts_.kernels.latent(params, options);
  };
  return launch;
}

StepLaunch LayerList::score_keys() const {
  StepLaunch launch =
      record(Stage::kScores, has_indexer() ? "score_keys: w_uk keys" : "score_keys: w_uk");
  launch.constants = {buffer("w_uk", weights_.w_uk)};
  launch.reads = {buffer("q", workspace_.q)};
  launch.writes = {buffer("absorbed", workspace_.absorbed)};
  if (has_indexer()) {
    launch.constants.push_back(buffer("rope", workspace_.rope));
    for (const Buffer& read :
         {buffer("index_q", workspace_.index_q), buffer("head_weights", workspace_.head_weights),
          buffer("index_cache", cache_.index_keys)}) {
      launch.reads.push_back(read);
    }
    launch.settled = {buffer("rows", rows_), buffer("pages", workspace_.pages)};
    launch.writes.push_back(buffer("scores", workspace_.scores));
  }
  launch.bytes = [list = *this](const StepLoad& load) {
    const LayerWeights& w = list.weights_;
    const double bytes = bytes_of(w.w_uk) + activations(load, w.w_uk.rows + w.q_b.rows);
    if (!list.has_indexer() || !list.selects(load)) return bytes;
    const double key_bytes = kernels::kIndexWidth + 4.0;
    return bytes + activations(load, load.context * key_bytes, 1) +
           activations(load, load.context, 4) + activations(load, w.indexer->wq_b.rows);
  };
  launch.enqueue = [list = *this](int tokens, const pdl::LaunchOptions& options) {
    const model::ModelConfig& config = list.config_;
    const Workspace& workspace = list.workspace_;
    kernels::ScoreLaunch params{.tokens = tokens,
                                .absorb = {.w_uk = list.weights_.w_uk,
                                           .queries = workspace.q.read(),
                                           .absorbed = workspace.absorbed.produced(),
                                           .heads = list.parts_.checkpoint.local_heads(),
                                           .head_dim = config.qk_head_dim()}};
    if (list.has_indexer()) {
      const int heads = config.index_n_heads;
      params.score = {
          .queries = workspace.index_q.read(),
          .head_weights = workspace.head_weights.read(),
          .heads = heads,
          .constant = static_cast<float>(1 / std::sqrt(static_cast<double>(heads)) /
                                         std::sqrt(static_cast<double>(kernels::kIndexWidth))),
          .rope = {workspace.rope.data()},
          .interleaved = config.indexer_rope == model::RopeLayout::kInterleaved,
          .hadamard = config.index_hadamard,
          .index_topk = config.index_topk,
          .places = list.places(),
          .index_cache = list.cache_.index_keys.read(),
          .scores = workspace.scores.produced(),
          .score_stride = int64_t{workspace.pages_per_sequence} * kPageSize};
    }
    list.parts_.kernels.scores(params, options);
  };
  return launch;
}

StepLaunch LayerList::select_keys() const {
  StepLaunch launch = record(Stage::kSelect, "select_keys");
  launch.reads = {buffer("scores", workspace_.scores)};
  launch.settled = {buffer("rows", rows_), buffer("pages", workspace_.pages)};
  launch.writes = {buffer("lists", workspace_.lists)};
  launch.bytes = [list = *this](const StepLoad& load) {
    const double scores = list.selects(load) ? activations(load, load.context, 4) : 0;
    return scores + activations(load, std::min(load.context, list.config_.index_topk), 4);
  };
  launch.enqueue = [list = *this](int tokens, const pdl::LaunchOptions& options) {
    const Workspace& workspace = list.workspace_;
    list.parts_.kernels.select({.scores = workspace.scores.read(),
                                .score_stride = int64_t{workspace.pages_per_sequence} * kPageSize,
                                .lists = workspace.lists.produced(),
                                .tokens = tokens,
                                .index_topk = list.config_.index_topk,
                                .places = list.places()},
                               options);
  };
  return launch;
}

StepLaunch LayerList::attend() const {
  StepLaunch launch = record(Stage::kAttend, "attend");
  launch.constants = {buffer("rope", workspace_.rope)};
  launch.settled = {buffer("q", workspace_.q), buffer("rows", rows_),
                    buffer("pages", workspace_.pages), buffer("latent_cache", cache_.latent)};
  const Buffer absorbed = buffer("absorbed", workspace_.absorbed);
  const Buffer lists = buffer("lists", workspace_.lists);
  launch.reads = {has_indexer() ? lists : absorbed};
  launch.settled.push_back(has_indexer() ? absorbed : lists);
  launch.writes = {buffer("partials", workspace_.partials),
                   buffer("partial_weights", workspace_.partial_weights)};
  launch.bytes = [list = *this](const StepLoad& load) {
    const int heads = list.parts_.checkpoint.local_heads();
    const int keys = most_keys(list.config_, load.context);
    return activations(load, keys * (list.latent_row_bytes() + 4.0), 1) +
           activations(load, heads * (kernels::kLatentRow + kernels::kLatent));
  };
  launch.enqueue = [list = *this](int tokens, const pdl::LaunchOptions& options) {
    const model::ModelConfig& config = list.config_;
    const Workspace& workspace = list.workspace_;
    kernels::AttendParams params{
        .queries = workspace.q.settled(),
        .rope = {workspace.rope.data()},
        .cache = list.cache_.latent.settled(),
        .partials = workspace.partials.produced(),
        .weights = workspace.partial_weights.produced(),
        .heads = list.parts_.checkpoint.local_heads(),
        .head_dim = config.qk_head_dim(),
        .index_topk = config.index_topk,
        .list_age = list.list_age_,
        .scale = static_cast<float>(config.softmax_scale() * std::numbers::log2e),
        .splits = list.splits(tokens),
        .places = list.places(),
        .tokens = tokens,
        .most_keys = most_keys(config, workspace.positions),
        .fp8_rows = list.parts_.fp8_rows};
    if (list.has_indexer()) {
      params.settled_absorbed = workspace.absorbed.settled();
      params.lists = workspace.lists.read();
    } else {
      params.absorbed = workspace.absorbed.read();
      params.settled_lists = workspace.lists.settled();
    }
    list.parts_.kernels.attend(params, options);
  };
  return launch;
}

StepLaunch LayerList::project_values() const {
  StepLaunch launch = record(Stage::kValues, "project_values");
  launch.constants = {buffer("w_uv", weights_.w_uv)};
  launch.reads = {buffer("partials", workspace_.partials),
                  buffer("partial_weights", workspace_.partial_weights)};
  launch.writes = {buffer("values", workspace_.values)};
  launch.bytes = [list = *this](const StepLoad& load) {
    const PackedMatrix& w_uv = list.weights_.w_uv;
    return bytes_of(w_uv) +
           activations(load, list.parts_.checkpoint.local_heads() * kernels::kLatent) +
           activations(load, w_uv.rows);
  };
  launch.enqueue = [list = *this](int tokens, const pdl::LaunchOptions& options) {
    const Workspace& workspace = list.workspace_;
    list.parts_.kernels.values({.w_uv = list.weights_.w_uv,
                                .partials = workspace.partials.read(),
                                .weights = workspace.partial_weights.read(),
                                .output = workspace.values.produced(),
                                .tokens = tokens,
                                .heads = list.parts_.checkpoint.local_heads(),
                                .splits = list.splits(tokens)},
                               options);
  };
  return launch;
}

StepLaunch LayerList::project_output() const {
  StepLaunch launch = record(Stage::kOutput, "plain_linear: o");
  launch.constants = {buffer("o", weights_.o)};
  launch.reads = {buffer("values", workspace_.values)};
  launch.writes = {parts_.exchange.buffer(attention_exchange(layer_)),
                   buffer("operands", workspace_.operands)};
  launch.bytes = [list = *this](const StepLoad& load) {
    const PackedMatrix& o = list.weights_.o;
    return bytes_of(o) + activations(load, o.rows + o.columns);
  };
  launch.enqueue = [list = *this](int tokens, const pdl::LaunchOptions& options) {
    const PackedMatrix& o = list.weights_.o;
    kernels::LinearLaunch<kernels::PlainInput> params{list.linear(tokens), {}};
    // Its CTAs, and then the router's, lie by twos on eight multiprocessors. Of two tokens they had better
    // not (measured on an H200).
    params.linear.spreads = tokens == 2;
    add_segment(params.linear, o, list.parts_.exchange.partial(attention_exchange(list.layer_)));
    params.input = {.rows = list.workspace_.values.read(),
                    .stride = o.columns,
                    .columns = o.columns,
                    .operands = list.workspace_.operands.produced()};
    list.parts_.kernels.plain_linear(params, options);
  };
  return launch;
}

}  // namespace slipstream::step
