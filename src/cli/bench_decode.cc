#include "cli/bench_decode.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "bench/decode_report.h"
#include "bench/device_report.h"
#include "cli/json_output.h"
#include "cli/stopwatch.h"
#include "io/file.h"
#include "pdl/instrument/recorder.h"
#include "slipstream/error.h"

namespace slipstream::cli {
namespace {

constexpr int kMaxTracedSteps = 11;

using Bench = std::unique_ptr<bench::StepBench>;

bool same_bits(const bench::StepOutput& a, const bench::StepOutput& b) {
  return a.sampled == b.sampled && a.logits.size() == b.logits.size() &&
         std::memcmp(a.logits.data(), b.logits.data(), a.logits.size() * sizeof(float)) == 0;
}

void require_finite(const bench::StepOutput& output) {
  const auto bad = std::find_if_not(output.logits.begin(), output.logits.end(),
                                    [](float logit) { return std::isfinite(logit); });
  if (bad == output.logits.end()) return;
  throw Error(
      fmt::format("not reported, because logit {} is {}", bad - output.logits.begin(), *bad));
}

void require_same(const bench::StepOutput& expected, const bench::StepOutput& output,
                  const char* where) {
  if (same_bits(expected, output)) return;
  throw Error(
      fmt::format("not reported, because {} gives other logits than a step without PDL", where));
}

// Measures each shape on the engine as it is, then again launch by launch on its traced build.
class Measurement {
 public:
  explicit Measurement(const BenchDecodeOptions& options)
      : options_(options), model_{options.model, options.layers, options.tp} {}

  bench::DecodeReport run() {
    time_steps();
    if (!options_.steps_only) trace_steps();
    return std::move(report_);
  }

 private:
  void time_steps() {
    const Stopwatch stopwatch;
    bench_ = bench::make_step_bench(model_, timer_.stream());
    fmt::print(stderr, "{}: {:.2f} GB of weights made in {:.2f} s\n", options_.model,
               static_cast<double>(bench_->weight_bytes()) * 1e-9, stopwatch.seconds());
    report_.model = model_;
    report_.layers = bench_->layers();
    report_.weight_bytes = bench_->weight_bytes();
    report_.bandwidth = bandwidth_;
    for (const int context : options_.contexts) {
      for (const int batch : options_.batches) {
        report_.steps.push_back(time_step(*bench_, {batch, context, options_.kv == "fp8"}));
      }
    }
  }

  bench::StepResult time_step(bench::StepBench& bench, const bench::StepShape& shape) {
    bench::StepResult result;
    result.shape = shape;
    try {
      bench.set_shape(shape);
    } catch (const InvalidArgument& error) {
      // One shape of several: the others are measured all the same.
      if (options_.batches.size() * options_.contexts.size() == 1) throw;
      result.left_out = error.what();
      outputs_.emplace_back();
      return result;
    }
    result.launches = bench.launches();
    result.pdl_off = time_step(bench, false);
    bench::StepOutput without_pdl = bench.output();
    require_finite(without_pdl);
    result.pdl_on = time_step(bench, true);
    require_same(without_pdl, bench.output(), "a step with PDL");
    outputs_.push_back(std::move(without_pdl));
    return result;
  }

  bench::Timing time_step(bench::StepBench& bench, bool pdl) {
    return timer_.measure_second(
        [&](cudaStream_t stream) { bench.enqueue({.stream = stream, .pdl = pdl}); },
        [&] { bench.reset(1); }, options_.replays);
  }

  void trace_steps() {
    for (size_t i = 0; i < report_.steps.size(); ++i) {
      bench::StepResult& step = report_.steps[i];
      if (!step.left_out.empty()) continue;
      bench_->set_shape(step.shape);
      step.traced_off = trace_step(*bench_, step, false);
      require_same(outputs_[i], bench_->output(), "a traced step");
      step.traced_on = trace_step(*bench_, step, true);
      require_same(outputs_[i], bench_->output(), "a traced step with PDL");
    }
  }

