#include "bench/skew.h"

#include <algorithm>

namespace slipstream::bench {
namespace {

using StepTimes = std::vector<std::vector<LaunchTimes>>;  // [ranks][launches]

// The launches of `rank`, as the trace has counted their CTAs.
std::vector<MeasuredLaunch> launches_of(const StepTrace& trace, size_t rank,
                                        std::span<const MeasuredLaunch> launches) {
  std::vector<MeasuredLaunch> result(launches.begin(), launches.end());
  for (size_t i = 0; i < result.size(); ++i) result[i].ctas = trace.ctas[rank].at(i);
  return result;
}

// When rank 0's step begins.
uint64_t origin_of(const StepTrace::Stamps& stamps) {
  return std::min_element(stamps.begin(), stamps.end(),
                          [](const auto& a, const auto& b) { return a.start < b.start; })
      ->start;
}

std::vector<StepTimes> step_times_of(const StepTrace& trace,
                                     std::span<const MeasuredLaunch> launches) {
  std::vector<StepTimes> result;
  for (const auto& step : trace.steps) {
    StepTimes& ranks = result.emplace_back();
    for (size_t rank = 0; rank < step.size(); ++rank) {
      ranks.push_back(
          launch_times(step[rank], launches_of(trace, rank, launches), origin_of(step.front())));
    }
  }
  return result;
}

struct Spread {
  double least;
  double most;
};

Spread spread_of(const StepTimes& ranks, size_t launch, double LaunchTimes::*moment) {
  Spread spread{ranks.front()[launch].*moment, ranks.front()[launch].*moment};
  for (const std::vector<LaunchTimes>& rank : ranks) {
    spread.least = std::min(spread.least, rank[launch].*moment);
    spread.most = std::max(spread.most, rank[launch].*moment);
  }
  return spread;
}

double median_spread(const std::vector<StepTimes>& steps, size_t launch,
                     double LaunchTimes::*moment) {
  std::vector<double> spreads;
  for (const StepTimes& ranks : steps) {
    const Spread spread = spread_of(ranks, launch, moment);
    spreads.push_back(spread.most - spread.least);
  }
  const auto middle = spreads.begin() + static_cast<ptrdiff_t>(spreads.size() / 2);
  std::nth_element(spreads.begin(), middle, spreads.end());
  return *middle;
}

double lateness_of(const std::vector<StepTimes>& steps, size_t rank) {
  double sum = 0;
  double count = 0;
  for (const StepTimes& ranks : steps) {
    for (size_t i = 0; i < ranks[rank].size(); ++i, ++count) {
      sum += ranks[rank][i].end - spread_of(ranks, i, &LaunchTimes::end).least;
    }
  }
  return sum / count;
}

}  // namespace

int TeamTimes::slowest() const {
  const auto last = std::max_element(
      ranks.begin(), ranks.end(),
      [](const RankTimes& a, const RankTimes& b) { return a.lateness < b.lateness; });
  return static_cast<int>(last - ranks.begin());
}

TeamTimes team_times(const StepTrace& trace, std::span<const MeasuredLaunch> launches) {
  const std::vector<StepTimes> steps = step_times_of(trace, launches);
  TeamTimes result;
  result.clock_error = static_cast<double>(trace.clock_error) * 1e-3;
  for (size_t rank = 0; rank < steps.front().size(); ++rank) {
    std::vector<std::vector<LaunchTimes>> own;
    own.reserve(steps.size());
    for (const StepTimes& ranks : steps) own.push_back(ranks[rank]);
    result.ranks.push_back({.launches = median_times(own), .lateness = lateness_of(steps, rank)});
  }
  for (size_t i = 0; i < launches.size(); ++i) {
    result.skew.push_back({.start = median_spread(steps, i, &LaunchTimes::wait_return),
                           .end = median_spread(steps, i, &LaunchTimes::end)});
  }
  return result;
}

}  // namespace slipstream::bench
