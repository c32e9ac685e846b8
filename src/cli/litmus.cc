#include "cli/litmus.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <stdexcept>

#include "bench/device_report.h"
#include "bench/stopwatch.h"
#include "cli/exit_code.h"
#include "cli/json_output.h"
#include "io/json_writer.h"
#include "litmus/experiment.h"
#include "litmus/report.h"
#include "slipstream/launch.h"

namespace slipstream::cli {
namespace {

void print_list() {
  for (const litmus::Experiment& experiment : litmus::experiments()) {
    fmt::print("{:<14}  {}\n", experiment.name, experiment.question);
  }
}

// In the order of the list, whatever the order of the names.
std::vector<const litmus::Experiment*> chosen(const std::vector<std::string>& names) {
  std::vector<const litmus::Experiment*> result;
  for (const litmus::Experiment& experiment : litmus::experiments()) {
    if (names.empty() || std::ranges::find(names, experiment.name) != names.end()) {
      result.push_back(&experiment);
    }
  }
  for (const std::string& name : names) {
    const auto is_it = [&](const auto* experiment) { return experiment->name == name; };
    if (std::ranges::none_of(result, is_it)) {
      throw std::runtime_error(
          fmt::format("no experiment is named \"{}\"; --list shows them", name));
    }
  }
  return result;
}

// The version of the kernel driver, which the runtime does not tell: "580.159.04".
std::string kernel_driver_version() {
  std::ifstream file("/proc/driver/nvidia/version");
  std::string word;
  while (file >> word) {
    const auto is_part = [](unsigned char c) { return std::isdigit(c) != 0 || c == '.'; };
    if (std::ranges::count(word, '.') >= 1 && std::ranges::all_of(word, is_part)) return word;
  }
  return "unknown";
}

// A hung device does not let its process end in an orderly way.
[[noreturn]] void end_at_once(const std::string& message) {
  fmt::print(stderr, "slipstream litmus: {}\n", message);
  static_cast<void>(std::fflush(nullptr));
  std::_Exit(kDevice);
}

struct Run {
  JsonOutput json;
  io::Json report;
  bool promise_broken = false;

  void perform(const litmus::Experiment& experiment, litmus::Rig& rig) {
    const bench::Stopwatch stopwatch;
    const litmus::Findings findings = experiment.run(rig);
    const double seconds = stopwatch.seconds();
    if (json.prints_text()) {
      fmt::print("{}", litmus::text_report(experiment, findings));
      static_cast<void>(std::fflush(stdout));
    }
    promise_broken =
        promise_broken || std::ranges::any_of(findings.observations, litmus::breaks_promise);
    io::Json entry = litmus::json_report(experiment, findings);
    entry["seconds"] = seconds;
    report["experiments"].push_back(std::move(entry));
    // After each experiment: what was found stays if a later one hangs the device.
    if (json.wanted() && json.prints_text()) json.write(report.text(2));
  }
};

}  // namespace

int run_litmus(const LitmusOptions& options) {
  if (options.list) {
    print_list();
    return 0;
  }
  const auto experiments = chosen(options.names);
  Run run{.json = JsonOutput(options.json_file), .report = bench::to_json(bench::device_report())};
  run.json.require_writable();
  run.report["kernel_driver"] = kernel_driver_version();
  run.report["iterations"] = options.rig.iterations;
  run.report["delay_us"] = options.rig.delay_microseconds;
  const bool prints = run.json.prints_text();
  if (prints)
    fmt::print("{}, kernel driver {}\n", bench::device_summary(), kernel_driver_version());
  if (!pdl::supports_pdl()) {
    fmt::print(stderr,
               "slipstream litmus: programmatic dependent launch must be supported by the device "
               "(compute capability 9.0), it is not: nothing was run\n");
    return 0;
  }
  litmus::Rig rig(options.rig);
  run.report["blocks"] = rig.blocks();
  if (prints) {
    fmt::print("{} runs of each chain, {} CTAs of {} threads, delays of about {} us\n",
               options.rig.iterations, rig.blocks(), litmus::kThreadsPerBlock,
               options.rig.delay_microseconds);
  }
  try {
    for (const litmus::Experiment* experiment : experiments) run.perform(*experiment, rig);
  } catch (const litmus::TimedOut& error) {
    if (!prints) run.json.write(run.report.text(2));
    end_at_once(error.what());
  }
  if (!prints) run.json.write(run.report.text(2));
  return run.promise_broken ? kFound : kDone;
}

void add_litmus_command(const Command& program) {
  auto options = std::make_shared<LitmusOptions>();
  const Command command = program.add_command(
      "litmus", "Observe how this device orders dependent grids: what PDL promises, and what not.");
  std::vector<std::string> names;
  for (const litmus::Experiment& experiment : litmus::experiments()) {
    names.emplace_back(experiment.name);
  }
  command.add_option("NAME", options->names, "Experiments to run (default: all)").one_of(names);
  command.add_flag("--list", options->list, "List the experiments");
  command.add_option("--iterations", options->rig.iterations, "Runs of each chain")
      .positive()
      .default_in_help();
  command
      .add_option("--delay-us", options->rig.delay_microseconds,
                  "Average delay of a late kernel in microseconds")
      .positive()
      .default_in_help();
  command
      .add_option("--ctas", options->rig.blocks,
                  "CTAs of a grid (default: half the multiprocessors)")
      .between(2, 1024);
  command
      .add_option("--timeout", options->rig.timeout_seconds,
                  "Seconds after which the device counts as hung")
      .positive()
      .default_in_help();
  command.add_option("--seed", options->rig.seed, "Seed of the delays").default_in_help();
  command.add_flag("--no-traffic", options->rig.without_traffic,
                   "Do not keep the memory system busy where an experiment would; on the emulated "
                   "device that takes long and shows nothing");
  command.add_json_option(options->json_file, "what was observed");
  command.set_device_action([options] { return run_litmus(*options); });
}

}  // namespace slipstream::cli
