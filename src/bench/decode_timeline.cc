#include "bench/decode_timeline.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <set>
#include <string>

#include "slipstream/error.h"

namespace slipstream::bench {
namespace {

using instrument::CtaStamps;

constexpr int kTracks = 3;  // enough for launches that overlap not to share one

// Subtracted as integers: a double has no nanoseconds left of a time since 1970.
double microseconds(uint64_t time, uint64_t origin) {
  return static_cast<double>(static_cast<int64_t>(time - origin)) * 1e-3;
}

uint64_t first_start(std::span<const CtaStamps> stamps) {
  uint64_t first = stamps.front().start;
  for (const CtaStamps& stamp : stamps) first = std::min(first, stamp.start);
  return first;
}

// Launches follow each other by it: a wait returns after all CTAs of the launch before have ended.
uint64_t place_in_step(const CtaStamps& stamp) {
  return stamp.wait_return == 0 ? stamp.end : stamp.wait_return;
}

// Every CTA of the launch must be there once.
void require_all_ctas(std::span<const CtaStamps> stamps, const MeasuredLaunch& launch, size_t index,
                      uint64_t origin) {
  std::vector<bool> seen(stamps.size());
  for (const CtaStamps& stamp : stamps) {
    if (stamp.wait_return == 0) {
      throw Error(fmt::format(
          "trace: launch {} ({}): thread 0 of CTA {} on SM {} has not waited; it started at {:.3f} "
          "us, triggered at {:.3f} us and ended at {:.3f} us",
          index, launch.kernel, stamp.cta, stamp.sm, microseconds(stamp.start, origin),
          stamp.trigger == 0 ? -1 : microseconds(stamp.trigger, origin),
          microseconds(stamp.end, origin)));
    }
    if (stamp.cta >= seen.size() || seen[stamp.cta]) {
      throw Error(fmt::format(
          "trace: launch {} ({}) must have stamps of CTAs 0 to {}, has those of CTA {} of another",
          index, launch.kernel, seen.size() - 1, stamp.cta));
    }
    seen[stamp.cta] = true;
  }
}

LaunchTimes times_of(std::span<const CtaStamps> stamps, uint64_t origin) {
  CtaStamps all = stamps.front();
  double work = 0;
  std::set<uint32_t> sms;
  for (const CtaStamps& stamp : stamps) {
    work += microseconds(stamp.end, stamp.wait_return);
    sms.insert(stamp.sm);
    all.start = std::min(all.start, stamp.start);
    all.trigger = std::max(all.trigger, stamp.trigger);
    all.wait_return = std::min(all.wait_return, stamp.wait_return);
    all.end = std::max(all.end, stamp.end);
  }
  return {.start = microseconds(all.start, origin),
          .trigger = all.trigger == 0 ? -1 : microseconds(all.trigger, origin),
          .wait_return = microseconds(all.wait_return, origin),
          .end = microseconds(all.end, origin),
          .cta_work = work / static_cast<double>(stamps.size()),
          .sms = static_cast<double>(sms.size())};
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

io::Json slice(const std::string& name, const char* category, double begin, double end, int process,
               int track) {
  return {{"ph", "X"},
          {"name", name},
          {"cat", category},
          {"ts", begin},
          {"dur", std::max(end - begin, 0.0)},
          {"pid", process},
          {"tid", track}};
}

void add_step(std::span<const MeasuredLaunch> launches, std::span<const LaunchTimes> times,
              int process, const char* name, io::Json& events) {
  events.push_back(
      {{"ph", "M"}, {"name", "process_name"}, {"pid", process}, {"args", {{"name", name}}}});
  for (size_t i = 0; i < launches.size(); ++i) {
    const MeasuredLaunch& launch = launches[i];
    const LaunchTimes& time = times[i];
    const int track = static_cast<int>(i % kTracks) + 1;
    events.push_back(slice(launch.title + " (before its wait)", "early", time.start,
                           time.wait_return, process, track));
    io::Json main = slice(launch.title, "main", time.wait_return, time.end, process, track);
    main["args"] = {{"launch", i},           {"layer", launch.layer},
                    {"ctas", launch.ctas},   {"threads", launch.threads},
                    {"bytes", launch.bytes}, {"exposed_us", time.exposed}};
    events.push_back(main);
    if (time.trigger >= 0) {
      events.push_back({{"ph", "i"},
                        {"name", "last trigger"},
                        {"ts", time.trigger},
                        {"pid", process},
                        {"tid", track},
                        {"s", "t"}});
    }
  }
}

}  // namespace

std::vector<std::vector<CtaStamps>> stamps_by_launch(std::vector<CtaStamps> stamps,
                                                     std::span<const MeasuredLaunch> launches) {
  size_t expected = 0;
  for (const MeasuredLaunch& launch : launches) expected += launch.ctas;
  if (stamps.size() != expected || stamps.empty()) {
    throw Error(fmt::format("trace: a step of {} launches must leave stamps of {} CTAs, left {}",
                            launches.size(), expected, stamps.size()));
  }
  std::sort(stamps.begin(), stamps.end(), [](const CtaStamps& a, const CtaStamps& b) {
    return place_in_step(a) < place_in_step(b);
  });
  const uint64_t origin = first_start(stamps);
  std::vector<std::vector<CtaStamps>> result;
  std::span<const CtaStamps> rest = stamps;
  for (size_t i = 0; i < launches.size(); ++i) {
    const auto mine = rest.first(launches[i].ctas);
    rest = rest.subspan(launches[i].ctas);
    require_all_ctas(mine, launches[i], i, origin);
    result.emplace_back(mine.begin(), mine.end());
  }
  return result;
}

std::vector<LaunchTimes> launch_times(std::vector<CtaStamps> stamps,
                                      std::span<const MeasuredLaunch> launches, uint64_t origin) {
  if (origin == 0 && !stamps.empty()) origin = first_start(stamps);
  std::vector<LaunchTimes> result;
  for (const auto& launch : stamps_by_launch(std::move(stamps), launches)) {
    LaunchTimes times = times_of(launch, origin);
    times.exposed = times.end - (result.empty() ? times.start : result.back().end);
    result.push_back(times);
  }
  return result;
}

std::string stamps_text(std::span<const MeasuredLaunch> launches,
                        std::span<const std::vector<CtaStamps>> stamps) {
  uint64_t origin = std::numeric_limits<uint64_t>::max();
  for (const auto& launch : stamps) origin = std::min(origin, first_start(launch));
  std::string text =
      "launch\tlayer\ttitle\tshared_bytes\tcta\tsm\tstart\ttrigger\twait_return\tend\n";
  for (size_t i = 0; i < stamps.size(); ++i) {
    for (const CtaStamps& stamp : stamps[i]) {
      fmt::format_to(std::back_inserter(text), "{}\t{}\t{}\t{}\t{}\t{}", i, launches[i].layer,
                     launches[i].title, launches[i].shared_bytes, stamp.cta, stamp.sm);
      for (const uint64_t time : {stamp.start, stamp.trigger, stamp.wait_return, stamp.end}) {
        fmt::format_to(std::back_inserter(text), "\t{:.3f}",
                       time == 0 ? -1.0 : microseconds(time, origin));
      }
      text += '\n';
    }
  }
  return text;
}

std::vector<LaunchTimes> median_times(const std::vector<std::vector<LaunchTimes>>& steps) {
  std::vector<LaunchTimes> result = steps.front();
  for (size_t i = 0; i < result.size(); ++i) {
    const auto over_steps = [&](double LaunchTimes::*field) {
      std::vector<double> values;
      values.reserve(steps.size());
      for (const auto& step : steps) values.push_back(step[i].*field);
      return median(std::move(values));
    };
    result[i] = {.start = over_steps(&LaunchTimes::start),
                 .trigger = over_steps(&LaunchTimes::trigger),
                 .wait_return = over_steps(&LaunchTimes::wait_return),
                 .end = over_steps(&LaunchTimes::end),
                 .cta_work = over_steps(&LaunchTimes::cta_work),
                 .sms = over_steps(&LaunchTimes::sms),
                 .exposed = over_steps(&LaunchTimes::exposed)};
  }
  return result;
}

io::Json timeline_json(std::span<const MeasuredLaunch> launches,
                       std::span<const LaunchTimes> pdl_off, std::span<const LaunchTimes> pdl_on) {
  io::Json events = io::Json::array();
  add_step(launches, pdl_on, 1, "PDL on", events);
  add_step(launches, pdl_off, 2, "PDL off", events);
  return {{"displayTimeUnit", "ns"}, {"traceEvents", events}};
}

}  // namespace slipstream::bench
