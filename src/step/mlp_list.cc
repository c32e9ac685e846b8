// The launches of a layer's MLP: dense, or a mixture of experts.
#include "step/launch_parts.h"
#include "step/layer_list.h"

namespace slipstream::step {

kernels::NormInput LayerList::middle_norm() const {
  const SummedRows delta = parts_.exchange.summed(attention_exchange(layer_));
  return {.rows = workspace_.middle_residual.read(),
          .stride = config_.hidden_size,
          .delta = delta.rows,
          .gamma = weights_.post_attention_norm,
          .columns = config_.hidden_size,
          .eps = config_.rms_norm_eps,
          .sum = workspace_.residual.produced(),
          .polled = delta.polled,
          .operands = workspace_.operands.produced()};
}

void LayerList::describe_middle_norm(StepLaunch& launch) const {
  launch.constants.push_back(buffer("post_attention_norm", weights_.post_attention_norm));
  launch.reads = {buffer("middle_residual", workspace_.middle_residual),
                  parts_.exchange.buffer(attention_exchange(layer_))};
  launch.writes.push_back(buffer("residual", workspace_.residual));
  launch.writes.push_back(buffer("operands", workspace_.operands));
}

StepLaunch LayerList::project_dense() const {
  StepLaunch launch = record(Stage::kMiddle, "norm_linear: dense gate_up");
  launch.constants = {buffer("dense.gate_up", dense().gate_up)};
  launch.writes = {buffer("gate_up", workspace_.gate_up)};
  describe_middle_norm(launch);
  launch.bytes = [list = *this](const StepLoad& load) {
    const PackedMatrix& gate_up = list.dense().gate_up;
    return activations(load, 3 * list.config_.hidden_size) + bytes_of(gate_up) +
           activations(load, gate_up.rows);
  };
  launch.enqueue = [list = *this](int tokens, const pdl::LaunchOptions& options) {
    kernels::LinearLaunch<kernels::NormInput> params{list.linear(tokens), list.middle_norm()};
    add_segment(params.linear, list.dense().gate_up, list.workspace_.gate_up.data());
    list.parts_.kernels.norm_linear(params, options);
  };
  return launch;
}

StepLaunch LayerList::run_dense() const {
  StepLaunch launch = record(Stage::kDenseDown, "silu_linear: dense down");
  launch.constants = {buffer("dense.down", dense().down)};
  launch.reads = {buffer("gate_up", workspace_.gate_up)};
  launch.writes = {parts_.exchange.buffer(mlp_exchange(layer_))};
  launch.bytes = [list = *this](const StepLoad& load) {
    const PackedMatrix& down = list.dense().down;
    return bytes_of(down) + activations(load, 2 * down.columns + down.rows);
  };
  launch.enqueue = [list = *this](int tokens, const pdl::LaunchOptions& options) {
    const PackedMatrix& down = list.dense().down;
    kernels::LinearLaunch<kernels::SiluInput> params{list.linear(tokens), {}};
    add_segment(params.linear, down, list.parts_.exchange.partial(mlp_exchange(list.layer_)));
    params.input = {list.workspace_.gate_up.read(), 2LL * down.columns, down.columns};
    list.parts_.kernels.silu_linear(params, options);
  };
  return launch;
}

Buffer LayerList::expert_input() const {
  return moe().expert.gate_up.is_fp8 ? buffer("normed_codes", workspace_.normed_codes)
                                     : buffer("normed", workspace_.normed);
}

StepLaunch LayerList::project_router() const {
  StepLaunch launch = record(Stage::kMiddle, "norm_linear: router shared");
  const MoeWeights& w = moe();
  launch.constants = {buffer("router", w.router), buffer("shared.gate_up", w.shared.gate_up)};
  launch.writes = {buffer("router_logits", workspace_.router_logits),
                   buffer("gate_up", workspace_.gate_up), expert_input()};
  describe_middle_norm(launch);
  launch.bytes = [list = *this](const StepLoad& load) {
    const MoeWeights& w = list.moe();
    return activations(load, 3 * list.config_.hidden_size) + bytes_of(w.router) +
           bytes_of(w.shared.gate_up) + activations(load, w.shared.gate_up.rows) +
           activations(load, list.config_.n_routed_experts, 4);
  };
  launch.enqueue = [list = *this](int tokens, const pdl::LaunchOptions& options) {
    const MoeWeights& w = list.moe();
    kernels::LinearLaunch<kernels::NormInput> params{list.linear(tokens), list.middle_norm()};
    // The output projection of several tokens ends when this launch's weights are on their way: of three
    // or four it ends sooner where none are (measured on an H200).
    if (tokens > 1 && params.input.polled.ranks == 0) {
      params.linear.early_slots = tokens == 3 || tokens == 4 ? 0 : 1;
    }
    add_segment(params.linear, w.router, list.workspace_.router_logits.data());
    add_segment(params.linear, w.shared.gate_up, list.workspace_.gate_up.data());
    if (w.expert.gate_up.is_fp8) {
      params.input.codes = list.workspace_.normed_codes.produced();
    } else {
      params.input.normed = list.workspace_.normed.produced();
    }
    list.parts_.kernels.norm_linear(params, options);
  };
  return launch;
}

StepLaunch LayerList::run_routed_experts() const {
  StepLaunch launch = record(Stage::kRouted, "routed_experts: gate_up");
  launch.constants = {buffer("experts.gate_up", moe().expert.gate_up),
                      buffer("correction_bias", moe().correction_bias)};
  launch.reads = {buffer("router_logits", workspace_.router_logits), expert_input()};
  launch.writes = {buffer("choices", workspace_.choices),
                   buffer("activated", workspace_.activated)};
  launch.bytes = [list = *this](const StepLoad& load) {
    const PackedMatrix& gate_up = list.moe().expert.gate_up;
    return load.experts * bytes_of(gate_up) + activations(load, list.config_.n_routed_experts, 4) +
           activations(load, gate_up.columns + list.config_.num_experts_per_tok * gate_up.rows);
  };
  launch.enqueue = [list = *this](int tokens, const pdl::LaunchOptions& options) {
    const model::ModelConfig& config = list.config_;
    const Workspace& workspace = list.workspace_;
    kernels::RoutedLaunch params{.route = {.logits = workspace.router_logits.read(),
                                           .bias = list.moe().correction_bias,
                                           .experts = config.n_routed_experts,
                                           .choices = config.num_experts_per_tok,
                                           .groups = config.n_group,
                                           .kept_groups = config.topk_group,
                                           .scaling = config.routed_scaling_factor},
                                 .gate_up = list.moe().expert.gate_up,
                                 .tokens = tokens,
                                 .choices = workspace.choices.produced(),
                                 .activated = workspace.activated.produced()};
    if (params.gate_up.is_fp8) {
      params.codes = workspace.normed_codes.read();
    } else {
      params.input = {workspace.normed.read(), config.hidden_size, config.hidden_size};
    }
    list.parts_.kernels.routed(params, options);
  };
  return launch;
}

StepLaunch LayerList::sum_experts() const {
  StepLaunch launch = record(Stage::kDown, "expert_down");
  launch.constants = {buffer("experts.down", moe().expert.down),
                      buffer("shared.down", moe().shared.down)};
  launch.reads = {buffer("choices", workspace_.choices), buffer("activated", workspace_.activated)};
  launch.settled = {buffer("gate_up", workspace_.gate_up)};
  launch.writes = {parts_.exchange.buffer(mlp_exchange(layer_))};
  launch.bytes = [list = *this](const StepLoad& load) {
    const MoeWeights& w = list.moe();
    const PackedMatrix& down = w.expert.down;
    return load.experts * bytes_of(down) + bytes_of(w.shared.down) +
           activations(load, 2.0 * list.config_.num_experts_per_tok * down.columns +
                                 2.0 * w.shared.down.columns + down.rows);
  };
  launch.enqueue = [list = *this](int tokens, const pdl::LaunchOptions& options) {
    const model::ModelConfig& config = list.config_;
    const Workspace& workspace = list.workspace_;
    const MoeWeights& w = list.moe();
    const int shared_width = w.shared.down.columns;
    const PartialRows partial = list.parts_.exchange.partial(mlp_exchange(list.layer_));
    list.parts_.kernels.down(
        {.choices = workspace.choices.read(),
         .choices_per_token = config.num_experts_per_tok,
         .experts = config.n_routed_experts,
         .activated = workspace.activated.read(),
         .down = w.expert.down,
         .shared_input = {workspace.gate_up.settled(), 2LL * shared_width, shared_width},
         .shared_down = w.shared.down,
         .tokens = tokens,
         .ue8m0 = config.ue8m0_activations,
         .output = partial.rows,
         .peers = partial.peers},
        options);
  };
  return launch;
}

}  // namespace slipstream::step
