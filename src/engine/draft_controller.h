// How many drafts the next steps have: a fixed number, or as many as give the most tokens per second,
// from what steps took and how often drafts were right. Host arithmetic only.
#pragma once

#include <array>

#include "slipstream/engine.h"

namespace slipstream::engine {

// A mean over the last values, 32 of them or so; of fewer where there were fewer.
class SmoothedMean {
 public:
  void add(double value);
  [[nodiscard]] bool is_known() const { return count_ > 0; }
  [[nodiscard]] double value() const { return mean_; }

 private:
  int count_ = 0;
  double mean_ = 0;
};

class DraftController {
 public:
  // Steps that a decision holds: what the host sees of them comes up to 8 steps late.
  static constexpr int kHold = 16;
  // After so many decisions one more draft than seems best is tried for one: how often it would be
  // right is seen nowhere else.
  static constexpr int kDecisionsPerProbe = 16;
  // First times of a kind of step, in which graphs are captured and caches are cold.
  static constexpr int kTimesIgnored = 2;

  // `most`: drafts of a step at most; if not adaptive, always.
  DraftController(int most, bool adaptive) : most_(most), adaptive_(adaptive) {}

  // Drafts that a step of so many sequences can have: all its rows are 16 at most.
  [[nodiscard]] int most(int sequences) const;
  // Drafts of the next step of so many sequences.
  [[nodiscard]] int next(int sequences);

  // Of one sequence in one step, `made` drafts were there to be judged, and the first `accepted` of
  // them were right.
  void observe_acceptance(int made, int accepted);
  // What a step took, after the one before it.
  void observe_time(int sequences, int drafts, double seconds);

  [[nodiscard]] const DraftStatistics& statistics() const { return statistics_; }

 private:
  struct StepTime {
    int ignored = 0;
    SmoothedMean seconds;
  };

  [[nodiscard]] double expected_tokens(int drafts) const;
  // Relative to other numbers of drafts, if none has been measured.
  [[nodiscard]] double expected_time(int sequences, int drafts) const;
  [[nodiscard]] int best(int sequences) const;

  int most_;
  bool adaptive_;
  std::array<SmoothedMean, kMaxDrafts> rates_;  // of draft j + 1, if those before it were right
  std::array<std::array<StepTime, kMaxDrafts + 1>, kMaxStepTokens + 1> times_;
  int sequences_ = 0;  // of the last decision
  int drafts_ = 0;
  int steps_left_ = 0;
  int decisions_ = 0;
  DraftStatistics statistics_;
};

}  // namespace slipstream::engine
