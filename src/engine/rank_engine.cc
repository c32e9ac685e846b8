#include "engine/rank_engine.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <set>

#include "engine/load_report.h"
#include "step/device_memory.h"

namespace slipstream::engine {
namespace {

using step::kernels::kMaxRows;
using step::kernels::kPageSize;

static_assert(kMaxStepTokens == kMaxRows, "the public limit is that of the kernels");

model::Checkpoint open(const std::string& directory, const LoadOptions& options) {
  model::Checkpoint checkpoint = model::Checkpoint::open(directory, {options.tp, options.rank});
  if (options.lora_norm_eps) checkpoint.config().lora_norm_eps = *options.lora_norm_eps;
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

std::vector<step::LayerCache> plan_caches(const model::ModelConfig& config,
                                          const step::CacheShape& shape) {
  std::vector<step::LayerCache> caches;
  caches.reserve(config.num_hidden_layers);
  for (int layer = 0; layer < config.num_hidden_layers; ++layer) {
    caches.push_back(
        step::plan_layer_cache(shape, config.indexer_type(layer) == model::IndexerType::kFull));
  }
  return caches;
}

int64_t bytes_of(const std::vector<step::LayerCache>& caches) {
  int64_t sum = 0;
  for (const step::LayerCache& cache : caches) sum += cache.bytes();
  return sum;
}

bool same_row(const step::kernels::StepRow& a, const step::kernels::StepRow& b) {
  return a.token == b.token && a.position == b.position && a.sequence == b.sequence &&
         a.temperature == b.temperature && a.top_k == b.top_k && a.top_p == b.top_p &&
         a.seed == b.seed;
}

step::kernels::StepRow make_row(const Sequence& sequence, int64_t position, int token) {
  return {token,
          static_cast<int>(position),
          sequence.slot,
          sequence.sampling.temperature,
          sequence.sampling.top_k,
          sequence.sampling.top_p,
          sequence.sampling.seed};
}

// What the next step of these sequences reads.
std::vector<step::kernels::StepRow> next_rows(std::span<Sequence* const> sequences) {
  std::vector<step::kernels::StepRow> rows;
  for (const Sequence* sequence : sequences) {
    rows.push_back(make_row(*sequence, sequence->length, sequence->next_token));
  }
  return rows;
}

void require_step_size(int tokens) {
  if (tokens >= 1 && tokens <= kMaxStepTokens) return;
  throw InvalidArgument(fmt::format("tokens must be from 1 to {}, is {}", kMaxStepTokens, tokens));
}

}  // namespace

RankEngine::RankEngine(const std::string& directory, const LoadOptions& options, Meeting* meeting)
    : meeting_(meeting),
      own_stream_(meeting == nullptr ? std::nullopt : std::make_optional<pdl::Stream>()),
      options_(options_of_rank(options, meeting, own_stream_ ? own_stream_->get() : nullptr)),
      checkpoint_(agree(meeting, [&] { return open(directory, options_); })),
      positions_(position_count(config(), options)),
      // One row of the page table more, for layers that run alone.
      workspace_(step::Workspace::planned(checkpoint_, options.max_sequences + 1, positions_)),
      caches_(plan_caches(
          config(), {static_cast<int>(page_count(options)), options.kv_format == KvFormat::kFp8})),
      member_(join_others()),
      weights_(load_weights()),
      sequences_(options.max_sequences, static_cast<int>(page_count(options)), positions_),
      local_exchange_(workspace_.delta),
      step_(prepare_step()) {
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
           "\"cache_tokens {}, max_sequences {}, kv_format {}, lora_norm_eps {}, poll_limit {}\"",
           options_.cache_tokens, options_.max_sequences, static_cast<int>(options_.kv_format),
           config().lora_norm_eps, options_.poll_limit));
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
  const int64_t weights = step::planned_weight_bytes(checkpoint_);
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
    LoadReport report(options_, step::planned_weight_bytes(checkpoint_));
    return step::Weights(checkpoint_, [&](int64_t bytes) {
      if (meeting_ != nullptr && !meeting_->failure().empty()) throw RankError(meeting_->failure());
      report.update(bytes);
    });
  });
}

