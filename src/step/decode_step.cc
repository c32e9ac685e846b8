#include "step/decode_step.h"

#include <fmt/core.h>

#include "slipstream/error.h"

namespace slipstream::step {
namespace {

void check(const StepShape& shape, bool has_mtp) {
  if (shape.sequences < 1 || shape.drafts < 0 || shape.drafts > kernels::kMaxDrafts ||
      shape.rows() > kernels::kMaxRows) {
    throw InvalidArgument(fmt::format(
        "a step must have at most {} rows and {} drafts of a sequence, has {} sequences with {} "
        "drafts each",
        kernels::kMaxRows, kernels::kMaxDrafts, shape.sequences, shape.drafts));
  }
  if (!has_mtp && (shape.drafts > 0 || shape.catches_up)) {
    throw InvalidArgument("a step that drafts must have the weights of an MTP layer, has none");
  }
}

}  // namespace

DecodeStep::DecodeStep(const StepParts& parts, const std::vector<LayerCache>& caches)
    : launches_(list_step(parts, caches)) {
  if (!parts.weights.mtp()) return;
  for (int drafts = 0; drafts <= kernels::kMaxDrafts; ++drafts) {
    drafts_.push_back(list_drafts(parts, caches.back(), drafts));
  }
}

void DecodeStep::enqueue(int tokens, const pdl::LaunchOptions& options) const {
  for (const StepLaunch& launch : launches_) launch.enqueue(tokens, options);
}

void DecodeStep::enqueue(const StepShape& shape, const pdl::LaunchOptions& options) const {
  check(shape, !drafts_.empty());
  if (shape.drafts == 0 && !shape.catches_up) {
    enqueue(shape.rows(), options);
    return;
  }
  for (const StepLaunch& launch : launches().first(launches_.size() - 1)) {
    launch.enqueue(shape.rows(), options);
  }
  for (const StepLaunch& launch : draft_launches(shape.drafts)) {
    launch.enqueue(launch.per_sequence ? shape.sequences : shape.rows(), options);
  }
}

}  // namespace slipstream::step
