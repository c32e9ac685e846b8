#include "tests/engine/support/counting.h"

#include <utility>

#include "model/tiny/counting.h"
#include "tests/model/support/tiny_files.h"

namespace slipstream::engine::test {
namespace {

int successor(int token) { return model::tiny::counting_successor(token, kCountingVocabulary); }

LoadOptions with_stream(LoadOptions options, cudaStream_t stream) {
  if (options.ranks.count == 1) options.stream = stream;
  return options;
}

}  // namespace

CountingEngine::CountingEngine(int drafts, int64_t cache_tokens, KvFormat kv_format)
    : CountingEngine(model::test::tiny_checkpoint("counting-tiny"),
                     {.kv_format = kv_format, .cache_tokens = cache_tokens, .drafts = drafts}) {}

CountingEngine::CountingEngine(const std::string& directory, LoadOptions options)
    : engine_(Engine::load(directory, with_stream(std::move(options), stream_.get()))) {}

SequenceId CountingEngine::start(int first, int count) {
  std::vector<int> prompt;
  for (int i = 0; i < count; ++i) prompt.push_back((first + i) % kCountingVocabulary);
  const SequenceId sequence = engine_.create_sequence();
  (void)engine_.prefill(sequence, prompt);
  return sequence;
}

std::vector<int> CountingEngine::run(SequenceId sequence, int count) {
  std::vector<int> result;
  engine_.run(std::array{sequence}, count, [&](std::span<const int> tokens) {
    result.push_back(tokens.front());
    return true;
  });
  return result;
}

std::vector<int> counted(int token, int count) {
  std::vector<int> result;
  for (int i = 0; i < count; ++i) result.push_back(token = successor(token));
  return result;
}

DraftStatistics counting_statistics(int token, int drafts, int64_t steps) {
  DraftStatistics result;
  int before = token;
  int newest = successor(token);
  for (; result.steps < steps; ++result.steps) {
    int accepted = 0;
    int next = successor(newest);
    while (accepted < drafts) {
      ++result.checked[accepted];
      if (model::tiny::counting_draft(before, accepted + 1, kCountingVocabulary) != next) break;
      ++result.accepted[accepted++];
      next = successor(next);
    }
    result.tokens += accepted + 1;
    for (int i = 0; i <= accepted; ++i) {
      before = newest;
      newest = successor(newest);
    }
  }
  return result;
}

}  // namespace slipstream::engine::test
