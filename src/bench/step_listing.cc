#include "bench/step_listing.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "model/released_models.h"
#include "slipstream/error.h"
#include "step/exchange.h"
#include "step/shape_weights.h"

namespace slipstream::bench {
namespace {

std::vector<std::string> names_of(const std::vector<step::Buffer>& buffers) {
  std::vector<std::string> names;
  names.reserve(buffers.size());
  for (const step::Buffer& buffer : buffers) names.emplace_back(buffer.name);
  return names;
}

std::vector<std::string> titles_of(const std::vector<ListedLaunch>& launches) {
  std::vector<std::string> titles;
  titles.reserve(launches.size());
  for (const ListedLaunch& launch : launches) titles.push_back(launch.title);
  return titles;
}

void add_layer(StepListing& listing, int layer, std::vector<ListedLaunch> launches) {
  const auto known = std::find_if(
      listing.kinds.begin(), listing.kinds.end(),
      [&](const LayerKind& kind) { return titles_of(kind.launches) == titles_of(launches); });
  if (known != listing.kinds.end()) {
    known->layers.push_back(layer);
  } else {
    listing.kinds.push_back({{layer}, std::move(launches)});
  }
}

// "0-2, 5".
std::string ranges(const std::vector<int>& layers) {
  std::string text;
  for (size_t i = 0; i < layers.size();) {
    size_t last = i;
    while (last + 1 < layers.size() && layers[last + 1] == layers[last] + 1) ++last;
    if (!text.empty()) text += ", ";
    text +=
        last == i ? fmt::format("{}", layers[i]) : fmt::format("{}-{}", layers[i], layers[last]);
    i = last + 1;
  }
  return text;
}

void append_table(std::string& text, const std::vector<ListedLaunch>& launches) {
  text += "| launch | what | MB | weights and tables | reads early | reads | writes |\n";
  text += "|---|---|---|---|---|---|---|\n";
  for (const ListedLaunch& launch : launches) {
    text += fmt::format("| {} | {} | {:.3f} | {} | {} | {} | {} |\n", launch.number, launch.title,
                        launch.bytes * 1e-6, fmt::join(launch.constants, ", "),
                        fmt::join(launch.settled, ", "), fmt::join(launch.reads, ", "),
                        fmt::join(launch.writes, ", "));
  }
}

}  // namespace

StepListing list_model_step(const ListedModel& model) {
  const model::Checkpoint shapes =
      model::Checkpoint::without_tensors(model::model_shape(model.name_or_file, 0), {model.tp, 0});
  const model::ModelConfig& config = shapes.config();
  const bool drafts = model.drafts > 0;
  const int rows = model.tokens * (model.drafts + 1);
  if (rows > step::kernels::kMaxRows) {
    throw InvalidArgument(fmt::format("a step must have at most {} rows, has {} x {}",
                                      step::kernels::kMaxRows, model.tokens, model.drafts + 1));
  }
  const step::Weights weights(config, step::shape_weights(shapes), {},
                              step::mtp_load(drafts, /*fp8_head=*/true));
  const step::Workspace workspace = step::Workspace::planned(shapes, 1, model.context, 0, drafts);
  const step::LocalExchange exchange(workspace.delta);
  const std::vector<step::LayerCache> caches(config.num_hidden_layers + (drafts ? 1 : 0));
  const auto load_of = [&](const step::StepLaunch& launch) -> step::StepLoad {
    const int tokens = launch.per_sequence ? model.tokens : rows;
    return {.tokens = tokens,
            .context = model.context,
            .experts = std::min(tokens * config.num_experts_per_tok, config.n_routed_experts)};
  };

  const step::StepParts parts{.checkpoint = shapes,
                              .weights = weights,
                              .workspace = workspace,
                              .exchange = exchange,
                              .fp8_rows = model.fp8_rows};
  std::vector<step::StepLaunch> launches = step::list_step(parts, caches);
  if (drafts) {
    launches.pop_back();
    for (step::StepLaunch& launch : step::list_drafts(parts, caches.back(), model.drafts)) {
      launches.push_back(std::move(launch));
    }
  }

  StepListing listing;
  std::vector<ListedLaunch> layer;
  for (const step::StepLaunch& launch : launches) {
    if (!layer.empty() && launch.layer != layer.front().layer) {
      const int number = layer.front().layer;
      add_layer(listing, number, std::exchange(layer, {}));
    }
    ListedLaunch listed{.number = ++listing.launch_count,
                        .title = launch.title,
                        .layer = launch.layer,
                        .bytes = launch.bytes(load_of(launch)),
                        .constants = names_of(launch.constants),
                        .settled = names_of(launch.settled),
                        .reads = names_of(launch.reads),
                        .writes = names_of(launch.writes)};
    listing.bytes += listed.bytes;
    (launch.layer < config.num_hidden_layers ? layer : listing.after_layers)
        .push_back(std::move(listed));
  }
  return listing;
}

std::string listing_text(const StepListing& listing) {
  std::string text;
  for (const LayerKind& kind : listing.kinds) {
    text +=
        fmt::format("Layers {} (numbers: layer {})\n\n", ranges(kind.layers), kind.layers.front());
    append_table(text, kind.launches);
    text += '\n';
  }
  text += "After the layers\n\n";
  append_table(text, listing.after_layers);
  text += fmt::format("\n{} launches, {:.1f} MB\n", listing.launch_count, listing.bytes * 1e-6);
  return text;
}

}  // namespace slipstream::bench
