#include "cli/record.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>

#include "cli/child_process.h"
#include "cli/exit_code.h"
#include "cli/record_folder.h"
#include "pdl/device_fallback.h"
#include "slipstream/error.h"

namespace slipstream::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* kRecorder = "libslipstream_recorder.so";
constexpr const char* kLaunches = "launches.json";

// The recorder, next to the emulated device's libraries.
fs::path recorder() {
  fs::path library = fs::path(emulator_directory()) / kRecorder;
  std::error_code ignored;
  if (fs::exists(library, ignored)) return library;
  throw Error("the recorder needs " + library.string() + ", which is not there");
}

// Every process has written a file of its own: that of the only one gets the name without a number.
std::vector<fs::path> launches_files(const fs::path& folder) {
  std::vector<fs::path> result;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".json") result.push_back(entry.path());
  }
  if (result.size() != 1) return result;
  const fs::path plain = folder / kLaunches;
  fs::rename(result.front(), plain);
  return {plain};
}

int record_program(const RecordOptions& options) {
  const fs::path folder = fs::absolute(options.folder);
  const fs::path library = recorder();
  const RecordFolder recorded(folder.string());
  fs::create_directory(folder / "code");
  setenv("CUDA_INJECTION64_PATH", library.c_str(), /*overwrite=*/1);
  setenv("SLIPSTREAM_RECORD", folder.c_str(), /*overwrite=*/1);
  const EndOfChild end = run_program(options.program, options.timeout_seconds);
  const std::vector<fs::path> files = launches_files(folder);
  if (files.empty()) {
    std::fprintf(stderr,
                 "slipstream record: the program launched nothing that could be recorded%s\n",
                 end.timed_out ? ": --timeout is over" : "");
    return end.timed_out ? kTimedOut : kCannot;
  }
  for (const fs::path& file : files) {
    std::fprintf(stderr, "slipstream record: now run: slipstream check %s --launches %s\n",
                 (fs::path(options.folder) / "code").c_str(),
                 (fs::path(options.folder) / file.filename()).c_str());
  }
  return end.timed_out ? kTimedOut : recorded.exit_code(end.exit_code);
}

}  // namespace

int run_record(const RecordOptions& options) {
  try {
    return record_program(options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "slipstream record: %s\n", error.what());
    return kCannot;
  }
}

void add_record_command(const cli::Command& program) {
  const cli::Command command = program.add_command(
      "record",
      "Run a CUDA program on the GPU and note what it launches: which kernels with the PDL "
      "attribute, which of them share memory, and the code that was really loaded. `check` then "
      "knows what a binary does not say:\n\n"
      "  slipstream record --output recorded -- python serve.py\n"
      "  slipstream check recorded/code --launches recorded/launches.json\n\n"
      "Needs CUPTI (libcupti.so of the CUDA toolkit, or of the package nvidia-cuda-cupti). Each "
      "process of the program writes a file of its own when it ends. Without a GPU: slipstream "
      "emulate --record.");
  auto options = std::make_shared<RecordOptions>();
  command.add_option("--output", options->folder, "A new folder for what was recorded")
      .default_in_help();
  command
      .add_option("--timeout", options->timeout_seconds,
                  "Seconds after which the program is ended (exit code 124)")
      .positive();
  command.add_program(options->program);
  command.set_action([options] { return run_record(*options); });
}

}  // namespace slipstream::cli
