// What `slipstream bench decode` measured, for people and as JSON.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bench/decode_timeline.h"
#include "bench/graph_timer.h"
#include "bench/skew.h"
#include "bench/step_bench.h"
#include "io/json_writer.h"

namespace slipstream::bench {

// A step of one shape.
struct StepResult {
  StepShape shape;
  std::string left_out;  // why nothing was measured; empty if something was
  Timing pdl_off;        // of the whole step
  Timing pdl_on;
  std::vector<MeasuredLaunch> launches;
  std::vector<LaunchTimes> traced_off;  // launch by launch; empty without a traced run
  std::vector<LaunchTimes> traced_on;
  std::vector<std::vector<instrument::CtaStamps>> stamps;  // of the last step traced with PDL
  std::optional<TeamTimes> team;  // of traced_on, where all ranks are traced
  std::vector<RankMemory> memory;
};

struct DecodeReport {
  BenchModel model;
  int layers = 0;
  int model_layers = 0;  // of the whole model
  double bandwidth = 0;  // bytes per second
  int64_t weight_bytes = 0;
  std::vector<double> acceptance;  // as given, of the first draft, the second, ...
  std::vector<StepResult> steps;
};

// What a sequence wins in a step with so many drafts; nothing where their acceptance is not given.
[[nodiscard]] std::optional<double> tokens_per_step(const std::vector<double>& acceptance,
                                                    int drafts);

// Launches of one stage together.
struct StageSummary {
  std::string name;
  int launches = 0;
  double bytes = 0;
  double pdl_off = 0;  // exposed microseconds
  double pdl_on = 0;
  // What pdl_on consists of: from the end of the launch before to the first return from the wait,
  // and from there to the end.
  double hand_over = 0;
  double work = 0;
  double cta_work = 0;  // of a CTA of each launch
  double ctas = 0;
  double sms = 0;  // that they ran on, with PDL
};

[[nodiscard]] std::vector<StageSummary> summarize_stages(const StepResult& step);

// Tables, in Markdown.
void print_report(const DecodeReport& report);
[[nodiscard]] io::Json report_json(const DecodeReport& report);

}  // namespace slipstream::bench
