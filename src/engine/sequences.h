// The living sequences of an engine and the cache pages they hold. Host bookkeeping only.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "slipstream/engine.h"

namespace slipstream::engine {

struct Sequence {
  int slot = 0;  // its row in the page table
  std::vector<int> pages;
  int64_t length = 0;   // tokens in the cache
  int next_token = -1;  // input of the next step; -1 before anything was processed
  SamplingOptions sampling;
};

class Sequences {
 public:
  Sequences(int most, int pages, int64_t most_positions);

  SequenceId create(const SamplingOptions& sampling);
  void free(SequenceId id);
  // Throws InvalidArgument if there is no such sequence.
  [[nodiscard]] Sequence& at(SequenceId id);
  // Makes sure that each of the sequences has pages for `tokens` more, and returns those that got
  // any. Throws InvalidArgument where the cache or the positions end; then none of them got any.
  std::vector<Sequence*> reserve(std::span<Sequence* const> sequences, int64_t tokens);
  // Shortens the sequence to `length` tokens, at most what it has: pages that only later tokens
  // need go back. The caller has waited for steps that write there.
  void roll_back(Sequence& sequence, int64_t length);

 private:
  [[nodiscard]] size_t missing_pages(const Sequence& sequence, int64_t tokens) const;

  int most_;
  int64_t most_positions_;
  int64_t next_id_ = 0;
  std::map<SequenceId, Sequence> living_;
  std::vector<int> free_pages_;
  std::vector<int> free_slots_;
};

}  // namespace slipstream::engine
