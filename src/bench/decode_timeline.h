// When the launches of a traced step ran.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "bench/step_bench.h"
#include "io/json_writer.h"
#include "pdl/instrument/stamps.h"

namespace slipstream::bench {

// Of one launch, in microseconds from the start of the step's first.
struct LaunchTimes {
  double start = 0;        // of the first CTA
  double trigger = 0;      // of the last CTA; negative if none did
  double wait_return = 0;  // of the first CTA
  double end = 0;          // of the last CTA
  double cta_work = 0;     // of a CTA from its wait's return to its end, on average
  double sms = 0;          // different ones that its CTAs ran on
  double exposed = 0;      // from the end of the launch before it: they sum up to the step
};

// Tells the launches of a step apart: a CTA returns from its wait after the end of the launch
// before and before the end of its own, so that in the order of these times each launch has its
// CTAs side by side. Times count from `origin`, or from the first start if that is 0. Throws Error
// where the stamps are not those of the launches.
[[nodiscard]] std::vector<LaunchTimes> launch_times(std::vector<instrument::CtaStamps> stamps,
                                                    std::span<const MeasuredLaunch> launches,
                                                    uint64_t origin = 0);

// The same stamps launch by launch, as launch_times() tells them apart.
[[nodiscard]] std::vector<std::vector<instrument::CtaStamps>> stamps_by_launch(
    std::vector<instrument::CtaStamps> stamps, std::span<const MeasuredLaunch> launches);

// A step's CTAs as lines of fields with tabs between them, times in microseconds from the step's
// first start.
[[nodiscard]] std::string stamps_text(std::span<const MeasuredLaunch> launches,
                                      std::span<const std::vector<instrument::CtaStamps>> stamps);

// Launch by launch, the median of several steps.
[[nodiscard]] std::vector<LaunchTimes> median_times(
    const std::vector<std::vector<LaunchTimes>>& steps);

// One step without PDL and one with, as Perfetto and chrome://tracing read it.
[[nodiscard]] io::Json timeline_json(std::span<const MeasuredLaunch> launches,
                                     std::span<const LaunchTimes> pdl_off,
                                     std::span<const LaunchTimes> pdl_on);

}  // namespace slipstream::bench
