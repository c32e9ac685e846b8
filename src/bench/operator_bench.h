// Times the operators, alone and in a chain of all of them, inside replayed CUDA graphs.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "bench/graph_timer.h"
#include "io/json_writer.h"

namespace slipstream::bench {

struct OffOn {
  Timing off;
  Timing on;
};

// What was measured of one operator, in microseconds per launch.
struct OperatorResult {
  std::string name;
  int tokens;
  double floor;    // bytes at the copy bandwidth of this run
  OffOn in_chain;  // what the chain of all operators takes longer with it than without it
  OffOn alone;     // a chain of this operator only
};

struct ChainResult {
  int tokens;
  size_t launches;
  OffOn time;  // of one round of all operators
};

struct OperatorReport {
  double bandwidth = 0;  // of a copy in this run, bytes per second
  std::vector<OperatorResult> operators;
  std::vector<ChainResult> chains;
};

struct OperatorBenchOptions {
  std::string operator_name;  // report this one only; empty: all
  std::vector<int> tokens;
  bool check_only = false;  // compare with the references and time nothing
  // Gets text for people while the work goes on.
  std::function<void(const std::string&)> on_progress;
};

// Throws InvalidArgument for an operator that there is none of, and Error where a result is not
// that of its reference: nothing wrong is timed.
[[nodiscard]] OperatorReport measure_operators(const OperatorBenchOptions& options);

[[nodiscard]] io::Json to_json(const OperatorReport& report);

}  // namespace slipstream::bench
