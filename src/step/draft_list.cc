// The launches of a step after its head, where it drafts or catches up.
#include <iterator>
#include <optional>
#include <utility>

#include "step/launch_parts.h"
#include "step/layer_list.h"

namespace slipstream::step {
namespace {

// Builds them. Draft `number` of a round, from 1, is the MTP layer's turn as layer num_hidden_layers
// - 1 + number.
class DraftList {
 public:
  DraftList(const StepParts& parts, const LayerCache& cache, int drafts)
      : parts_(parts),
        config_(parts.checkpoint.config()),
        mtp_(parts.weights.mtp().value()),
        workspace_(parts.workspace),
        cache_(cache),
        drafts_(drafts) {}

  // The first draft's turn fills the layer's caches for all rows. From there on only the last right
  // row of each sequence matters, which lies in front of the others.
  [[nodiscard]] std::vector<StepLaunch> launches() const {
    std::vector<StepLaunch> launches{verify(), project_input(1)};
    const size_t all_rows = 2 + layer(1).cache_launches().size();
    append(drafts_ == 0 ? layer(1).cache_launches() : layer(1).launches(), launches);
    for (int number = 1; number <= drafts_; ++number) {
      if (number > 1) {
        launches.push_back(project_input(number));
        append(layer(number).launches(), launches);
      }
      launches.push_back(head(number));
      launches.push_back(draw(number));
    }
    for (size_t i = 1; i < launches.size(); ++i) {
      launches[i].per_sequence = i >= all_rows;
      launches[i].title = (i < all_rows ? "catch-up " : "draft ") + launches[i].title;
    }
    return launches;
  }

 private:
  static void append(std::vector<StepLaunch> more, std::vector<StepLaunch>& launches) {
    std::move(more.begin(), more.end(), std::back_inserter(launches));
  }

  [[nodiscard]] int layer_of(int number) const { return config_.num_hidden_layers - 1 + number; }

  [[nodiscard]] LayerList layer(int number) const {
    return {parts_,
            {.weights = mtp_.layer,
             .cache = cache_,
             .rows = workspace_.draft_rows,
             .layer = layer_of(number),
             .stream = gathered() ? Stream::kGathered : Stream::kResidual,
             .list_age = config_.index_share_for_mtp_iteration ? number - 1 : 0}};
  }

  [[nodiscard]] int first_column() const {
    return static_cast<int>(parts_.checkpoint.local_hidden().begin);
  }
  [[nodiscard]] std::optional<GatheredColumns> gathered() const {
    return parts_.exchange.gathered(first_column());
  }

  [[nodiscard]] StepLaunch head(int number) const {
    return list_head(parts_, {.norm = mtp_.head_norm,
                              .head = mtp_.head,
                              .logits = workspace_.draft_logits,
                              .last_layer = layer_of(number)});
  }

  [[nodiscard]] StepLaunch project_input(int number) const;
  [[nodiscard]] StepLaunch verify() const;
  [[nodiscard]] StepLaunch draw(int number) const;
  // What verify() and draw() have in common.
  [[nodiscard]] StepLaunch choosing_record(std::string title,
                                           const DeviceArray<float>& logits) const;
  [[nodiscard]] kernels::DraftParams draft_params(const kernels::SampleParams& sample) const;