  std::vector<bench::LaunchTimes> trace_step(bench::StepBench& bench, const bench::StepResult& step,
                                             bool pdl) {
    uint32_t ctas = 0;
    for (const bench::MeasuredLaunch& launch : step.launches) ctas += launch.ctas;
    // Where few CTAs run, some SMs may get most of them.
    instrument::Recorder recorder(ctas / 16 + 256);
    const bench::CapturedGraph graph(timer_.stream(), [&](cudaStream_t stream) {
      bench.enqueue({.stream = stream, .pdl = pdl}, true);
    });
    std::vector<std::vector<bench::LaunchTimes>> steps;
    const int count = std::min(options_.replays, kMaxTracedSteps);
    for (int i = -1; i < count; ++i) {
      bench.reset(1);
      graph.launch();
      recorder.clear(timer_.stream());
      graph.launch();
      std::vector<instrument::CtaStamps> stamps = recorder.take(timer_.stream());
      if (i >= 0) steps.push_back(bench::launch_times(std::move(stamps), step.launches));
    }
    return bench::median_times(steps);
  }

  BenchDecodeOptions options_;
  bench::BenchModel model_;
  bench::GraphTimer timer_;
  std::unique_ptr<bench::StepBench> bench_;
  double bandwidth_ = timer_.copy_bandwidth(size_t(options_.bandwidth_megabytes) << 20);
  bench::DecodeReport report_;
  std::vector<bench::StepOutput> outputs_;  // of each shape, without PDL
};

}  // namespace

void run_bench_decode(const BenchDecodeOptions& options) {
  // Measuring takes minutes.
  const JsonOutput json(options.json_file);
  json.require_writable();
  if (!options.trace_file.empty()) io::require_writable(options.trace_file);
  if (json.prints_text()) fmt::print("{}\n", bench::device_summary());
  const bench::DecodeReport report = Measurement(options).run();
  if (json.prints_text()) {
    fmt::print("copy bandwidth {:.2f} TB/s (bytes read and written, in this run)\n",
               report.bandwidth * 1e-12);
    bench::print_report(report);
  }
  if (json.wanted()) json.write(bench::report_json(report).text(2));
  if (options.trace_file.empty()) return;
  const bench::StepResult& step = report.steps.front();
  io::write_text(
      options.trace_file,
      bench::timeline_json(step.launches, step.traced_off, step.traced_on).text() + "\n");
}

void add_bench_decode_command(const Command& bench) {
  auto options = std::make_shared<BenchDecodeOptions>();
  const Command command = bench.add_command(
      "decode",
      "Time a decode step of a full-size model: one rank's share, with synthetic weights made on "
      "the GPU and without the communication between ranks.\n\n"
      "A step is captured in a CUDA graph and replayed, without and with PDL; then again with "
      "kernels that record on the device when they start, return from their wait and end. Nothing "
      "is reported unless all logits are finite and the same bits in every mode.\n\n"
      "The floor of a step or a stage is the time that its bytes (weights, cache rows, index keys "
      "and what launches hand on) take at the bandwidth of a large copy, measured in the same run. "
      "Rank 0 is measured: none has more to read.\n\n"
      "  slipstream bench decode --model glm-5.2 --batch 1,4,16 --context 8192,131072 "
      "--steps-only\n"
      "  slipstream bench decode --model deepseek-v3.2 --json=figures.json --trace trace.json");
  command
      .add_option("--model", options->model, "deepseek-v3.2, glm-5, glm-5.2, or a config.json file")
      .required();
  command.add_option("--tp", options->tp, "Ranks that share the model")
      .positive()
      .default_in_help();
  command.add_option("--layers", options->layers, "The first N layers only").positive();
  command.add_option("--batch", options->batches, "Sequences of one token, comma-separated")
      .separated_by_commas()
      .between(1, 16)
      .default_in_help();
  command.add_option("--context", options->contexts, "Positions of each, comma-separated")
      .separated_by_commas()
      .positive()
      .default_in_help();
  command.add_option("--kv", options->kv, "Latent cache").one_of({"bf16", "fp8"}).default_in_help();
  command.add_option("--replays", options->replays, "Timed steps").positive().default_in_help();
  command
      .add_option("--bandwidth-mb", options->bandwidth_megabytes,
                  "Megabytes to copy to measure the bandwidth of the floors")
      .positive()
      .default_in_help();
  const Option steps_only =
      command.add_flag("--steps-only", options->steps_only, "Whole steps, not launch by launch");
  command.add_json_option(options->json_file, "every figure");
  command
      .add_option("--trace", options->trace_file,
                  "Write the first shape's launches to this file, for ui.perfetto.dev")
      .excludes(steps_only);
  command.set_device_action([options] {
    run_bench_decode(*options);
    return 0;
  });
}

}  // namespace slipstream::cli
