#include "cli/bench_decode.h"

#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include <memory>
#include <string>

#include "bench/decode_bench.h"
#include "bench/device_report.h"
#include "cli/json_output.h"
#include "io/file.h"
#include "pdl/device.h"
#include "slipstream/error.h"
#include "step/kernels/support/step_row.h"

namespace slipstream::cli {

namespace {

bench::BenchModel model_of(const BenchDecodeOptions& options) {
  bench::BenchModel model{options.model, options.layers, options.tp};
  model.fp8_draft_head = options.draft_head == "fp8";
  model.common_experts = options.common_experts;
  if (options.peers) {
    model.tp = *options.peers + 1;
    model.others = bench::Others::kPlayed;
  } else if (options.echo) {
    model.others = bench::Others::kEchoed;
  } else if (!options.alone && options.tp > 1 && pdl::device_count() >= options.tp) {
    model.others = bench::Others::kRanks;
  }
  return model;
}

}  // namespace

void run_bench_decode(const BenchDecodeOptions& options) {
  // Measuring takes minutes.
  const JsonOutput json(options.json_file);
  json.require_writable();
  for (const std::string& file : {options.trace_file, options.stamps_file}) {
    if (!file.empty()) io::require_writable(file);
  }
  if (json.prints_text()) fmt::print("{}\n", bench::device_summary());
  const bench::DecodeReport report = bench::measure_decode(
      {.model = model_of(options),
       .fit = options.fit,
       .batches = options.batches,
       .contexts = options.contexts,
       .drafts = options.drafts,
       .acceptance = options.acceptance,
       .fp8_rows = options.kv == "fp8",
       .replays = options.replays,
       .bandwidth_bytes = static_cast<size_t>(options.bandwidth_megabytes) << 20,
       .steps_only = options.steps_only,
       .on_progress = [](const std::string& text) { fmt::print(stderr, "{}", text); }});
  if (json.prints_text()) {
    fmt::print("copy bandwidth {:.2f} TB/s (bytes read and written, in this run)\n",
               report.bandwidth * 1e-12);
    bench::print_report(report);
  }
  if (json.wanted()) json.write(bench::report_json(report).text(2));
  const bench::StepResult& step = report.steps.front();
  if (!options.trace_file.empty()) {
    io::write_text(
        options.trace_file,
        bench::timeline_json(step.launches, step.traced_off, step.traced_on).text() + "\n");
  }
  if (!options.stamps_file.empty()) {
    io::write_text(options.stamps_file, bench::stamps_text(step.launches, step.stamps));
  }
}

void add_bench_decode_command(const Command& bench) {
  auto options = std::make_shared<BenchDecodeOptions>();
  const Command command = bench.add_command(
      "decode",
      "Time a decode step of a full-size model: one rank's share, with synthetic weights made on "
      "the GPU. It exchanges with the other ranks where there is a GPU for each, or with one GPU "
      "that plays them (--peers); else the communication between ranks is left out.\n\n"
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
  const Option tp = command.add_option("--tp", options->tp, "Ranks that share the model")
                        .positive()
                        .default_in_help();
  const Option alone = command.add_flag("--alone", options->alone,
                                        "Without the others, even where there are GPUs for all");
  const Option echo =
      command
          .add_flag("--echo", options->echo,
                    "In place of all ranks: what they would send it sends to itself, over no link")
          .excludes(alone);
  command
      .add_option("--peers", options->peers,
                  "Ranks besides this one, 1 to 7, all played by the next GPU")
      .between(1, 7)
      .excludes(tp)
      .excludes(alone)
      .excludes(echo);
  const Option layers =
      command.add_option("--layers", options->layers, "The first N layers only").positive();
  command.add_flag("--fit", options->fit, "The first layers only, as many as the GPUs hold")
      .excludes(layers);
  command.add_option("--batch", options->batches, "Sequences of one token, comma-separated")
      .separated_by_commas()
      .between(1, 16)
      .default_in_help();
  command.add_option("--context", options->contexts, "Positions of each, comma-separated")
      .separated_by_commas()
      .positive()
      .default_in_help();
  const Option drafts =
      command
          .add_option("--drafts", options->drafts,
                      "Drafts of each sequence, comma-separated: the step verifies them and makes "
                      "the next ones. Weights are random, so that hardly any is accepted; this "
                      "changes nothing of what a step does")
          .separated_by_commas()
          .between(0, step::kernels::kMaxDrafts)
          .default_in_help();
  command
      .add_option("--acceptance", options->acceptance,
                  "How often the first, the second, ... draft is accepted, as measured elsewhere: "
                  "0.83,0.66,0.5. Tokens per second are told from it")
      .separated_by_commas()
      .needs(drafts);
  command.add_option("--common-experts", options->common_experts,
                     "Share of its experts that a row has in common with another one, as measured "
                     "elsewhere: 0.26. Without, routing is random: 0.03 with 8 of 256");
  command
      .add_option("--draft-head", options->draft_head,
                  "What drafts are chosen with: a copy of the head as e4m3, or the head itself")
      .one_of({"fp8", "bf16"})
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
  command
      .add_option("--stamps", options->stamps_file,
                  "Write when each CTA of the first shape's last traced step with PDL started, "
                  "triggered, returned from its wait and ended, and where, as a table with tabs")
      .excludes(steps_only);
  command.set_device_action([options] {
    run_bench_decode(*options);
    return 0;
  });
}

}  // namespace slipstream::cli
