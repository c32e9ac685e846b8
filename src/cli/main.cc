// The `slipstream` program. Every command is a function in a file of its own name.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <string_view>

#include "cli/bench_decode.h"
#include "cli/bench_ops.h"
#include "cli/check.h"
#include "cli/device_fallback.h"
#include "cli/emulate.h"
#include "cli/generate.h"
#include "cli/info.h"
#include "cli/litmus.h"

namespace {

// These read files or set up another program's device, and need none themselves.
bool needs_device(int argc, char** argv) {
  const std::string_view command = argc > 1 ? argv[1] : "";
  return command == "info" || command == "bench" || command == "generate" || command == "litmus";
}

int run(int argc, char** argv) {
  if (needs_device(argc, argv)) slipstream::choose_device(argc, argv);
  CLI::App app{
      "Slipstream: low-latency decode of DeepSeek-V3.2 and GLM-5, kernels chained by programmatic "
      "dependent launch (PDL), an emulated CUDA device, and a checker for PDL races."};
  app.require_subcommand(1);
  app.set_version_flag("--version", SLIPSTREAM_VERSION);
  slipstream::cli::add_info_command(app);
  CLI::App* bench = app.add_subcommand("bench", "Measure on this machine's GPU");
  bench->require_subcommand(1);
  slipstream::cli::add_bench_ops_command(*bench);
  slipstream::cli::add_bench_decode_command(*bench);
  slipstream::cli::add_generate_command(app);
  slipstream::add_emulate_command(app);
  slipstream::add_check_command(app);
  slipstream::cli::add_litmus_command(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    static_cast<void>(std::fprintf(stderr, "slipstream: %s\n", error.what()));
  }
  return 1;
}
