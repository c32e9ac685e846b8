#include "tests/engine/support/engine_runner.h"

#include <algorithm>
#include <array>

namespace slipstream::engine::test {

EngineRunner::EngineRunner(const std::string& directory, KvFormat format, int64_t cache_tokens,
                           int ranks)
    : engine_(Engine::load(directory, {.stream = ranks == 1 ? stream_.get() : nullptr,
                                       .kv_format = format,
                                       .cache_tokens = cache_tokens,
                                       .ranks = Ranks::threads(ranks),
                                       .poll_limit = kNoLimit})) {}

model::test::Step EngineRunner::start_sequence() {
  if (has_sequence_) engine_.free(sequence_);
  sequence_ = engine_.create_sequence();
  has_sequence_ = true;
  return [this](const std::vector<int>& ids, int /*first*/) {
    (void)engine_.prefill(sequence_, ids);
    model::reference::Matrix result(static_cast<int>(ids.size()), engine_.vocab_size());
    const std::vector<float> logits = engine_.logits(sequence_);
    std::copy(logits.begin(), logits.end(), result.row(result.rows() - 1).begin());
    return result;
  };
}

std::vector<int> some_ids(int count, int seed) {
  std::vector<int> ids;
  for (int i = 0; i < count; ++i) ids.push_back((i * 37 + seed) % 512);
  return ids;
}

std::vector<int> continuation(Engine& engine, const std::vector<int>& prompt, int count) {
  const SequenceId sequence = engine.create_sequence();
  std::vector<int> tokens = {engine.prefill(sequence, prompt)};
  for (int i = 0; i < count; ++i) tokens.push_back(engine.step(std::array{sequence}).front());
  engine.free(sequence);
  return tokens;
}

model::reference::Matrix forced_logits(Engine& engine) {
  const SequenceId sequence = engine.create_sequence();
  model::reference::Matrix result(2, engine.vocab_size());
  const auto keep = [&](int row) {
    const std::vector<float> logits = engine.logits(sequence);
    std::copy(logits.begin(), logits.end(), result.row(row).begin());
  };
  std::vector<int> prompt = some_ids(19);
  for (int& id : prompt) id %= engine.vocab_size();
  (void)engine.prefill(sequence, prompt);
  keep(0);
  engine.force(sequence, 77 % engine.vocab_size());
  (void)engine.step(std::array{sequence});
  keep(1);
  return result;
}

}  // namespace slipstream::engine::test
