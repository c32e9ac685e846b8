#include "cli/bench_ops.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <chrono>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "bench/device_report.h"
#include "bench/graph_timer.h"
#include "bench/operator_case.h"
#include "io/file.h"
#include "slipstream/error.h"

namespace slipstream::cli {
namespace {

constexpr int kOwnChainLaunches = 200;
constexpr int kRounds = 40;  // of the chain of all operators in one graph

struct Options {
  std::string operator_name;
  std::vector<int> tokens{1, 4, 16};
  std::string json_file;
  bool check_only = false;
};

struct OffOn {
  bench::Timing off;
  bench::Timing on;
};

// What was measured of one operator, in microseconds per launch.
struct OperatorResult {
  std::string name;
  int tokens;
  double floor;    // bytes at the copy bandwidth of this run
  OffOn in_chain;  // what the chain of all operators takes longer with it than without it
  OffOn alone;     // a chain of 200 of this operator
};

struct ChainResult {
  int tokens;
  size_t launches;
  OffOn time;  // of one round of all operators
};

using Cases = std::vector<bench::OperatorCase>;

// `rounds` rounds of all operators but `left_out`, in the order of a decode step.
void enqueue_rounds(const Cases& cases, const bench::OperatorCase* left_out,
                    const pdl::LaunchOptions& options) {
  for (int round = 0; round < kRounds; ++round) {
    for (const bench::OperatorCase& operator_case : cases) {
      if (&operator_case != left_out) operator_case.launch(round, options);
    }
  }
}

bench::Timing time_rounds(bench::GraphTimer& timer, const Cases& cases,
                          const bench::OperatorCase* left_out, bool pdl) {
  return timer.measure(
      [&](cudaStream_t stream) { enqueue_rounds(cases, left_out, {.stream = stream, .pdl = pdl}); },
      kRounds);
}

bench::Timing time_alone(bench::GraphTimer& timer, const bench::OperatorCase& operator_case,
                         bool pdl) {
  return timer.measure(
      [&](cudaStream_t stream) {
        for (int i = 0; i < kOwnChainLaunches; ++i) {
          operator_case.launch(i, {.stream = stream, .pdl = pdl});
        }
      },
      kOwnChainLaunches);
}

bench::Timing difference(const bench::Timing& with, const bench::Timing& without) {
  return {.median = with.median - without.median,
          .low = with.low - without.high,
          .high = with.high - without.low};
}

nlohmann::json to_json(const bench::Timing& timing) {
  return {{"median_us", timing.median}, {"p10_us", timing.low}, {"p90_us", timing.high}};
}

nlohmann::json to_json(const OffOn& timings) {
  return {{"pdl_off", to_json(timings.off)}, {"pdl_on", to_json(timings.on)}};
}

std::string spread(const bench::Timing& timing) {
  return fmt::format("{:.2f} ({:.2f}..{:.2f})", timing.median, timing.low, timing.high);
}

class Bench {
 public:
  explicit Bench(Options options) : options_(std::move(options)) {}

  void run() {
    if (!options_.json_file.empty()) io::require_writable(options_.json_file);
    fmt::print("{}\n", bench::device_summary());
    if (!options_.check_only) {
      bandwidth_ = timer_.copy_bandwidth();
      fmt::print("copy bandwidth {:.2f} TB/s (bytes read and written, in this run)\n",
                 bandwidth_ / 1e12);
    }
    for (const int tokens : options_.tokens) run_tokens(tokens);
    if (options_.check_only) return;
    print_table();
    if (!options_.json_file.empty()) write_json();
  }

 private:
  [[nodiscard]] bool selected(const bench::OperatorCase& operator_case) const {
    return options_.operator_name.empty() || operator_case.name == options_.operator_name;
  }

  void run_tokens(int tokens) {
    const bench::OperatorCases owner(tokens);
    const Cases& cases = owner.all();
    require_selection(cases);
    require_right(tokens, cases);
    if (options_.check_only) return;
    fmt::print(stderr, "M={}: timing {} operators\n", tokens, cases.size());
    const OffOn all{time_rounds(timer_, cases, nullptr, false),
                    time_rounds(timer_, cases, nullptr, true)};
    chains_.push_back({tokens, cases.size(), all});
    for (const bench::OperatorCase& operator_case : cases) {
      if (selected(operator_case)) time_operator(cases, operator_case, all);
    }
  }

  // Names every operator once it is known to be right.
  void require_right(int tokens, const Cases& cases) {
    fmt::print(stderr, "M={}:", tokens);
    for (const bench::OperatorCase& operator_case : cases) {
      const std::string wrong = bench::check_against_reference(operator_case, timer_.stream());
      if (!wrong.empty()) throw Error("not timed, because a result is wrong: " + wrong);
      fmt::print(stderr, " {},", operator_case.name);
    }
    fmt::print(stderr, " all {} agree with their references\n", cases.size());
  }

