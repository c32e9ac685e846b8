#include "engine/engine_impl.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <set>

#include "step/device_memory.h"

namespace slipstream::engine {
namespace {

using step::kernels::kMaxRows;
using step::kernels::kPageSize;

static_assert(kMaxStepTokens == kMaxRows, "the public limit is that of the kernels");

model::Checkpoint open(const std::string& directory, const LoadOptions& options) {
  if (options.stream == nullptr || options.stream == cudaStreamLegacy ||
      options.stream == cudaStreamPerThread) {
    throw InvalidArgument("stream must be one made by cudaStreamCreate, is a default stream");
  }
  constexpr int64_t kMaxCacheTokens = int64_t{1} << 32;  // its pages are counted in int
  if (options.cache_tokens < 1 || options.cache_tokens > kMaxCacheTokens) {
    throw InvalidArgument(fmt::format("cache_tokens must be from 1 to {}, is {}", kMaxCacheTokens,
                                      options.cache_tokens));
  }
  constexpr int kMaxSequences = 1 << 20;
  if (options.max_sequences < 1 || options.max_sequences > kMaxSequences) {
    throw InvalidArgument(fmt::format("max_sequences must be from 1 to {}, is {}", kMaxSequences,
                                      options.max_sequences));
  }
  if (options.lora_norm_eps && !(*options.lora_norm_eps > 0 && *options.lora_norm_eps < 1)) {
    throw InvalidArgument(
        fmt::format("lora_norm_eps must be between 0 and 1, is {}", *options.lora_norm_eps));
  }
  model::Checkpoint checkpoint = model::Checkpoint::open(directory, {options.tp, options.rank});
  if (options.lora_norm_eps) checkpoint.config().lora_norm_eps = *options.lora_norm_eps;
  return checkpoint;
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

}  // namespace

Engine::Impl::Impl(const std::string& directory, const LoadOptions& options)
    : checkpoint_(open(directory, options)),
      options_(options),
      positions_(position_count(checkpoint_.config(), options)),
      // One row of the page table more, for layers that run alone.
      workspace_(step::Workspace::planned(checkpoint_, options.max_sequences + 1, positions_)),
      caches_(plan_caches(checkpoint_.config(), {static_cast<int>(page_count(options)),
                                                 options.kv_format == KvFormat::kFp8})),
      weights_(load_weights()),
      sequences_(options.max_sequences, static_cast<int>(page_count(options)), positions_),
      exchange_(workspace_.delta),
      step_(prepare_step()) {}

step::StepParts Engine::Impl::parts() const {
  return {.checkpoint = checkpoint_,
          .weights = weights_,
          .workspace = workspace_,
          .exchange = exchange_,
          .fp8_rows = options_.kv_format == KvFormat::kFp8,
          .kernels = step::kernels::current_set()};
}

step::DecodeStep Engine::Impl::prepare_step() {
  workspace_.allocate(checkpoint_.config());
  for (step::LayerCache& cache : caches_) cache.allocate();
  check_cuda(cudaDeviceSynchronize(), "cudaDeviceSynchronize after loading");
  return {parts(), caches_};
}

// The first to take device memory, if there is enough for all that will be.
step::Weights Engine::Impl::load_weights() const {
  const int64_t weights = step::planned_weight_bytes(checkpoint_);
  const int64_t caches = bytes_of(caches_);
  const int64_t workspace = workspace_.bytes();
  step::require_device_memory(
      weights + caches + workspace,
      fmt::format("weights ({}), caches of {} tokens ({}) and workspace ({})",
                  step::gigabytes(weights), options_.cache_tokens, step::gigabytes(caches),
                  step::gigabytes(workspace)));
  return step::Weights(checkpoint_);
}

MemoryUse Engine::Impl::memory_use() const {
  return {weights_.bytes(), bytes_of(caches_), workspace_.bytes()};
}

SequenceId Engine::Impl::create_sequence(const SamplingOptions& sampling) {
  return sequences_.create(sampling);
}

void Engine::Impl::free(SequenceId sequence) { sequences_.free(sequence); }

int64_t Engine::Impl::length(SequenceId sequence) { return sequences_.at(sequence).length; }

void Engine::Impl::check_ids(std::span<const int> ids) const {
  for (const int id : ids) {
    if (id < 0 || id >= config().vocab_size) {
      throw InvalidArgument(fmt::format("token id must be from 0 to vocab_size - 1 = {}, is {}",
                                        config().vocab_size - 1, id));
    }
  }
}

int Engine::Impl::prefill(SequenceId id, std::span<const int> ids) {
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
  return sequence.next_token;
}

std::vector<Sequence*> Engine::Impl::batch_of(std::span<const SequenceId> ids) {
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

void Engine::Impl::run(std::span<const SequenceId> ids, int count,
                       const std::function<bool(std::span<const int>)>& on_tokens) {
  if (count < 1) throw InvalidArgument(fmt::format("count must be at least 1, is {}", count));
  const std::vector<Sequence*> batch = batch_of(ids);
  const int tokens = static_cast<int>(batch.size());
  reserve(batch, count);
  set_rows(next_rows(batch));

  int delivered = 0;
  bool wanted = true;
  std::vector<int> last;
  const auto deliver = [&] {
    const std::span<const int> chosen = ring_.receive(delivered, tokens);
    last.assign(chosen.begin(), chosen.end());
    ++delivered;
    wanted = on_tokens(last);
  };
  int enqueued = 0;
  for (; enqueued < count && wanted; ++enqueued) {
    if (enqueued - delivered == TokenRing::kSlots) deliver();
    if (!wanted) break;
    replay(tokens);
    ring_.send(enqueued, workspace_.sampled.data(), tokens, options_.stream);
  }
  while (delivered < enqueued && wanted) deliver();
  synchronize();

  for (int i = 0; i < tokens; ++i) {
    batch[i]->length += delivered;
    batch[i]->next_token = last[i];
  }
  // Steps after the one that ended the run have moved the device on; what they would have needed
  // goes back.
  if (delivered < count) {
    for (Sequence* sequence : batch) sequences_.roll_back(*sequence, sequence->length);
  }
  if (delivered < enqueued) return;
  rows_on_device_ = next_rows(batch);
  rows_of_logits_.assign(ids.begin(), ids.end());
}

void Engine::Impl::force(SequenceId sequence, int token) {
  check_ids({&token, 1});
  sequences_.at(sequence).next_token = token;
}

std::vector<float> Engine::Impl::logits(SequenceId sequence) {
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

void Engine::Impl::set_rows(const std::vector<StepRow>& wanted) {
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

void Engine::Impl::reserve(std::span<Sequence* const> sequences, int64_t tokens) {
  for (const Sequence* grown : sequences_.reserve(sequences, tokens)) upload_pages(*grown);
}

void Engine::Impl::upload_pages(const Sequence& sequence) {
  check_cuda(cudaMemcpyAsync(
                 workspace_.pages.data() + ptrdiff_t{workspace_.pages_per_sequence} * sequence.slot,
                 sequence.pages.data(), sequence.pages.size() * sizeof(int), cudaMemcpyHostToDevice,
                 options_.stream),
             "copy of a page table");
  synchronize();
}

void Engine::Impl::replay(int tokens) {
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

std::vector<int> Engine::Impl::sampled(int tokens) {
  std::vector<int> result(tokens);
  check_cuda(cudaMemcpyAsync(result.data(), workspace_.sampled.data(), tokens * sizeof(int),
                             cudaMemcpyDeviceToHost, options_.stream),
             "copy of the sampled tokens");
  synchronize();
  return result;
}

void Engine::Impl::synchronize() const {
  check_cuda(cudaStreamSynchronize(options_.stream), "cudaStreamSynchronize");
}

}  // namespace slipstream::engine
