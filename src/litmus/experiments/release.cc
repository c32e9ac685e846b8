#include <fmt/format.h>

#include <algorithm>

#include "litmus/experiments/all.h"

namespace slipstream::litmus {
namespace {

// Slot 0: what must have happened in the first grid. Slot 1: starts of the second.
bool second_starts_earlier(const Slots& slots) {
  return slots[1].first_stamp < slots[0].last_stamp;
}

Case early(std::string label, const Script& first, Promise promise, bool with_attribute = true) {
  const Script second{stamp(1)};
  return {.label = std::move(label),
          .chain = {normal(first), with_attribute ? dependent(second) : normal(second)},
          .promise = promise,
          .sees = second_starts_earlier};
}

std::vector<Case> release_cases() {
  return {
      early("all trigger at once: before the first grid ends", {trigger(), delay(), stamp(0)},
            Promise::kMay),
      early("one warp of each CTA triggers: before the first grid ends",
            {trigger().in_warps(3, 4), delay(), stamp(0)}, Promise::kMay),
      early("one CTA triggers late: before it does",
            {trigger().in_other_blocks(), delay().in_first_block(), stamp(0).in_first_block(),
             trigger()},
            Promise::kNever),
      early("one CTA triggers, the others exit: before the first grid ends",
            {leave().in_other_blocks(), trigger(), delay(), stamp(0)}, Promise::kMay),
      early("nobody triggers: before the last CTA ends", {delay(), stamp(0)}, Promise::kNever),
      early("one CTA never triggers: before it ends",
            {trigger().in_other_blocks(), delay().in_first_block(), stamp(0).in_first_block()},
            Promise::kNever),
      early("all trigger, but the second grid has no attribute: before the first grid ends",
            {trigger(), delay(), stamp(0)}, Promise::kNever, false),
  };
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

// From the end of the first grid's last CTA to the start of the second's first, in microseconds.
Fact gap(Rig& rig, const std::string& label, const Script& first, const Kernel& second, Mode mode) {
  std::vector<double> gaps;
  rig.repeat({normal(first), second}, {.mode = mode}, [&](const Slots& slots) {
    gaps.push_back(
        (static_cast<double>(slots[1].first_stamp) - static_cast<double>(slots[0].last_stamp)) /
        1000);
  });
  const auto [least, most] = std::minmax_element(gaps.begin(), gaps.end());
  return {.label = fmt::format("{} ({})", label, mode == Mode::kStream ? "stream" : "graph"),
          .text = fmt::format("{:.2f} us after the last CTA ends (median; {:.2f} to {:.2f})",
                              median(gaps), *least, *most)};
}

Findings run_release(Rig& rig) {
  Findings findings = observe(rig, release_cases());
  const Script no_trigger{delay(), stamp(0)};
  const Script triggers_last{delay(), stamp(0), trigger()};
  for (const Mode mode : {Mode::kStream, Mode::kGraph}) {
    findings.facts.push_back(
        gap(rig, "next grid starts: no attribute", no_trigger, normal({stamp(1)}), mode));
    findings.facts.push_back(gap(rig, "next grid starts: attribute, no trigger", no_trigger,
                                 dependent({stamp(1)}), mode));
    findings.facts.push_back(gap(rig, "next grid is past its wait: attribute, no trigger",
                                 no_trigger, dependent({wait(), stamp(1)}), mode));
    findings.facts.push_back(gap(rig, "next grid is past its wait: attribute, trigger at the end",
                                 triggers_last, dependent({wait(), stamp(1)}), mode));
    findings.facts.push_back(gap(rig, "next grid is past its wait: attribute, trigger at the start",
                                 {trigger(), delay(), stamp(0)}, dependent({wait(), stamp(1)}),
                                 mode));
  }
  return findings;
}

}  // namespace

Experiment release_experiment() {
  return {.name = "release",
          .question = "When is the next grid let go?",
          .looked_for = "the second grid started earlier than said",
          .run = run_release};
}

}  // namespace slipstream::litmus
