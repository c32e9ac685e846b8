#include "slipstream/engine.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "engine/engine_impl.h"
#include "engine/load_options.h"
#include "model/float_formats.h"
#include "step/decode_step.h"

namespace slipstream::engine {

Engine Engine::load(const std::string& directory, const LoadOptions& options) {
  return Engine(std::make_unique<Impl>(directory, options));
}

MemoryUse Engine::plan(const std::string& directory, const LoadOptions& options) {
  check_sizes(options);
  LoadOptions of_rank = options;
  of_rank.tp = std::max(options.tp, options.ranks.count);
  return RankEngine::plan(directory, of_rank);
}

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Engine::Engine(Engine&& other) noexcept = default;
Engine& Engine::operator=(Engine&& other) noexcept = default;
Engine::~Engine() = default;

Engine::Impl& Engine::impl() const {
  if (impl_ == nullptr) throw InvalidArgument("an engine must be a loaded one, was moved from");
  return *impl_;
}

int Engine::vocab_size() const { return impl().rank().config().vocab_size; }
int Engine::num_hidden_layers() const { return impl().rank().config().num_hidden_layers; }
int Engine::hidden_size() const { return impl().rank().config().hidden_size; }
int Engine::max_position_embeddings() const {
  return impl().rank().config().max_position_embeddings;
}
std::vector<int> Engine::eos_token_ids() const { return impl().rank().config().eos_token_ids; }
MemoryUse Engine::memory_use() const { return impl().rank().memory_use(); }
DraftStatistics Engine::draft_statistics() const { return impl().rank().draft_statistics(); }
int Engine::rank() const { return impl().rank_number(); }
void Engine::follow() { impl().follow(); }
SequenceId Engine::create_sequence(const SamplingOptions& sampling) {
  return impl().create_sequence(SequenceOptions{.sampling = sampling});
}
SequenceId Engine::create_sequence(const SequenceOptions& options) {
  return impl().create_sequence(options);
}
void Engine::free(SequenceId sequence) { impl().free(sequence); }
int64_t Engine::length(SequenceId sequence) const { return impl().length(sequence); }
int Engine::prefill(SequenceId sequence, std::span<const int> ids) {
  return impl().prefill(sequence, ids);
}
std::vector<int> Engine::step(std::span<const SequenceId> sequences) {
  std::vector<int> result;
  impl().run(sequences, 1, [&](std::span<const int> tokens) {
    result.assign(tokens.begin(), tokens.end());
    return true;
  });
  return result;
}
void Engine::run(std::span<const SequenceId> sequences, int count,
                 const std::function<bool(std::span<const int>)>& on_tokens) {
  impl().run(sequences, count, on_tokens);
}
int64_t Engine::cache_pages() const { return impl().rank().cache_pages(); }
void Engine::append_pages(SequenceId sequence, std::span<const int> pages) {
  impl().append_pages(sequence, pages);
}
Ticket Engine::enqueue(std::span<const StepPart> parts) { return impl().enqueue(parts); }
std::vector<StepToken> Engine::wait(Ticket ticket) { return impl().wait(ticket); }
void Engine::force(SequenceId sequence, int token) { impl().force(sequence, token); }
std::vector<float> Engine::logits(SequenceId sequence) { return impl().logits(sequence); }

}  // namespace slipstream::engine
