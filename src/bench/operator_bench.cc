#include "bench/operator_bench.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "bench/device_report.h"
#include "bench/operator_case.h"
#include "slipstream/error.h"

namespace slipstream::bench {
namespace {

constexpr int kAloneLaunches = 200;
constexpr int kRounds = 40;  // of the chain of all operators in one graph

using Cases = std::vector<OperatorCase>;

// `rounds` rounds of all operators but `left_out`, in the order of a decode step.
void enqueue_rounds(const Cases& cases, const OperatorCase* left_out,
                    const pdl::LaunchOptions& options) {
  for (int round = 0; round < kRounds; ++round) {
    for (const OperatorCase& operator_case : cases) {
      if (&operator_case != left_out) operator_case.launch(round, options);
    }
  }
}

Timing time_rounds(GraphTimer& timer, const Cases& cases, const OperatorCase* left_out, bool pdl) {
  return timer.measure(
      [&](cudaStream_t stream) { enqueue_rounds(cases, left_out, {.stream = stream, .pdl = pdl}); },
      kRounds);
}

Timing time_alone(GraphTimer& timer, const OperatorCase& operator_case, bool pdl) {
  return timer.measure(
      [&](cudaStream_t stream) {
        for (int i = 0; i < kAloneLaunches; ++i) {
          operator_case.launch(i, {.stream = stream, .pdl = pdl});
        }
      },
      kAloneLaunches);
}

Timing difference(const Timing& with, const Timing& without) {
  return {.median = with.median - without.median,
          .low = with.low - without.high,
          .high = with.high - without.low};
}

io::Json to_json(const OffOn& timings) {
  return {{"pdl_off", to_json(timings.off)}, {"pdl_on", to_json(timings.on)}};
}

class OperatorBench {
 public:
  explicit OperatorBench(const OperatorBenchOptions& options) : options_(options) {}

  OperatorReport run() {
    if (!options_.check_only) report_.bandwidth = timer_.copy_bandwidth();
    for (const int tokens : options_.tokens) run_tokens(tokens);
    return std::move(report_);
  }

 private:
  template <class... Args>
  void progress(fmt::format_string<Args...> text, Args&&... args) const {
    options_.on_progress(fmt::format(text, std::forward<Args>(args)...));
  }

  [[nodiscard]] bool selected(const OperatorCase& operator_case) const {
    return options_.operator_name.empty() || operator_case.name == options_.operator_name;
  }

  void run_tokens(int tokens) {
    const OperatorCases owner(tokens);
    const Cases& cases = owner.all();
    require_selection(cases);
    require_right(tokens, cases);
    if (options_.check_only) return;
    progress("M={}: timing {} operators\n", tokens, cases.size());
    const OffOn all{time_rounds(timer_, cases, nullptr, false),
                    time_rounds(timer_, cases, nullptr, true)};
    report_.chains.push_back({tokens, cases.size(), all});
    for (const OperatorCase& operator_case : cases) {
      if (selected(operator_case)) time_operator(cases, operator_case, all);
    }
  }

  // Names every operator once it is known to be right.
  void require_right(int tokens, const Cases& cases) {
    progress("M={}:", tokens);
    for (const OperatorCase& operator_case : cases) {
      const std::string wrong = check_against_reference(operator_case, timer_.stream());
      if (!wrong.empty()) throw Error("not timed, because a result is wrong: " + wrong);
      progress(" {},", operator_case.name);
    }
    progress(" all {} agree with their references\n", cases.size());
  }

  void require_selection(const Cases& cases) const {
    if (std::any_of(cases.begin(), cases.end(), [&](const auto& c) { return selected(c); })) return;
    std::string names;
    for (const OperatorCase& operator_case : cases) names += " " + operator_case.name;
    throw InvalidArgument(
        fmt::format("--op must be one of{}, is {}", names, options_.operator_name));
  }

  void time_operator(const Cases& cases, const OperatorCase& operator_case, const OffOn& all) {
    report_.operators.push_back(
        {.name = operator_case.name,
         .tokens = operator_case.tokens,
         .floor = operator_case.bytes / report_.bandwidth * 1e6,
         .in_chain = {difference(all.off, time_rounds(timer_, cases, &operator_case, false)),
                      difference(all.on, time_rounds(timer_, cases, &operator_case, true))},
         .alone = {time_alone(timer_, operator_case, false),
                   time_alone(timer_, operator_case, true)}});
  }

  const OperatorBenchOptions& options_;
  GraphTimer timer_;
  OperatorReport report_;
};

}  // namespace

OperatorReport measure_operators(const OperatorBenchOptions& options) {
  return OperatorBench(options).run();
}

io::Json to_json(const OperatorReport& report) {
  io::Json json;
  json["device"] = to_json(device_report());
  json["date"] = fmt::format("{:%Y-%m-%d}", fmt::gmtime(std::chrono::system_clock::now()));
  json["copy_bandwidth_bytes_per_second"] = report.bandwidth;
  for (const OperatorResult& result : report.operators) {
    json["operators"].push_back({{"name", result.name},
                                 {"tokens", result.tokens},
                                 {"floor_us", result.floor},
                                 {"in_chain", to_json(result.in_chain)},
                                 {"alone", to_json(result.alone)}});
  }
  for (const ChainResult& chain : report.chains) {
    json["chains"].push_back(
        {{"tokens", chain.tokens}, {"launches", chain.launches}, {"time", to_json(chain.time)}});
  }
  return json;
}

}  // namespace slipstream::bench
