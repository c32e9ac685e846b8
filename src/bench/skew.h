// How far apart ranks are in their steps.
#pragma once

#include <span>
#include <vector>

#include "bench/decode_timeline.h"
#include "bench/step_trace.h"

namespace slipstream::bench {

// Of one launch of all ranks, in microseconds.
struct LaunchSkew {
  double start = 0;  // from the first rank's return from its wait to the last one's
  double end = 0;
};

struct RankTimes {
  std::vector<LaunchTimes> launches;  // in rank 0's clock
  double lateness = 0;                // after the first rank's end of the same launch, on average
};

// Medians of several steps.
struct TeamTimes {
  std::vector<RankTimes> ranks;
  std::vector<LaunchSkew> skew;  // by launch
  double clock_error = 0;        // microseconds

  // The one that ends its launches last, on average.
  [[nodiscard]] int slowest() const;
};

// `launches` are those of rank 0; other ranks' may have other numbers of CTAs.
[[nodiscard]] TeamTimes team_times(const StepTrace& trace,
                                   std::span<const MeasuredLaunch> launches);

}  // namespace slipstream::bench
