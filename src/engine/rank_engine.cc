#include "engine/rank_engine.h"

#include <fmt/core.h>

#include <algorithm>
#include <limits>

#include "engine/load_report.h"
#include "step/device_memory.h"

namespace slipstream::engine {
namespace {

constexpr int kSpareSequences = 1;  // in the table of pages, for layers that run alone

using step::kernels::kMaxRows;
using step::kernels::kPageSize;

static_assert(kMaxStepTokens == kMaxRows, "the public limit is that of the kernels");

// Of an engine that drafts.
void require_mtp(const model::Checkpoint& checkpoint, const std::string& directory) {
  if (checkpoint.mtp_layers() > 0) return;
  throw InvalidArgument(fmt::format(
      "drafts must be 0 for a checkpoint without an MTP layer, and {} has no tensor of layer {}",
      directory, checkpoint.config().num_hidden_layers));
}

step::MtpLoad mtp_of(const LoadOptions& options) {
  return step::mtp_load(options.drafts > 0, options.fp8_draft_head);
}

model::Checkpoint open(const std::string& directory, const LoadOptions& options) {
  model::Checkpoint checkpoint = model::Checkpoint::open(directory, {options.tp, options.rank});
  if (options.drafts > 0) require_mtp(checkpoint, directory);
  if (options.lora_norm_eps) checkpoint.config().lora_norm_eps = *options.lora_norm_eps;
  checkpoint.config().index_hadamard = options.index_hadamard;
  return checkpoint;
}

// As the engine of one rank of a meeting has them.
LoadOptions options_of_rank(LoadOptions options, const Meeting* meeting, cudaStream_t own_stream) {
  if (meeting == nullptr) return options;
  options.stream = own_stream;
  options.tp = meeting->ranks();
  options.rank = meeting->rank();
  return options;
}

int64_t page_count(const LoadOptions& options) {
  return (options.cache_tokens + kPageSize - 1) / kPageSize;
}

// Positions that one sequence can have.
int position_count(const model::ModelConfig& config, const LoadOptions& options) {
  return static_cast<int>(
      std::min<int64_t>(page_count(options) * kPageSize, config.max_position_embeddings));
}

std::vector<step::LayerCache> planned_caches(const model::ModelConfig& config,
                                             const LoadOptions& options) {
  const step::CacheShape shape{static_cast<int>(page_count(options)),
                               options.kv_format == KvFormat::kFp8};
  std::vector<step::LayerCache> caches;
  // The MTP layer's come last.
  const int layers = config.num_hidden_layers + (options.drafts > 0 ? 1 : 0);
  caches.reserve(layers);
  for (int layer = 0; layer < layers; ++layer) {
    caches.push_back(
        step::plan_layer_cache(shape, config.indexer_type(layer) == model::IndexerType::kFull));
  }
  return caches;
}

// Kernels find an entry of the table of pages by an int.
void check_page_table(const LoadOptions& options, int positions) {
  const int pages = (positions + kPageSize - 1) / kPageSize;
  const int most = std::numeric_limits<int>::max() / pages - kSpareSequences;
  if (options.max_sequences <= most) return;
  throw InvalidArgument(
      fmt::format("max_sequences must be at most {} where a sequence can have {} pages, is {}",
                  most, pages, options.max_sequences));
}

step::Workspace planned_workspace(const model::Checkpoint& checkpoint, const LoadOptions& options) {
  const int positions = position_count(checkpoint.config(), options);
  check_page_table(options, positions);
  return step::Workspace::planned(checkpoint, options.max_sequences + kSpareSequences, positions,
                                  options.max_adjusted_sequences, options.drafts > 0);
}

int64_t bytes_of(const std::vector<step::LayerCache>& caches) {
  int64_t sum = 0;
  for (const step::LayerCache& cache : caches) sum += cache.bytes();
  return sum;
}

void require_step_size(int sequences, int drafts) {
  const int rows = sequences * (drafts + 1);
  if (sequences >= 1 && drafts >= 0 && rows <= kMaxStepTokens) return;
  throw InvalidArgument(fmt::format("tokens must be from 1 to {}, is {}", kMaxStepTokens, rows));
}

}  // namespace

RankEngine::RankEngine(const std::string& directory, const LoadOptions& options, Meeting* meeting)
    : meeting_(meeting),
      own_stream_(meeting == nullptr ? std::nullopt : std::make_optional<pdl::Stream>()),
      options_(options_of_rank(options, meeting, own_stream_ ? own_stream_->get() : nullptr)),
      checkpoint_(agree(meeting, [&] { return open(directory, options_); })),
      positions_(position_count(config(), options)),
      workspace_(planned_workspace(checkpoint_, options)),
      caches_(planned_caches(config(), options)),
      member_(join_others()),
      weights_(load_weights()),
      sequences_({.most = options.max_sequences,
                  .pages = static_cast<int>(page_count(options)),
                  .most_positions = positions_,
                  .most_adjusted = options.max_adjusted_sequences,
                  .external_pages = options.external_pages}),
      local_exchange_(workspace_.delta),
      step_(prepare_step()),
      masks_(workspace_.mask_words),
      rows_(workspace_, checkpoint_.local_vocabulary(), options_.stream),
      drafts_(options.drafts, options.adaptive_drafts) {
  if (options_.trace_launches) watch_.emplace(step_.launches());
  if (is_one_of_several()) agree(meeting_, [&] { prepare_launches(); });
}

RankEngine::~RankEngine() {
  // What still runs, perhaps on garbage, ends before anything is freed.
  (void)cudaStreamSynchronize(options_.stream);
}

const step::Exchange& RankEngine::exchange() const {
  if (member_ != nullptr) return member_->exchange();
  return local_exchange_;
}

step::StepParts RankEngine::parts() const {
  return {.checkpoint = checkpoint_,
          .weights = weights_,
          .workspace = workspace_,
          .exchange = exchange(),
          .fp8_rows = options_.kv_format == KvFormat::kFp8,
          .kernels = step::kernels::current_set()};
}

void RankEngine::compare_with_others() const {
  const auto same = [&](const char* what, const std::string& mine) {
    const std::vector<std::string> all = meeting_->gather(mine);
    for (size_t rank = 1; rank < all.size(); ++rank) {
      if (all[rank] == all.front()) continue;
      throw RankError(
          fmt::format("{} must be the same on all ranks, is {} on rank 0 and {} on rank {}", what,
                      all.front(), all[rank], rank));
    }
  };
  same("the checkpoint (a checksum of config, tensors and norms)",
       fmt::format("{:016x}", checkpoint_.fingerprint()));
  same("the load options",
       fmt::format(
           "\"cache_tokens {}, max_sequences {}, max_adjusted_sequences {}, external_pages "
           "{}, kv_format {}, lora_norm_eps {}, index_hadamard {}, poll_limit {}, drafts {}, "
           "fp8_draft_head {}\"",
           options_.cache_tokens, options_.max_sequences, options_.max_adjusted_sequences,
           options_.external_pages, static_cast<int>(options_.kv_format), config().lora_norm_eps,
           options_.index_hadamard, options_.poll_limit, options_.drafts, options_.fp8_draft_head));
  same("NCCL's version", fmt::format("{}", Nccl::get().version()));
}

std::unique_ptr<RankMember> RankEngine::join_others() const {
  if (!is_one_of_several()) return nullptr;
  agree(meeting_, [&] {
    require_room();
    (void)Nccl::get();
  });
  compare_with_others();
  return std::make_unique<RankMember>(*meeting_, config(), options_.poll_limit);
}

void RankEngine::require_room() const {
  const int64_t weights = step::planned_weight_bytes(checkpoint_, mtp_of(options_));
  const int64_t caches = bytes_of(caches_);
  const int64_t workspace = workspace_.bytes();
  step::require_device_memory(
      weights + caches + workspace,
      fmt::format("weights ({}), caches of {} tokens ({}) and workspace ({})",
                  step::gigabytes(weights), options_.cache_tokens, step::gigabytes(caches),
                  step::gigabytes(workspace)));
}

// The first to take device memory, if there is enough for all that will be.
step::Weights RankEngine::load_weights() const {
  return agree(meeting_, [&] {
    require_room();
    const step::MtpLoad mtp = mtp_of(options_);
    LoadReport report(options_, step::planned_weight_bytes(checkpoint_, mtp));
    const auto progress = [&](int64_t bytes) {
      if (meeting_ != nullptr && !meeting_->failure().empty()) throw RankError(meeting_->failure());
      report.update(bytes);
    };
    return step::Weights(checkpoint_, progress, mtp);
  });
}

step::DecodeStep RankEngine::prepare_step() {
  agree(meeting_, [&] {
    workspace_.allocate(config());
    for (step::LayerCache& cache : caches_) cache.allocate();
    // Where copies and memsets ran. Not the whole device: another engine may be capturing a graph.
    check_cuda(cudaStreamSynchronize(cudaStreamLegacy), "cudaStreamSynchronize after loading");
  });
  return {parts(), caches_};
}

void RankEngine::prepare_launches() {
  rows_.prepare();
  StepGraphs unused;
  StepGraphs& graphs = options_.graphs ? graphs_ : unused;
  for (const step::StepShape& shape : shapes()) {
    graphs.prepare(shape, options_.stream, [&] { enqueue_launches(shape); });
  }
}

std::vector<step::StepShape> RankEngine::shapes() const {
  std::vector<step::StepShape> result;
  for (int rows = 1; rows <= kMaxStepTokens; ++rows) result.push_back(plain_shape(rows));
  const int most_sequences = std::min(options_.max_sequences, kMaxStepTokens);
  for (int sequences = 1; sequences <= most_sequences; ++sequences) {
    for (int drafts = 1; drafts <= drafts_.most(sequences); ++drafts) {
      result.push_back({.sequences = sequences, .drafts = drafts, .catches_up = true});
    }
  }
  return result;
}

void RankEngine::enqueue_launches(const step::StepShape& shape) {
  const pdl::LaunchOptions options{.stream = options_.stream};
  // Without drafts every step is a plain one.
  if (watch_) return watch_->enqueue(shape.rows(), options);
  step_.enqueue(shape, options);
}

MemoryUse RankEngine::plan(const std::string& directory, const LoadOptions& options) {
  const model::Checkpoint checkpoint = open(directory, options);
  const model::ModelConfig& config = checkpoint.config();
  return {step::planned_weight_bytes(checkpoint, mtp_of(options)),
          bytes_of(planned_caches(config, options)),
          planned_workspace(checkpoint, options).bytes()};
}

MemoryUse RankEngine::memory_use() const {
  return {weights_.bytes(), bytes_of(caches_), workspace_.bytes()};
}

int64_t RankEngine::cache_pages() const { return page_count(options_); }

void RankEngine::note_tokens(std::span<const int> tokens) {
  constexpr uint64_t kPrime = 1099511628211;  // of FNV-1a
  for (const int token : tokens)
    tokens_seen_ = (tokens_seen_ ^ static_cast<unsigned>(token)) * kPrime;
}

int RankEngine::launches_per_step(int sequences, int drafts) const {
  require_step_size(sequences, drafts);
  return static_cast<int>(graphs_.nodes({sequences, drafts, options_.drafts > 0}));
}

int RankEngine::early_launches_per_step(int sequences, int drafts) const {
  require_step_size(sequences, drafts);
  return static_cast<int>(graphs_.programmatic_edges({sequences, drafts, options_.drafts > 0}));
}

}  // namespace slipstream::engine