step::DecodeStep RankEngine::prepare_step() {
  agree(meeting_, [&] {
    workspace_.allocate(config());
    for (step::LayerCache& cache : caches_) cache.allocate();
    check_cuda(cudaDeviceSynchronize(), "cudaDeviceSynchronize after loading");
  });
  return {parts(), caches_};
}

void RankEngine::prepare_launches() {
  StepGraphs unused;
  StepGraphs& graphs = options_.graphs ? graphs_ : unused;
  for (int tokens = 1; tokens <= kMaxStepTokens; ++tokens) {
    graphs.prepare(tokens, options_.stream,
                   [&] { step_.enqueue(tokens, {.stream = options_.stream}); });
  }
}

MemoryUse RankEngine::memory_use() const {
  return {weights_.bytes(), bytes_of(caches_), workspace_.bytes()};
}

SequenceId RankEngine::create_sequence(const SamplingOptions& sampling) {
  return sequences_.create(sampling);
}

void RankEngine::free(SequenceId sequence) { sequences_.free(sequence); }

int64_t RankEngine::length(SequenceId sequence) { return sequences_.at(sequence).length; }

void RankEngine::check_ids(std::span<const int> ids) const {
  for (const int id : ids) {
    if (id < 0 || id >= config().vocab_size) {
      throw InvalidArgument(fmt::format("token id must be from 0 to vocab_size - 1 = {}, is {}",
                                        config().vocab_size - 1, id));
    }
  }
}

int RankEngine::prefill(SequenceId id, std::span<const int> ids) {
  Sequence& sequence = sequences_.at(id);
  if (ids.empty()) throw InvalidArgument("ids must be at least one token id, are none");
  check_ids(ids);
  reserve(std::array{&sequence}, static_cast<int64_t>(ids.size()));
  while (!ids.empty()) {
    const int count = std::min<int>(kMaxStepTokens, static_cast<int>(ids.size()));
    std::vector<StepRow> rows;
    for (int i = 0; i < count; ++i) {
      rows.push_back(make_row(sequence, sequence.length + i, ids[i]));
      if (i + 1 < count) rows.back().temperature = 0;  // what it would choose is not used
    }
    set_rows(rows);
    replay(count);
    sequence.length += count;
    ids = ids.subspan(count);
    rows_of_logits_.assign(count, SequenceId{-1});
    rows_of_logits_.back() = id;
  }
  const int rows = static_cast<int>(rows_of_logits_.size());
  sequence.next_token = sampled(rows).back();
  note_tokens({&sequence.next_token, 1});
  return sequence.next_token;
}

std::vector<Sequence*> RankEngine::batch_of(std::span<const SequenceId> ids) {
  const size_t different = std::set<SequenceId>(ids.begin(), ids.end()).size();
  if (ids.empty() || ids.size() > kMaxStepTokens || different != ids.size()) {
    throw InvalidArgument(fmt::format("sequences must be 1 to {} different ones, are {} of {}",
                                      kMaxStepTokens, different, ids.size()));
  }
  std::vector<Sequence*> batch;
  for (const SequenceId id : ids) {
    batch.push_back(&sequences_.at(id));
    if (batch.back()->next_token < 0) {
      throw InvalidArgument("sequence must have been prefilled before it is stepped, is empty");
    }
  }
  return batch;
}

void RankEngine::begin_run(std::span<const SequenceId> ids, int count) {
  if (count < 1) throw InvalidArgument(fmt::format("count must be at least 1, is {}", count));
  Run run;
  run.ids.assign(ids.begin(), ids.end());
  run.batch = batch_of(ids);
  run.count = count;
  reserve(run.batch, count);
  set_rows(next_rows(run.batch));
  run_ = std::move(run);
}

void RankEngine::enqueue_step() {
  replay(run_->tokens());
  ring_.send(run_->enqueued++, workspace_.sampled.data(), run_->tokens(), options_.stream);
}

std::span<const int> RankEngine::receive_step() {
  const std::span<const int> chosen = ring_.receive(run_->received, run_->tokens());
  if (member_ != nullptr) member_->require_all_alive();
  run_->last.assign(chosen.begin(), chosen.end());
  ++run_->received;
  note_tokens(run_->last);
  return run_->last;
}

