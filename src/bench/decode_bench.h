// Times decode steps of a model, whole and launch by launch.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "bench/decode_report.h"

namespace slipstream::bench {

struct DecodeBenchOptions {
  BenchModel model;
  bool fit = false;  // as many layers as the GPUs hold, whatever the model says
  // Every combination of these is a shape to measure.
  std::vector<int> batches;
  std::vector<int> contexts;
  std::vector<int> drafts{0};
  // P(draft j is accepted), from the first: not measured, but what tokens per second are told from.
  // Throws InvalidArgument where one is no probability, or larger than the one before it.
  std::vector<double> acceptance;
  bool fp8_rows = false;
  int replays = 30;
  size_t bandwidth_bytes = size_t{1} << 30;  // to copy, for the bandwidth of the floors
  bool steps_only = false;                   // whole steps, not launch by launch
  // Gets text for people while the work goes on.
  std::function<void(const std::string&)> on_progress;
};

// Throws Error where logits are not finite, or differ between PDL off and on: nothing wrong is
// reported.
[[nodiscard]] DecodeReport measure_decode(const DecodeBenchOptions& options);

}  // namespace slipstream::bench
