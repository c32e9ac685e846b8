// What tests and tools ask of an engine beyond its public interface.
#pragma once

#include <span>
#include <vector>

#include "slipstream/engine.h"

namespace slipstream::engine {

// Positions that a token attends to, ascending.
using IndexList = std::vector<int>;

struct LayerResult {
  // [tokens, hidden_size]: what leaves it; after the last layer after the final norm.
  std::vector<float> hidden;
  std::vector<IndexList> lists;  // those that its attention used, one per token
};

class Inspection {
 public:
  explicit Inspection(const Engine& engine);

  // One layer alone: row p of `hidden` [tokens, hidden_size], rounded to bf16, enters layer `layer`
  // at position p. Runs on caches of its own, taken for the call, in chunks of up to 16; takes as
  // many tokens as one sequence can have. A layer that shares its index list needs `lists`, one per
  // token: from position index_topk on index_topk positions each (before, every position is taken).
  // Another one takes none.
  [[nodiscard]] LayerResult run_layer(int layer, std::span<const float> hidden,
                                      std::span<const IndexList> lists = {});

  // Launches in the graph of a step of `tokens` tokens, 1 to 16; 0 before its first step (of one rank
  // alone), and without graphs.
  [[nodiscard]] int launches_per_step(int tokens) const;
  // Of these, launches that may start before the one in front of them has ended: those by PDL.
  [[nodiscard]] int early_launches_per_step(int tokens) const;

 private:
  Engine::Impl& impl_;
};

}  // namespace slipstream::engine
