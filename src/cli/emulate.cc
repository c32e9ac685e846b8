#include "cli/emulate.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <system_error>

#include "check/report/race_report.h"
#include "cli/child_process.h"
#include "cli/exit_code.h"
#include "cli/json_output.h"
#include "cli/memory_file.h"
#include "cli/record_folder.h"
#include "io/appended_file.h"
#include "io/file.h"
#include "pdl/device_fallback.h"
#include "slipstream/error.h"

namespace slipstream::cli {
namespace {

constexpr const char* kRuntimeLibrary = "libcudart.so.13";
// What a program may find elsewhere by a path of its own, as torch does. The last comes first: the loader must find its
// functions before those of NVRTC.
constexpr const char* kPreloaded[] = {"libnvJitLink.so.13", "libcublasLt.so.13", "libcublas.so.13",
                                      kRuntimeLibrary, "libslipstream_cuda.so"};

void set_variable(const char* name, const std::string& value) {
  if (!value.empty()) setenv(name, value.c_str(), /*overwrite=*/1);
}

template <class Number>
std::string text_of(const std::optional<Number>& number) {
  return number.has_value() ? std::to_string(*number) : std::string();
}

// Puts `entry` in front of a list of paths.
void put_in_front(const char* variable, const std::string& entry) {
  const char* list = std::getenv(variable);
  set_variable(variable, library_path_with(list == nullptr ? "" : list, entry));
}

// "emulated" in the folder where a program keeps what it compiles: `variable` names it, or else it is `usual` in `home`.
void set_cache_folder(const char* variable, const char* home, const std::string& usual) {
  const char* const given = std::getenv(variable);
  if (given != nullptr) {
    set_variable(variable, std::string(given) + "/emulated");
  } else if (home != nullptr) {
    set_variable(variable, fmt::format("{}/{}/emulated", home, usual));
  }
}

// Triton takes the driver's library and ptxas from where these say. What it keeps of compiled kernels and launchers is
// machine code for a GPU otherwise, or linked with its driver: what is made here gets a folder of its own.
void set_triton_environment(const std::string& directory) {
  set_variable("TRITON_LIBCUDA_PATH", directory);
  set_variable("TRITON_PTXAS_PATH", directory + "/ptxas");
  set_variable("TRITON_PTXAS_BLACKWELL_PATH",
               directory + "/ptxas");  // Triton 3.9's for every GPU from sm_90 on
  const char* const home = std::getenv("TRITON_HOME");
  set_cache_folder("TRITON_CACHE_DIR", home != nullptr ? home : std::getenv("HOME"),
                   ".triton/cache");
}

// DeepGEMM compiles its kernels to cubins when it first needs them, and keeps them.
void set_deep_gemm_environment(const std::string& directory) {
  set_variable("DG_JIT_NVCC_COMPILER", directory + "/nvcc");
  set_cache_folder("DG_JIT_CACHE_DIR", std::getenv("HOME"), ".deep_gemm");
}

void set_environment(const EmulateOptions& options, const std::string& directory) {
  put_in_front("LD_LIBRARY_PATH", directory);
  set_variable("SLIPSTREAM_DEVICE", "emulated");
  set_triton_environment(directory);
  set_deep_gemm_environment(directory);
  // By its path: a program with torch has NVIDIA's already, under the same name.
  set_variable("SLIPSTREAM_NCCL", directory + "/libnccl.so.2");
  set_variable("SLIPSTREAM_EMULATOR_DEVICES", text_of(options.devices));
  set_variable("SLIPSTREAM_EMULATOR_SMS", text_of(options.multiprocessors));
  set_variable("SLIPSTREAM_EMULATOR_SEED", text_of(options.seed));
  set_variable("SLIPSTREAM_EMULATOR_THREADS", text_of(options.threads));
  set_variable("SLIPSTREAM_EMULATOR_SCHEDULE", options.schedule);
  set_variable("SLIPSTREAM_EMULATOR_UNWRITTEN_READS", options.unwritten_reads);
  set_variable("SLIPSTREAM_EMULATOR_REPORT", options.report_file);
  set_variable("SLIPSTREAM_EMULATOR_RECORD", options.record_folder);
  if (options.statistics) set_variable("SLIPSTREAM_EMULATOR_STATS", "1");
}

// The program's file; empty for what is no file of this name: it may still be one in the PATH, and if
// not, running it says so.
std::string read_program(const std::string& program) {
  std::error_code ignored;
  const bool may_be_read =
      std::filesystem::is_regular_file(program, ignored) && access(program.c_str(), R_OK) == 0;
  return may_be_read ? io::read_file(program) : std::string();
}

// A program that is linked with the runtime finds the emulator's by library path. One that loads it
// later may do so through libraries that know better, as torch's do by their RPATH: it gets the
// emulator's at once, and whoever asks for that name later finds it there. NVRTC's functions must be
// found in the emulator's first.
void preload_unless_linked(const std::string& program_bytes, const std::string& directory) {
  const auto names = [&](const char* library) {
    return program_bytes.find(library) != std::string::npos;
  };
  if (names(kRuntimeLibrary) && !names("libnvrtc.so.")) return;
  for (const char* const library : kPreloaded)
    put_in_front("LD_PRELOAD", directory + "/" + library);
}

// nvcc links the runtime statically unless told otherwise; such a program never asks for the
// emulator's.
void warn_of_static_runtime(const std::string& program, const std::string& bytes) {
  const bool is_elf = bytes.starts_with(
      "\x7f"
      "ELF");
  const bool has_kernels = bytes.find("__nv_module_id") != std::string::npos;
  if (!is_elf || !has_kernels || bytes.find(kRuntimeLibrary) != std::string::npos) return;
  std::fprintf(stderr,
               "slipstream emulate: %s must use the shared CUDA runtime (nvcc -cudart shared), it "
               "was linked with the static one and will find no device\n",
               program.c_str());
}

int timed_out() {
  std::fprintf(stderr, "slipstream emulate: the program was ended: --timeout is over\n");
  return kTimedOut;
}

// --- The race check: the program writes what it finds into a file, and this process reads it.

int run_checked(const EmulateOptions& options) {
  const JsonOutput json(options.json_file);
  const MemoryFile file("slipstream-races");
  set_variable("SLIPSTREAM_EMULATOR_CHECK", file.path());
  const EndOfChild end = run_program(options.program, options.timeout_seconds);
  const check::RaceReport report = check::read_races(file.text());
  // Standard output is the program's: the text goes to standard error.
  if (json.prints_text()) std::fputs(check::race_text(report).c_str(), stderr);
  if (json.wanted()) json.write(check::race_json(report));
  const bool strict = options.fail_on == "warning";
  if (check::has_races(report, strict ? check::Severity::kWarning : check::Severity::kError)) {
    return kFound;
  }
  if (end.timed_out) return timed_out();
  if (end.exit_code == 0 && report.grids == 0) {
    fmt::print(stderr, "slipstream emulate: the program ran no kernel on the emulated device\n");
    return kCannot;
  }
  return end.exit_code;
}

int emulate_program(const EmulateOptions& options) {
  if (options.check_races) return run_checked(options);
  if (options.timeout_seconds == 0 && options.record_folder.empty()) {
    return replace_by_program(options.program);
  }
  const EndOfChild end = run_program(options.program, options.timeout_seconds);
  return end.timed_out ? timed_out() : end.exit_code;
}

}  // namespace

int run_emulate(const EmulateOptions& options) {
  const std::string directory = emulator_directory();
  const std::string problem = problem_with_emulator(directory);
  if (!problem.empty()) {
    std::fprintf(stderr, "slipstream emulate: %s\n", problem.c_str());
    return kCannot;
  }
  try {
    const std::string program_bytes = read_program(options.program.front());
    warn_of_static_runtime(options.program.front(), program_bytes);
    preload_unless_linked(program_bytes, directory);
    set_environment(options, directory);
    if (options.check_races) JsonOutput(options.json_file).require_writable();
    if (!options.report_file.empty()) io::require_appendable(options.report_file);
    if (options.record_folder.empty()) return emulate_program(options);
    const RecordFolder recorded(options.record_folder);
    return recorded.exit_code(emulate_program(options));
  } catch (const Error& error) {
    std::fprintf(stderr, "slipstream emulate: %s\n", error.what());
    return kCannot;
  }
}

void add_emulate_command(const cli::Command& program) {
  const cli::Command command = program.add_command(
      "emulate",
      "Run a CUDA program on the emulated device; it must use the shared CUDA runtime. For Python: "
      "slipstream emulate -- python program.py; torch and Triton find the device, too.\n\n"
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
  command
      .add_option(
          "--unwritten-reads", options->unwritten_reads,
          "Which reads of memory that nobody wrote are reported: those that are used, by default")
      .one_of({"used", "all", "none"});
  command.add_option("--report", options->report_file, "Also append reports to this file");
  command.add_option("--record", options->record_folder,
                     "Note what is launched in this folder, as `slipstream record` does on a GPU; "
                     "each process writes launches.PID.json");
  const cli::Option check =
      command.add_flag("--check", options->check_races, "Report races in global memory");
  command.add_option("--fail-on", options->fail_on, "Exit with 1 from this severity on")
      .one_of({"warning", "error"})
      .default_in_help();
  command.add_flag("--stats", options->statistics, "Print instruction counts at the end");
  command
      .add_option("--timeout", options->timeout_seconds,
                  "Seconds after which the program is ended (exit code 124)")
      .positive();
  command.add_program(options->program);
  command.add_json_option(options->json_file, "the races").needs(check);
  command.set_action([options] { return run_emulate(*options); });
}

}  // namespace slipstream::cli
