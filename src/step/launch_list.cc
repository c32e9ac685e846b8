#include "step/launch_list.h"

#include <iterator>
#include <utility>

#include "step/launch_parts.h"
#include "step/layer_list.h"

namespace slipstream::step {
namespace {

// What only rows with flags read and write.
void add_extras(const Workspace& workspace, StepLaunch& launch) {
  launch.reads.push_back(buffer("extras", workspace.extras));
  launch.reads.push_back(buffer("masks", workspace.masks));
  launch.writes.push_back(buffer("adjusted", workspace.adjusted));
  launch.writes.push_back(buffer("logprobs", workspace.logprobs));
  if (workspace.histories.bytes() == 0) return;
  launch.reads.push_back(buffer("biases", workspace.biases));
  launch.writes.push_back(buffer("histories", workspace.histories));
}

StepLaunch list_sample(const StepParts& parts) {
  const Workspace& workspace = parts.workspace;
  const int vocabulary = parts.weights.head().rows;
  StepLaunch launch = {
      .stage = Stage::kSample,
      .title = "sample",
      .layer = parts.checkpoint.config().num_hidden_layers,
      .constants = {},
      .reads = {buffer("logits", workspace.logits), buffer("rows", workspace.rows)},
      .writes = {buffer("sampled", workspace.sampled), buffer("rows", workspace.rows)},
      .bytes = [=](const StepLoad& load) { return activations(load, vocabulary, 4); },
      .enqueue =
          [=, &workspace](int tokens, const pdl::LaunchOptions& options) {
            kernels::SampleParams params{.logits = workspace.logits.read(),
                                         .vocabulary = vocabulary,
                                         .tokens = tokens,
                                         .rows = workspace.rows.produced(),
                                         .sampled = workspace.sampled.produced(),
                                         .ranks = parts.exchange.vocabulary()};
            const model::Range ids = parts.checkpoint.local_vocabulary();
            params.ranks.first_token = static_cast<int>(ids.begin);
            params.ranks.size = parts.checkpoint.config().vocab_size;
            params.extras = {.extras = workspace.extras.read(),
                             .masks = workspace.masks.read(),
                             .mask_words = workspace.mask_words,
                             .histories = workspace.histories_of(ids),
                             .adjusted = workspace.adjusted.produced(),
                             .logprobs = workspace.logprobs.produced()};
            parts.kernels.sample(params, options);
          }};
  add_extras(workspace, launch);
  return launch;
}

}  // namespace

std::vector<StepLaunch> list_layer(const StepParts& parts, int layer, const LayerCache& cache,
                                   Stream stream) {
  return LayerList(parts, layer, cache, stream).launches();
}

StepLaunch list_head(const StepParts& parts) {
  const model::ModelConfig& config = parts.checkpoint.config();
  const Workspace& workspace = parts.workspace;
  const PackedMatrix& head = parts.weights.head();
  const int hidden = config.hidden_size;
  const int last = mlp_exchange(config.num_hidden_layers - 1);
  return {.stage = Stage::kHead,
          .title = "norm_linear: head",
          .layer = config.num_hidden_layers,
          .constants = {buffer("lm_head", head), buffer("norm", parts.weights.final_norm())},
          .reads = {buffer("residual", workspace.residual), parts.exchange.buffer(last)},
          .writes = {buffer("logits", workspace.logits), buffer("normed", workspace.normed)},
          .bytes =
              [&head, hidden](const StepLoad& load) {
                return bytes_of(head) + activations(load, 3 * hidden) +
                       activations(load, head.rows, 4);
              },
          .enqueue =
              [=, &config, &workspace, &head](int tokens, const pdl::LaunchOptions& options) {
                kernels::LinearLaunch<kernels::NormInput> launch;
                launch.linear.tokens = tokens;
                launch.linear.ue8m0 = config.ue8m0_activations;
                add_segment(launch.linear, head, workspace.logits.data());
                const SummedRows delta = parts.exchange.summed(last);
                launch.input = {.rows = workspace.residual.read(),
                                .stride = hidden,
                                .delta = delta.rows,
                                .gamma = parts.weights.final_norm(),
                                .columns = hidden,
                                .eps = config.rms_norm_eps,
                                .normed = workspace.normed.produced(),
                                .polled = delta.polled};
                parts.kernels.norm_linear(launch, options);
              }};
}

std::vector<StepLaunch> list_step(const StepParts& parts, const std::vector<LayerCache>& caches) {
  std::vector<StepLaunch> launches;
  for (int layer = 0; layer < parts.checkpoint.config().num_hidden_layers; ++layer) {
    const Stream stream = layer == 0 ? Stream::kEmbedding : Stream::kResidualAndDelta;
    std::vector<StepLaunch> of_layer = list_layer(parts, layer, caches[layer], stream);
    std::move(of_layer.begin(), of_layer.end(), std::back_inserter(launches));
  }
  launches.push_back(list_head(parts));
  launches.push_back(list_sample(parts));
  return launches;
}

}  // namespace slipstream::step
