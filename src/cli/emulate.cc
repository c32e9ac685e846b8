#include "cli/emulate.h"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>

#include "check/report/race_report.h"
#include "cli/json_output.h"
#include "pdl/device_fallback.h"
#include "slipstream/error.h"

namespace slipstream::cli {
namespace {

constexpr int kRaces = 1;
constexpr int kUsageError = 2;
constexpr int kNothingChecked = 2;
constexpr int kEndedBySignal = 128;  // plus its number, as in a shell
constexpr int kCannotRun = 127;      // what a shell answers for a command it cannot start

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
  set_variable("SLIPSTREAM_EMULATOR_DEVICES", text_of(options.devices));
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

[[nodiscard]] int replace_by_program(const EmulateOptions& options) {
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

// --- The race check: the program writes what it finds into a file, and this process reads it.

// A file that exists as long as this object.
class TemporaryFile {
 public:
  TemporaryFile() : path_(std::filesystem::temp_directory_path() / "slipstream-races-XXXXXX") {
    const int descriptor = mkstemp(path_.data());
    if (descriptor >= 0) close(descriptor);
  }
  ~TemporaryFile() { unlink(path_.c_str()); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string text() const {
    std::ifstream file(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }

 private:
  std::string path_;
};

// The exit code of the program, run as a child of this process.
int run_program(const EmulateOptions& options) {
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) _exit(replace_by_program(options));
  int status = 0;
  while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (child < 0) return kCannotRun;
  return WIFSIGNALED(status) ? kEndedBySignal + WTERMSIG(status) : WEXITSTATUS(status);
}

int run_checked(const EmulateOptions& options) {
  const JsonOutput json(options.json_file);
  const TemporaryFile file;
  set_variable("SLIPSTREAM_EMULATOR_CHECK", file.path());
  const int exit_code = run_program(options);
  const check::RaceReport report = check::read_races(file.text());
  // Standard output is the program's: the text goes to standard error.
  if (json.prints_text()) std::fputs(check::race_text(report).c_str(), stderr);
  if (json.wanted()) json.write(check::race_json(report));
  const bool strict = options.fail_on == "warning";
  if (check::has_races(report, strict ? check::Severity::kWarning : check::Severity::kError)) {
    return kRaces;
  }
  if (exit_code == 0 && report.grids == 0) {
    fmt::print(stderr, "slipstream emulate: the program ran no kernel on the emulated device\n");
    return kNothingChecked;
  }
  return exit_code;
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
  if (!options.check_races) return replace_by_program(options);
  try {
    JsonOutput(options.json_file).require_writable();
    return run_checked(options);
  } catch (const Error& error) {
    std::fprintf(stderr, "slipstream emulate: %s\n", error.what());
    return kNothingChecked;
  }
}

void add_emulate_command(const cli::Command& program) {
  const cli::Command command = program.add_command(
      "emulate",
      "Run a CUDA program on the emulated device; it must use the shared CUDA runtime.\n\n"
      "With --check, accesses to global memory that nothing orders are reported: kernels that "
      "read, write or overwrite what an earlier kernel, copy or fill may still touch, and threads "
      "of one kernel that lack a barrier or a fence. Order is what the wait of dependent grids, "
      "streams, events, graphs, barriers, fences and atomics promise, so one run shows what any "
      "run could do wrong on the paths it takes. Compile with -lineinfo for source lines. Exit "
      "code 1: races.\n\n"
      "  slipstream emulate --check -- ./program arguments\n"
      "  slipstream emulate --check --schedule adversarial --seed 7 -- ./program\n\n"
      "The second command also makes wrong values appear. A comment on a line of source, or on "
      "the line above, allows it to race:\n"
      "  // slipstream-check: allow race: every thread writes the same constant");
  auto options = std::make_shared<EmulateOptions>();
  command.add_option("--devices", options->devices, "Devices, numbered from 0").between(1, 16);
  command.add_option("--sms", options->multiprocessors, "Multiprocessors of each device")
      .between(1, 4096);
  command.add_option("--seed", options->seed, "Seed of the adversarial schedule");
  command.add_option("--schedule", options->schedule, "How dependent grids overlap")
      .one_of({"serial", "overlapped", "adversarial"});
  command.add_option("--threads", options->threads, "Host threads, 0 for one per core")
      .between(0, 4096);
  command.add_option("--report", options->report_file, "Also append reports to this file");
  const cli::Option check =
      command.add_flag("--check", options->check_races, "Report races in global memory");
  command.add_option("--fail-on", options->fail_on, "Exit with 1 from this severity on")
      .one_of({"warning", "error"})
      .default_in_help();
  command.add_flag("--stats", options->statistics, "Print instruction counts at the end");
  command.add_option("program", options->program, "Program and its arguments, after --").required();
  command.add_json_option(options->json_file, "the races").needs(check);
  command.set_action([options] { return run_emulate(*options); });
}

}  // namespace slipstream::cli