  StepParts parts_;
  const model::ModelConfig& config_;
  const MtpWeights& mtp_;
  const Workspace& workspace_;
  const LayerCache& cache_;
  int drafts_;
};

StepLaunch DraftList::project_input(int number) const {
  StepLaunch launch{};
  launch.stage = Stage::kDraftInput;
  launch.title = "joined_norm_linear: eh";
  launch.layer = layer_of(number);
  launch.constants = {buffer("eh", mtp_.eh_proj), buffer("embedding", parts_.weights.embedding()),
                      buffer("embedding_norm", mtp_.embedding_norm),
                      buffer("hidden_norm", mtp_.hidden_norm)};
  launch.reads = {buffer("draft_rows", workspace_.draft_rows),
                  buffer("draft_sources", workspace_.draft_sources),
                  buffer("normed", workspace_.normed)};
  launch.writes = {gathered() ? Buffer{"window", gathered()->emptied.pairs.get()}
                              : buffer("residual", workspace_.residual)};
  launch.bytes = [list = *this](const StepLoad& load) {
    const PackedMatrix& eh = list.mtp_.eh_proj;
    return bytes_of(eh) + activations(load, eh.columns + eh.rows);
  };
  launch.enqueue = [list = *this](int tokens, const pdl::LaunchOptions& options) {
    const model::ModelConfig& config = list.config_;
    const Workspace& workspace = list.workspace_;
    kernels::LinearLaunch<kernels::JoinedNormInput> params{};
    params.linear.tokens = tokens;
    params.linear.ue8m0 = config.ue8m0_activations;
    // Of several ranks each has some rows of the matrix, which are columns of the result.
    const std::optional<GatheredColumns> gathered = list.gathered();
    add_segment(
        params.linear, list.mtp_.eh_proj,
        gathered ? gathered->own : PartialRows{{workspace.residual.data() + list.first_column()}});
    params.linear.segments[0].output_stride = config.hidden_size;
    params.input = {.embedding = list.parts_.weights.embedding(),
                    .step = workspace.draft_rows.read(),
                    .embedding_gamma = list.mtp_.embedding_norm,
                    .hidden = workspace.normed.read(),
                    .sources = workspace.draft_sources.read(),
                    .hidden_gamma = list.mtp_.hidden_norm,
                    .columns = config.hidden_size,
                    .eps = config.rms_norm_eps};
    list.parts_.kernels.joined_norm_linear(params, options);
  };
  return launch;
}

StepLaunch DraftList::choosing_record(std::string title, const DeviceArray<float>& logits) const {
  StepLaunch launch = sampling_record(parts_, std::move(title), logits);
  launch.writes.push_back(buffer("draft_rows", workspace_.draft_rows));
  launch.writes.push_back(buffer("draft_sources", workspace_.draft_sources));
  return launch;
}

kernels::DraftParams DraftList::draft_params(const kernels::SampleParams& sample) const {
  return {.sample = sample,
          .drafts = drafts_,
          .draft_rows = workspace_.draft_rows.produced(),
          .sources = workspace_.draft_sources.produced()};
}

StepLaunch DraftList::verify() const {
  StepLaunch launch = choosing_record("verify_drafts", workspace_.logits);
  launch.writes.push_back(buffer("sampled", workspace_.sampled));
  launch.enqueue = [list = *this](int tokens, const pdl::LaunchOptions& options) {
    const int last = mlp_exchange(list.config_.num_hidden_layers - 1);
    list.parts_.kernels.verify(
        list.draft_params(sample_params(list.parts_, list.workspace_.logits, last, tokens)),
        options);
  };
  return launch;
}

StepLaunch DraftList::draw(int number) const {
  StepLaunch launch = choosing_record("draw_drafts", workspace_.draft_logits);
  launch.layer = layer_of(number) + 1;
  launch.reads.push_back(buffer("draft_rows", workspace_.draft_rows));
  launch.enqueue = [list = *this, number](int tokens, const pdl::LaunchOptions& options) {
    const int last = mlp_exchange(list.layer_of(number));
    kernels::DraftParams params =
        list.draft_params(sample_params(list.parts_, list.workspace_.draft_logits, last, tokens));
    params.sample.sampled = {};
    params.number = number;
    list.parts_.kernels.draw(params, options);
  };
  return launch;
}

}  // namespace

std::vector<StepLaunch> list_drafts(const StepParts& parts, const LayerCache& cache, int drafts) {
  return DraftList(parts, cache, drafts).launches();
}

}  // namespace slipstream::step
