#include "engine/draft_controller.h"

#include <algorithm>
#include <cstdlib>

namespace slipstream::engine {
namespace {

// Until something has been seen: what is published of these models' first drafts, or a little less.
constexpr double kAssumedRate = 0.8;
// What a draft adds to a step, in steps without drafts. Measured: 0.22 to 0.27 at batch 1.
constexpr double kAssumedCost = 0.25;

double assumed_time(int drafts) { return 1 + kAssumedCost * drafts; }

}  // namespace

void SmoothedMean::add(double value) {
  constexpr int kWindow = 32;
  count_ = std::min(count_ + 1, kWindow);
  mean_ += (value - mean_) / count_;
}

int DraftController::most(int sequences) const {
  return std::clamp(kMaxStepTokens / sequences - 1, 0, most_);
}

int DraftController::next(int sequences) {
  if (!adaptive_) return most(sequences);
  if (steps_left_ == 0 || sequences != sequences_) {
    sequences_ = sequences;
    steps_left_ = kHold;
    const bool probes = ++decisions_ % kDecisionsPerProbe == 0;
    drafts_ = std::min(best(sequences) + (probes ? 1 : 0), most(sequences));
  }
  --steps_left_;
  return drafts_;
}

void DraftController::observe_acceptance(int made, int accepted) {
  if (made == 0) return;
  ++statistics_.steps;
  statistics_.tokens += accepted + 1;
  for (int draft = 0; draft < std::min(accepted + 1, made); ++draft) {
    const bool was_right = draft < accepted;
    ++statistics_.checked[draft];
    statistics_.accepted[draft] += was_right ? 1 : 0;
    rates_[draft].add(was_right ? 1 : 0);
  }
}

void DraftController::observe_time(int sequences, int drafts, double seconds) {
  StepTime& time = times_[sequences][drafts];
  if (time.ignored < kTimesIgnored) {
    ++time.ignored;
    return;
  }
  // A host that was away for a while says nothing of the device.
  const double most = 2 * time.seconds.value();
  time.seconds.add(time.seconds.is_known() ? std::min(seconds, most) : seconds);
}

double DraftController::expected_tokens(int drafts) const {
  double rate = kAssumedRate;
  double all_right = 1;
  double tokens = 1;
  for (int draft = 0; draft < drafts; ++draft) {
    // One that was never judged is taken to be as good as the one before it, so that it is tried.
    if (rates_[draft].is_known()) rate = rates_[draft].value();
    all_right *= rate;
    tokens += all_right;
  }
  return tokens;
}

double DraftController::expected_time(int sequences, int drafts) const {
  // From the nearest number of drafts that was measured.
  const auto& times = times_[sequences];
  int nearest = -1;
  for (int other = 0; other <= kMaxDrafts; ++other) {
    if (!times[other].seconds.is_known()) continue;
    if (nearest < 0 || std::abs(other - drafts) < std::abs(nearest - drafts)) nearest = other;
  }
  if (nearest < 0) return assumed_time(drafts);
  return times[nearest].seconds.value() * assumed_time(drafts) / assumed_time(nearest);
}

int DraftController::best(int sequences) const {
  int result = 0;
  double fastest = 0;
  for (int drafts = 0; drafts <= most(sequences); ++drafts) {
    const double speed = expected_tokens(drafts) / expected_time(sequences, drafts);
    if (speed <= fastest) continue;
    fastest = speed;
    result = drafts;
  }
  return result;
}

}  // namespace slipstream::engine
