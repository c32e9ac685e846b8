// The living sequences of an engine and the cache pages they hold. Host bookkeeping only.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "slipstream/engine.h"

namespace slipstream::engine {

// The input of a sequence's next step.
struct NextToken {
  bool exists = false;
  bool was_sampled = false;  // not given by the caller
  bool on_device = false;    // the device has it, where DeviceRows finds it
  int token = -1;            // -1: only the device knows it, until `step` is settled
  int64_t step = -1;         // the enqueued one that chooses it

  [[nodiscard]] static NextToken known(int token, bool was_sampled) {
    return {true, was_sampled, false, token, -1};
  }
  [[nodiscard]] static NextToken sampled_on_device(int token, int64_t step = -1) {
    return {true, true, true, token, step};
  }
};

struct Sequence {
  SequenceId id{};
  int slot = 0;  // its row in the page table
  std::vector<int> pages;
  size_t pages_on_device = 0;  // the first ones, which the device's page table has
  int64_t length = 0;          // tokens in the cache
  NextToken next;
  // Chosen after it by steps with drafts, which nobody has asked for yet: their rows lie in the caches,
  // but for the last one's, and what comes next writes there again.
  std::vector<int> ready;
  SamplingOptions sampling;
  int history = -1;  // its row of the histories and biases; -1: none
  std::shared_ptr<const std::vector<int>> stops;
};

// A sequence that is about to have more tokens.
struct Growth {
  Sequence* sequence;
  int64_t tokens;
};

struct SequenceLimits {
  int most = 0;
  int pages = 0;
  int64_t most_positions = 0;
  int most_adjusted = 0;  // with penalties or bias
  bool external_pages = false;
};

class Sequences {
 public:
  explicit Sequences(const SequenceLimits& limits);

  // Throws InvalidArgument, and creates nothing, for options that cannot be. Ids are the caller's to
  // check.
  SequenceId create(const SequenceOptions& options);
  void free(SequenceId id);
  // Throws InvalidArgument if there is no such sequence.
  [[nodiscard]] Sequence& at(SequenceId id);
  // Null if there is no such sequence.
  [[nodiscard]] Sequence* find(SequenceId id);
  // Where pages come from outside. Throws InvalidArgument, and appends none, for pages that cannot be.
  void append_pages(SequenceId id, std::span<const int> pages);
  // Makes sure that each of the sequences has pages for its tokens, and returns those that got any.
  // Throws InvalidArgument where the cache, the positions or pages from outside end; then none of
  // them got any.
  std::vector<Sequence*> reserve(std::span<const Growth> growths);
  // The same number of tokens for each.
  std::vector<Sequence*> reserve(std::span<Sequence* const> sequences, int64_t tokens);
  // Pages for so many tokens more in each of the sequences, or for fewer if there are no more.
  void reserve_spare(std::span<Sequence* const> sequences, int64_t tokens);
  // Tokens for which the sequence has pages and positions.
  [[nodiscard]] int64_t capacity(const Sequence& sequence) const;
  // Shortens the sequence to `length` tokens, at most what it has: pages that only later tokens
  // need go back, unless they come from outside. The caller has waited for steps that write there.
  void roll_back(Sequence& sequence, int64_t length);

 private:
  [[nodiscard]] size_t missing_pages(const Growth& growth) const;
  void check_pages(std::span<const int> had, std::span<const int> added) const;
  void check_pages_of(const SequenceOptions& options) const;

  SequenceLimits limits_;
  int64_t next_id_ = 0;
  std::map<SequenceId, Sequence> living_;
  std::vector<int> free_pages_;
  std::vector<int> free_slots_;
  std::vector<int> free_histories_;
};

}  // namespace slipstream::engine
