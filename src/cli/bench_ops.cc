#include "cli/bench_ops.h"

#include <fmt/format.h>

#include <memory>
#include <string>
#include <vector>

#include "bench/device_report.h"
#include "bench/operator_bench.h"
#include "cli/json_output.h"

namespace slipstream::cli {
namespace {

struct Options {
  std::string operator_name;
  std::vector<int> tokens{1, 4, 16};
  std::string json_file;  // as JsonOutput takes it
  bool check_only = false;
};

std::string spread(const bench::Timing& timing) {
  return fmt::format("{:.2f} ({:.2f}..{:.2f})", timing.median, timing.low, timing.high);
}

void print_table(const bench::OperatorReport& report) {
  fmt::print("copy bandwidth {:.2f} TB/s (bytes read and written, in this run)\n",
             report.bandwidth / 1e12);
  fmt::print(
      "\nMicroseconds per launch: median (10th..90th percentile).\n"
      "\"in chain\" is what a round of all operators takes longer with the operator than "
      "without it.\n\n");
  fmt::print("| {:<37} | {:>2} | {:>5} | {:>18} | {:>18} | {:>17} | {:>17} |\n", "operator", "M",
             "floor", "in chain, no PDL", "in chain, PDL", "alone, no PDL", "alone, PDL");
  fmt::print("|{:-<39}|{:->4}|{:->7}|{:->20}|{:->20}|{:->19}|{:->19}|\n", "", "", "", "", "", "",
             "");
  for (const bench::OperatorResult& result : report.operators) {
    fmt::print("| {:<37} | {:>2} | {:>5.2f} | {:>18} | {:>18} | {:>17} | {:>17} |\n", result.name,
               result.tokens, result.floor, spread(result.in_chain.off), spread(result.in_chain.on),
               spread(result.alone.off), spread(result.alone.on));
  }
  fmt::print("\n");
  for (const bench::ChainResult& chain : report.chains) {
    fmt::print(
        "all {} operators, M={}: {:.2f} us without PDL, {:.2f} us with: {:.2f} times as "
        "fast\n",
        chain.launches, chain.tokens, chain.time.off.median, chain.time.on.median,
        chain.time.off.median / chain.time.on.median);
  }
}

void run_bench_ops(const Options& options) {
  const JsonOutput json(options.json_file);
  json.require_writable();
  if (json.prints_text()) fmt::print("{}\n", bench::device_summary());
  const bench::OperatorReport report = bench::measure_operators(
      {.operator_name = options.operator_name,
       .tokens = options.tokens,
       .check_only = options.check_only,
       .on_progress = [](const std::string& text) { fmt::print(stderr, "{}", text); }});
  if (options.check_only) return;
  if (json.prints_text()) print_table(report);
  if (json.wanted()) json.write(bench::to_json(report).text(2));
}

}  // namespace

void add_bench_ops_command(const Command& bench) {
  auto options = std::make_shared<Options>();
  const Command command = bench.add_command(
      "ops",
      "Time every operator at the shapes of one rank of DeepSeek-V3.2 (TP8).\n\n"
      "Launches are captured in a CUDA graph and replayed: a chain of all operators in the order "
      "of a decode step, the same chain without the operator in question, and a chain of 200 of it "
      "alone; each without and with PDL. Arguments rotate through more memory than L2 holds. "
      "Nothing is timed unless every result agrees with its reference.");
  command.add_option("--op", options->operator_name, "Report this operator only");
  command.add_option("--m", options->tokens, "Tokens, comma-separated, each 1 to 16")
      .separated_by_commas()
      .between(1, 16)
      .default_in_help();
  const Option json_file = command.add_json_option(options->json_file, "every figure");
  command
      .add_flag("--check-only", options->check_only, "Compare with the references and time nothing")
      .excludes(json_file);
  command.set_device_action([options] {
    run_bench_ops(*options);
    return 0;
  });
}

}  // namespace slipstream::cli
