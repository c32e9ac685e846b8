// The command line of `slipstream generate`.

#include <fmt/format.h>

#include <memory>
#include <string>
#include <vector>

#include "cli/generate.h"
#include "cli/timeout.h"
#include "slipstream/error.h"

namespace slipstream::cli {

namespace {

std::vector<Option> add_token_options(const Command& command, GenerateOptions& options) {
  std::vector<Option> result = {
      command.add_option("--prompt-ids", options.prompt_ids, "the prompt: 1,2,3"),
      command.add_option("--prompt-file", options.prompt_file, "the prompt: a file of ids"),
      command.add_option("-n,--count", options.count, "tokens to produce (default 16)").positive(),
      command.add_option("--temperature", options.temperature, "0 (the default): greedy"),
      command.add_option("--top-k", options.top_k, "0 (the default): no limit"),
      command.add_option("--top-p", options.top_p, "share of probability to keep (default 1)"),
      command.add_option("--seed", options.seed, "seed of the random numbers (default 0)"),
      command.add_option(
          "--drafts", options.drafts,
          "tokens that the MTP layer drafts ahead, 0 (the default) to 5, or auto: as "
          "many as pay"),
      command
          .add_option(
              "--draft-head", options.draft_head,
              "what drafts are chosen with: a copy of the head as e4m3 (the default), or the "
              "head itself")
          .one_of({"fp8", "bf16"}),
      command.add_flag("--ignore-eos", options.ignore_eos, "continue after an end-of-text token"),
      command.add_option("--force-ids", options.force_ids, "the continuation to follow: 4,5,6"),
      command.add_option("--logits", options.logits_file,
                         "write fp32 logits [tokens, vocabulary] to this safetensors file"),
      command.add_json_option(options.json_file, "tokens, times and memory")};
  for (Option& option : result) option.under("Tokens");
  return result;
}

void add_layer_options(const Command& command, GenerateOptions& options) {
  const std::string heading = "One layer alone";
  Option layer =
      command.add_option("--layer", options.layer, "run this layer, at positions 0, 1, ...")
          .under(heading);
  Option layer_in =
      command
          .add_option("--layer-in", options.layer_in,
                      "safetensors with `hidden` F32 [tokens, hidden_size] and, for a layer that "
                      "shares its index list, `index_lists` I32 [tokens, keys]")
          .under(heading);
  Option layer_out = command
                         .add_option("--layer-out", options.layer_out,
                                     "file for its result (default: LAYER_IN.out.safetensors)")
                         .under(heading);
  layer_in.needs(layer);
  layer.needs(layer_in);
  layer_out.needs(layer_in);
}

void add_engine_options(const Command& command, GenerateOptions& options) {
  const std::string heading = "Engine";
  command
      .add_option("--pdl", options.pdl,
                  "programmatic dependent launch (default: as SLIPSTREAM_PDL says, else on)")
      .one_of({"on", "off"})
      .under(heading);
  command.add_option("--kv", options.kv, "latent cache (default bf16)")
      .one_of({"bf16", "fp8"})
      .under(heading);
  command
      .add_option("--tp", options.tp,
                  "GPUs that share every layer, each with a thread (default 1; under torchrun: "
                  "processes, WORLD_SIZE)")
      .positive()
      .under(heading);
  const Option poll_limit =
      command
          .add_option("--poll-limit", options.poll_limit,
                      "seconds that a rank may be silent before all end (default 10)")
          .under(heading);
  command
      .add_option("--rank", options.rank,
                  "load and run this rank's share of --tp alone, for measurements: results are "
                  "partial sums")
      .under(heading)
      .excludes(poll_limit);
  command
      .add_option("--step-limit", options.step_limit,
                  "seconds after which a step that has not ended is an error (default: none)")
      .positive()
      .under(heading);
  command
      .add_flag("--trace-launches", options.trace_launches,
                "let such an error name the launch that hangs; a step takes a little longer")
      .under(heading);
  command
      .add_option("--log", options.log,
                  "what to tell on standard error (default: as SLIPSTREAM_LOG says, else warning)")
      .one_of({"off", "error", "warning", "info", "debug"})
      .under(heading);
  command
      .add_flag("--allow-nonfinite", options.allow_nonfinite,
                "exit with 0 where logits or a layer's result are NaN or infinite")
      .under(heading);
  command
      .add_option("--lora-norm-eps", options.lora_norm_eps,
                  "epsilon of the q_a and kv_a norms (default: rms_norm_eps)")
      .under(heading);
}

void require_no(const std::vector<Option>& token_options) {
  for (const Option& option : token_options) {
    if (!option.is_given()) continue;
    throw InvalidArgument(fmt::format("--layer takes no {}, has one", option.name()));
  }
}

}  // namespace

void add_generate_command(const Command& program) {
  auto options = std::make_shared<GenerateOptions>();
  const Command command = program.add_command(
      "generate",
      "Continue a prompt of token ids, or run one layer alone.\n\n"
      "Prints token ids as they come, then the time to the first token, tokens per second and "
      "memory. Everything is checked before device memory is taken, and files are written whole or "
      "not at all.");
  command.add_option("MODEL", options->model, "directory with config.json and safetensors")
      .required();
  const std::vector<Option> token_options = add_token_options(command, *options);
  add_layer_options(command, *options);
  add_engine_options(command, *options);
  command
      .add_option("--timeout", options->timeout_seconds,
                  "Seconds after which the command ends, done or not (exit code 124)")
      .positive();
  command.set_device_action([options, token_options] {
    // Not before the device is chosen: a timer outlives the start of this program for the emulated device, and its
    // signal would end one that does not handle it yet.
    if (options->timeout_seconds > 0) end_process_after(options->timeout_seconds);
    if (options->layer) require_no(token_options);
    run_generate(*options);
    return 0;
  });
}

}  // namespace slipstream::cli
