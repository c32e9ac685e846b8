#include "cli/emulate.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>

#include "cli/device_fallback.h"

namespace slipstream {
namespace {

constexpr int kUsageError = 2;
constexpr int kCannotRun = 127;  // what a shell answers for a command it cannot start

void set_variable(const char* name, const std::string& value) {
  if (!value.empty()) setenv(name, value.c_str(), /*overwrite=*/1);
}

template <class Number>
std::string text_of(const std::optional<Number>& number) {
  return number.has_value() ? std::to_string(*number) : std::string();
}

void set_environment(const EmulateOptions& options, const std::string& directory) {
  const char* library_path = std::getenv("LD_LIBRARY_PATH");
  set_variable("LD_LIBRARY_PATH",
               library_path_with(library_path == nullptr ? "" : library_path, directory));
  set_variable("SLIPSTREAM_DEVICE", "emulated");
  set_variable("SLIPSTREAM_EMULATOR_SMS", text_of(options.multiprocessors));
  set_variable("SLIPSTREAM_EMULATOR_SEED", text_of(options.seed));
  set_variable("SLIPSTREAM_EMULATOR_THREADS", text_of(options.threads));
  set_variable("SLIPSTREAM_EMULATOR_SCHEDULE", options.schedule);
  set_variable("SLIPSTREAM_EMULATOR_REPORT", options.report_file);
  if (options.statistics) set_variable("SLIPSTREAM_EMULATOR_STATS", "1");
}

// nvcc links the runtime statically unless told otherwise; such a program never asks for the
// emulator's.
void warn_of_static_runtime(const std::string& program) {
  std::ifstream file(program, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const bool is_elf = bytes.starts_with(
      "\x7f"
      "ELF");
  const bool has_kernels = bytes.find("__nv_module_id") != std::string::npos;
  if (!is_elf || !has_kernels || bytes.find("libcudart.so.13") != std::string::npos) return;
  std::fprintf(stderr,
               "slipstream emulate: %s must use the shared CUDA runtime (nvcc -cudart shared), it "
               "was linked with the static one and will find no device\n",
               program.c_str());
}

}  // namespace

int run_emulate(const EmulateOptions& options) {
  const std::string directory = emulator_directory();
  if (!std::filesystem::exists(std::filesystem::path(directory) / "libcudart.so.13")) {
    std::fprintf(stderr, "slipstream emulate: %s/libcudart.so.13 must exist, it does not\n",
                 directory.c_str());
    return kUsageError;
  }
  warn_of_static_runtime(options.program.front());
  set_environment(options, directory);
  std::vector<char*> arguments;
  for (const std::string& argument : options.program) {
    arguments.push_back(const_cast<char*>(argument.c_str()));
  }
  arguments.push_back(nullptr);
  execvp(arguments.front(), arguments.data());
  std::fprintf(stderr, "slipstream emulate: cannot run '%s': %s\n", arguments.front(),
               std::strerror(errno));
  return kCannotRun;
}

void add_emulate_command(const cli::Command& program) {
  const cli::Command command = program.add_command(
      "emulate", "Run a CUDA program on the emulated device; it must use the shared CUDA runtime");
  auto options = std::make_shared<EmulateOptions>();
  command.add_option("--sms", options->multiprocessors, "Multiprocessors of the device")
      .between(1, 4096);
  command.add_option("--seed", options->seed, "Seed of the adversarial schedule");
  command.add_option("--schedule", options->schedule, "How dependent grids overlap")
      .one_of({"serial", "overlapped", "adversarial"});
  command.add_option("--threads", options->threads, "Host threads, 0 for one per core")
      .between(0, 4096);
  command.add_option("--report", options->report_file, "Also append reports to this file");
  command.add_flag("--stats", options->statistics, "Print instruction counts at the end");
  command.add_option("program", options->program, "Program and its arguments, behind --")
      .required();
  command.set_action([options] { return run_emulate(*options); });
}

}  // namespace slipstream
