// What a server asks of an Engine (slipstream/engine.h): steps of mixed rows that are enqueued before
// the tokens of the last one are known, sequences on pages that it hands out itself, masks and
// logprobs.
//
//   const SequenceId sequence = engine.create_sequence(
//       SequenceOptions{.sampling = {.temperature = 1, .seed = 7}, .pages = {4, 9}});
//   Ticket last = engine.enqueue({{.sequence = sequence, .ids = prompt}});
//   while (serving) {
//     const Ticket next = engine.enqueue({{.sequence = sequence}, {.sequence = other, .ids = piece}});
//     deliver(engine.wait(last));  // while the next step runs
//     last = next;
//   }
//
// A step is up to 16 rows: one or more tokens in a row of each of its sequences. Whoever is in one
// step may be left out of the next, join again or be freed at any time; nothing waits for the host.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "slipstream/sampling.h"

namespace slipstream::engine {

// Names a living sequence. Never used again after free().
enum class SequenceId : int64_t {};

// Names an enqueued step.
enum class Ticket : int64_t {};

// Steps that can be enqueued and not yet waited for.
inline constexpr int kMaxStepsOnTheirWay = 8;

// In place of an id: the token that the sequence's last step sampled, wherever it is by now.
inline constexpr int kLastSampled = -1;

struct SequenceOptions {
  SamplingOptions sampling = {};
  std::vector<LogitBias> logit_bias = {};  // of different tokens
  // Tokens that wait() marks as stops, any number.
  std::vector<int> stop_token_ids = {};

  // With LoadOptions::external_pages, and only then: the first pages of its table, each from 0 to
  // cache_pages() - 1. Position p is in pages[p / 64]. append_pages() extends it.
  std::vector<int> pages = {};
  // Tokens whose rows these pages hold already, written by other sequences of this engine: 0 up to
  // what fits into `pages`. The first token of its first step gets this position. Pages may be in
  // several tables, if nobody writes to them any more.
  int64_t length = 0;
  // What penalties count of those `length` tokens, and of tokens that are computed again after the
  // sequence's pages were taken away: ids that were given (a prompt), and ids that were sampled. Ids
  // that a step gives count as given anyway. Without penalties both are ignored.
  std::vector<int> given_ids = {};
  std::vector<int> sampled_ids = {};
};

// The tokens of one sequence in a step.
struct StepPart {
  SequenceId sequence{};
  // At least one. kLastSampled may be the first of them. They are appended.
  std::vector<int> ids = {kLastSampled};
  // Choose the token after the last of `ids`. If not, the sequence has no sampled token until a later
  // step chooses one.
  bool sample = true;
  // Which tokens can be chosen: bit i % 32 of word i / 32 stands for token i, in ceil(vocab_size /
  // 32) words. Empty: all.
  std::vector<uint32_t> mask = {};
};

// What a step chose for one of its parts.
struct StepToken {
  SequenceId sequence{};
  int token = -1;        // -1: it was not to be sampled
  bool is_stop = false;  // one of the sequence's stop_token_ids
  std::optional<TokenLogprobs> logprobs = std::nullopt;
};

}  // namespace slipstream::engine