  void require_selection(const Cases& cases) const {
    if (std::any_of(cases.begin(), cases.end(), [&](const auto& c) { return selected(c); })) return;
    std::string names;
    for (const bench::OperatorCase& operator_case : cases) names += " " + operator_case.name;
    throw InvalidArgument(
        fmt::format("--op must be one of{}, is {}", names, options_.operator_name));
  }

  void time_operator(const Cases& cases, const bench::OperatorCase& operator_case,
                     const OffOn& all) {
    results_.push_back(
        {.name = operator_case.name,
         .tokens = operator_case.tokens,
         .floor = operator_case.bytes / bandwidth_ * 1e6,
         .in_chain = {difference(all.off, time_rounds(timer_, cases, &operator_case, false)),
                      difference(all.on, time_rounds(timer_, cases, &operator_case, true))},
         .alone = {time_alone(timer_, operator_case, false),
                   time_alone(timer_, operator_case, true)}});
  }

  void print_table() const {
    fmt::print(
        "\nMicroseconds per launch: median (10th..90th percentile).\n"
        "\"in chain\" is what a round of all operators takes longer with the operator than "
        "without it.\n\n");
    fmt::print("| {:<37} | {:>2} | {:>5} | {:>18} | {:>18} | {:>17} | {:>17} |\n", "operator", "M",
               "floor", "in chain, no PDL", "in chain, PDL", "alone, no PDL", "alone, PDL");
    fmt::print("|{:-<39}|{:->4}|{:->7}|{:->20}|{:->20}|{:->19}|{:->19}|\n", "", "", "", "", "", "",
               "");
    for (const OperatorResult& result : results_) {
      fmt::print("| {:<37} | {:>2} | {:>5.2f} | {:>18} | {:>18} | {:>17} | {:>17} |\n", result.name,
                 result.tokens, result.floor, spread(result.in_chain.off),
                 spread(result.in_chain.on), spread(result.alone.off), spread(result.alone.on));
    }
    fmt::print("\n");
    for (const ChainResult& chain : chains_) {
      fmt::print(
          "all {} operators, M={}: {:.2f} us without PDL, {:.2f} us with: {:.2f} times as "
          "fast\n",
          chain.launches, chain.tokens, chain.time.off.median, chain.time.on.median,
          chain.time.off.median / chain.time.on.median);
    }
  }

  void write_json() const {
    nlohmann::json json;
    json["device"] = bench::device_report();
    json["date"] = fmt::format("{:%Y-%m-%d}", fmt::gmtime(std::chrono::system_clock::now()));
    json["copy_bandwidth_bytes_per_second"] = bandwidth_;
    for (const OperatorResult& result : results_) {
      json["operators"].push_back({{"name", result.name},
                                   {"tokens", result.tokens},
                                   {"floor_us", result.floor},
                                   {"in_chain", to_json(result.in_chain)},
                                   {"alone", to_json(result.alone)}});
    }
    for (const ChainResult& chain : chains_) {
      json["chains"].push_back(
          {{"tokens", chain.tokens}, {"launches", chain.launches}, {"time", to_json(chain.time)}});
    }
    std::ofstream file(options_.json_file);
    file << json.dump(2) << "\n";
    if (!file.flush()) throw Error(fmt::format("cannot write {}", options_.json_file));
  }

  Options options_;
  bench::GraphTimer timer_;
  double bandwidth_ = 0;
  std::vector<OperatorResult> results_;
  std::vector<ChainResult> chains_;
};

}  // namespace

void add_bench_ops_command(const Command& bench) {
  auto options = std::make_shared<Options>();
  const Command command = bench.add_command(
      "ops",
      "Time every operator at the shapes of one rank of DeepSeek-V3.2 (TP8).\n\n"
      "Launches are captured in a CUDA graph and replayed: a chain of all operators in the order "
      "of "
      "a decode step, the same chain without the operator in question, and a chain of 200 of it "
      "alone; each without and with PDL. Arguments rotate through more memory than L2 holds. "
      "Nothing "
      "is timed unless every result agrees with its reference.");
  command.add_option("--op", options->operator_name, "Report this operator only");
  command.add_option("--m", options->tokens, "Tokens, comma-separated, each 1 to 16")
      .separated_by_commas()
      .between(1, 16)
      .default_in_help();
  const Option json_file =
      command.add_option("--json", options->json_file, "Write every figure to this file as JSON");
  command
      .add_flag("--check-only", options->check_only, "Compare with the references and time nothing")
      .excludes(json_file);
  command.set_action([options] {
    Bench(*options).run();
    return 0;
  });
}

}  // namespace slipstream::cli