void RankEngine::end_run(int steps, int received) {
  while (run_->received < received) (void)receive_step();
  synchronize();
  const Run run = std::move(*run_);
  run_.reset();
  for (int i = 0; i < run.tokens() && steps > 0; ++i) {
    run.batch[i]->length += steps;
    run.batch[i]->next_token = run.last[i];
  }
  // Steps after the one that ended the run have moved the device on; what they would have needed
  // goes back.
  if (steps < run.count) {
    for (Sequence* sequence : run.batch) sequences_.roll_back(*sequence, sequence->length);
  }
  if (steps < run.enqueued) return;
  rows_on_device_ = next_rows(run.batch);
  rows_of_logits_ = run.ids;
}

void RankEngine::force(SequenceId sequence, int token) {
  check_ids({&token, 1});
  sequences_.at(sequence).next_token = token;
}

std::vector<float> RankEngine::logits(SequenceId sequence) {
  (void)sequences_.at(sequence);
  const auto found = std::find(rows_of_logits_.begin(), rows_of_logits_.end(), sequence);
  if (found == rows_of_logits_.end()) {
    throw InvalidArgument("logits must be those of a sequence of the last step, are of another");
  }
  const int64_t row = found - rows_of_logits_.begin();
  std::vector<float> result(weights_.head().rows);
  check_cuda(
      cudaMemcpyAsync(result.data(), workspace_.logits.data() + row * weights_.head().rows,
                      result.size() * sizeof(float), cudaMemcpyDeviceToHost, options_.stream),
      "copy of the logits");
  synchronize();
  return result;
}

void RankEngine::set_rows(const std::vector<StepRow>& wanted) {
  if (std::equal(wanted.begin(), wanted.end(), rows_on_device_.begin(), rows_on_device_.end(),
                 same_row)) {
    return;
  }
  check_cuda(cudaMemcpyAsync(workspace_.rows.data(), wanted.data(), wanted.size() * sizeof(StepRow),
                             cudaMemcpyHostToDevice, options_.stream),
             "copy of the step's tokens");
  // The source is pageable and about to go.
  synchronize();
}

void RankEngine::reserve(std::span<Sequence* const> sequences, int64_t tokens) {
  for (const Sequence* grown : sequences_.reserve(sequences, tokens)) upload_pages(*grown);
}

void RankEngine::upload_pages(const Sequence& sequence) {
  check_cuda(cudaMemcpyAsync(
                 workspace_.pages.data() + ptrdiff_t{workspace_.pages_per_sequence} * sequence.slot,
                 sequence.pages.data(), sequence.pages.size() * sizeof(int), cudaMemcpyHostToDevice,
                 options_.stream),
             "copy of a page table");
  synchronize();
}

void RankEngine::replay(int tokens) {
  // The device moves on: what it will hold is known when the caller has all tokens, and not if it
  // fails before.
  rows_on_device_.clear();
  rows_of_logits_.clear();
  const auto enqueue = [&] { step_.enqueue(tokens, {.stream = options_.stream}); };
  if (options_.graphs) {
    graphs_.launch(tokens, options_.stream, enqueue);
  } else {
    enqueue();
  }
}

std::vector<int> RankEngine::sampled(int tokens) {
  std::vector<int> result(tokens);
  check_cuda(cudaMemcpyAsync(result.data(), workspace_.sampled.data(), tokens * sizeof(int),
                             cudaMemcpyDeviceToHost, options_.stream),
             "copy of the sampled tokens");
  synchronize();
  return result;
}

void RankEngine::note_tokens(std::span<const int> tokens) {
  constexpr uint64_t kPrime = 1099511628211;  // of FNV-1a
  for (const int token : tokens)
    tokens_seen_ = (tokens_seen_ ^ static_cast<unsigned>(token)) * kPrime;
}

void RankEngine::synchronize() const {
  check_cuda(cudaStreamSynchronize(options_.stream), "cudaStreamSynchronize");
  if (member_ != nullptr) member_->require_all_alive();
}

int RankEngine::launches_per_step(int tokens) const {
  require_step_size(tokens);
  return static_cast<int>(graphs_.nodes(tokens));
}

int RankEngine::early_launches_per_step(int tokens) const {
  require_step_size(tokens);
  return static_cast<int>(graphs_.programmatic_edges(tokens));
}

}  // namespace slipstream::engine
