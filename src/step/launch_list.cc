#include "step/launch_list.h"

#include <iterator>
#include <utility>

#include "step/launch_parts.h"
#include "step/layer_list.h"

namespace slipstream::step {
namespace {

StepLaunch list_sample(const StepParts& parts) {
  const Workspace& workspace = parts.workspace;
  const int last = mlp_exchange(parts.checkpoint.config().num_hidden_layers - 1);
  StepLaunch launch = sampling_record(parts, "sample", workspace.logits);
  launch.writes.insert(launch.writes.begin(), buffer("sampled", workspace.sampled));
  launch.enqueue = [=, &workspace](int tokens, const pdl::LaunchOptions& options) {
    parts.kernels.sample(sample_params(parts, workspace.logits, last, tokens), options);
  };
  return launch;
}

}  // namespace

kernels::SampleParams sample_params(const StepParts& parts, const DeviceArray<float>& logits,
                                    int last_exchange, int tokens) {
  const Workspace& workspace = parts.workspace;
  kernels::SampleParams params{.logits = logits.read(),
                               .vocabulary = parts.weights.head().rows,
                               .tokens = tokens,
                               .rows = workspace.rows.produced(),
                               .sampled = workspace.sampled.produced(),
                               .ranks = parts.exchange.vocabulary(last_exchange)};
  const model::Range ids = parts.checkpoint.local_vocabulary();
  params.ranks.first_token = static_cast<int>(ids.begin);
  params.ranks.size = parts.checkpoint.config().vocab_size;
  params.extras = {.extras = workspace.extras.read(),
                   .masks = workspace.masks.read(),
                   .mask_words = workspace.mask_words,
                   .histories = workspace.histories_of(ids),
                   .adjusted = workspace.adjusted.produced(),
                   .logprobs = workspace.logprobs.produced()};
  return params;
}

StepLaunch sampling_record(const StepParts& parts, std::string title,
                           const DeviceArray<float>& logits) {
  const Workspace& workspace = parts.workspace;
  const int vocabulary = parts.weights.head().rows;
  StepLaunch launch{};
  launch.stage = Stage::kSample;
  launch.title = std::move(title);
  launch.layer = parts.checkpoint.config().num_hidden_layers;
  launch.reads = {buffer("logits", logits), buffer("rows", workspace.rows),
                  buffer("extras", workspace.extras), buffer("masks", workspace.masks)};
  launch.writes = {buffer("rows", workspace.rows), buffer("adjusted", workspace.adjusted),
                   buffer("logprobs", workspace.logprobs)};
  if (workspace.histories.bytes() > 0) {
    launch.reads.push_back(buffer("biases", workspace.biases));
    launch.writes.push_back(buffer("histories", workspace.histories));
  }
  launch.bytes = [=](const StepLoad& load) { return activations(load, vocabulary, 4); };
  return launch;
}

std::vector<StepLaunch> list_layer(const StepParts& parts, int layer, const LayerCache& cache,
                                   Stream stream) {
  const LayerTurn turn{.weights = parts.weights.layers()[layer],
                       .cache = cache,
                       .rows = parts.workspace.rows,
                       .layer = layer,
                       .stream = stream};
  return LayerList(parts, turn).launches();
}

StepLaunch list_head(const StepParts& parts, const HeadTurn& turn) {
  const model::ModelConfig& config = parts.checkpoint.config();
  const Workspace& workspace = parts.workspace;
  const PackedMatrix& head = turn.head;
  const int hidden = config.hidden_size;
  const int last = mlp_exchange(turn.last_layer);
  return {.stage = Stage::kHead,
          .title = "norm_linear: head",
          .layer = turn.last_layer + 1,
          .constants = {buffer("lm_head", head), buffer("norm", turn.norm)},
          .reads = {buffer("residual", workspace.residual), parts.exchange.buffer(last)},
          .writes = {buffer("logits", turn.logits), buffer("normed", workspace.normed),
                     buffer("operands", workspace.operands)},
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
                add_segment(launch.linear, head, turn.logits.data());
                const SummedRows delta = parts.exchange.summed(last);
                launch.input = {.rows = workspace.residual.read(),
                                .stride = hidden,
                                .delta = delta.rows,
                                .gamma = turn.norm,
                                .columns = hidden,
                                .eps = config.rms_norm_eps,
                                .normed = workspace.normed.produced(),
                                .polled = delta.polled,
                                .operands = workspace.operands.produced()};
                parts.kernels.norm_linear(launch, options);
              }};
}

StepLaunch list_head(const StepParts& parts) {
  return list_head(parts, {.norm = parts.weights.final_norm(),
                           .head = parts.weights.head(),
                           .logits = parts.workspace.logits,
                           .last_layer = parts.checkpoint.config().num_hidden_layers - 1});
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
