// The `slipstream` program. Every command has a file with its name.
#include <cstdlib>
#include <string>

#include "cli/bench_decode.h"
#include "cli/bench_ops.h"
#include "cli/check.h"
#include "cli/command.h"
#include "cli/demo.h"
#include "cli/emulate.h"
#include "cli/exit_code.h"
#include "cli/generate.h"
#include "cli/info.h"
#include "cli/litmus.h"
#include "cli/record.h"
#include "pdl/device_fallback.h"
#include "slipstream/launch.h"
#include "slipstream/version.h"

// What CLI11 throws here is a mistake in the options themselves: the program ends.
int main(int argc, char** argv) {  // NOLINT(bugprone-exception-escape)
  const slipstream::cli::CommandLine line(
      "Slipstream: low-latency decode of DeepSeek-V3.2 and GLM-5, kernels chained by programmatic "
      "dependent launch (PDL), an emulated CUDA device, and a checker for PDL races.");
  line.set_version(std::string("slipstream ") + slipstream::version() + " (" +
                   slipstream::commit() + ")");
  line.set_preparation([&](bool runs_kernels) {
    if (runs_kernels) slipstream::choose_device(argc, argv);
    // Nonsense in SLIPSTREAM_PDL is refused by commands that never ask for it, too.
    static_cast<void>(slipstream::pdl::enabled(nullptr));
  });
  const slipstream::cli::Command program = line.program();
  program.require_command();
  slipstream::cli::add_info_command(program);
  slipstream::cli::add_demo_command(program);
  const slipstream::cli::Command bench =
      program.add_command("bench", "Measure on this machine's GPU");
  bench.require_command();
  slipstream::cli::add_bench_ops_command(bench);
  slipstream::cli::add_bench_decode_command(bench);
  slipstream::cli::add_generate_command(program);
  slipstream::cli::add_emulate_command(program);
  slipstream::cli::add_record_command(program);
  slipstream::cli::add_check_command(program);
  slipstream::cli::add_litmus_command(program);
  const int code = line.run(argc, argv);
  // What a device that hangs still has to do would be waited for as the program goes.
  if (code == slipstream::cli::kDevice) std::_Exit(code);
  return code;
}
