// What tests and tools ask of an engine beyond its public interface.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "slipstream/engine.h"

namespace slipstream::engine {

// Positions that a token attends to, ascending.
using IndexList = std::vector<int>;

// The token that a draft names.
using DraftSource = std::function<int(SequenceId sequence, int64_t position)>;

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

  // Launches in the graph of a step of `sequences` sequences with so many drafts each, at most 16 rows;
  // 0 before its first step (of one rank alone), and without graphs.
  [[nodiscard]] int launches_per_step(int sequences, int drafts = 0) const;
  // Of these, launches that may start before the one in front of them has ended: those by PDL.
  [[nodiscard]] int early_launches_per_step(int sequences, int drafts = 0) const;

  // Of one rank alone: has steps check what `source` says in place of the MTP layer's drafts; none:
  // those again. The host then waits for each step before it enqueues the next.
  void set_draft_source(const DraftSource& source);
  // Of one rank alone: the latent row and index key of each token of the sequence, in all layers, the
  // MTP layer's last.
  [[nodiscard]] std::vector<std::byte> cache_rows(SequenceId sequence) const;

 private:
  Engine::Impl& impl_;
};

}  // namespace slipstream::engine
