// A run: steps of the same sequences, enqueued ahead of what they choose. Host bookkeeping only.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "engine/sequences.h"
#include "step/decode_step.h"

namespace slipstream::engine {

struct RunStep {
  step::StepShape shape;
  std::vector<size_t> members;  // which of the run's sequences
  int judged = 0;               // drafts of each that were there; the others were none
  std::chrono::steady_clock::time_point enqueued_at;
  std::vector<int> counts;  // of each member, tokens that it chose; once received

  // Steps of the same rows follow each other without the host.
  [[nodiscard]] bool has_rows_of(const RunStep& other) const {
    return members == other.members && shape.drafts == other.shape.drafts;
  }
  // Words that the device has for the host: with drafts also how many of a sequence's tokens count.
  [[nodiscard]] int words() const {
    return shape.drafts == 0 ? shape.rows() : step::kernels::kMaxRows + shape.sequences;
  }
};

struct Run {
  std::vector<Sequence*> batch;
  int count = 0;            // tokens that each of them gets
  bool is_counted = false;  // a sequence has a history
  int enqueued = 0;         // steps
  int received = 0;
  std::deque<RunStep> on_the_way;  // enqueued and not received
  std::optional<RunStep> last;     // the last enqueued one
  std::optional<RunStep> last_received;
  std::optional<int> drafts;                          // that the next one shall have
  std::vector<std::vector<int>> chosen;               // of each sequence, by the received steps
  int delivered = 0;                                  // of each sequence
  std::vector<int> round;                             // what was delivered last
  std::chrono::steady_clock::time_point received_at;  // the last one

  // Sequences that have not got all their tokens yet.
  [[nodiscard]] std::vector<size_t> unfinished() const;
  // Tokens that even the slowest sequence has once all steps on their way have ended.
  [[nodiscard]] int64_t certain() const;
  // Where the next token of a sequence goes if every draft on its way is right.
  [[nodiscard]] int64_t furthest_position(size_t member) const;
  [[nodiscard]] bool has_round() const;
};

// The rows with which a run has left the device: another one may go on with them, drafts included.
struct LeftRows {
  RunStep step;
  std::vector<SequenceId> sequences;
  std::vector<int64_t> positions;
  std::vector<int> tokens;

  // Of a run that has ended, and whose sequences know it.
  [[nodiscard]] static LeftRows of(const Run& run);
  // Whether these are the rows that the run would begin with.
  [[nodiscard]] bool continues_as(const Run& run) const;
};

}  // namespace slipstream::engine
