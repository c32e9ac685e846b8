#include "pdl/device_fallback.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <vector>

namespace slipstream {
namespace {

constexpr int kUsageError = 2;
constexpr const char* kRuntimeLibrary = "libcudart.so.13";
constexpr const char* kRestarted = "SLIPSTREAM_RESTARTED";

enum class Device { kGpu, kEmulated };

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

[[noreturn]] void fail(const std::string& message) {
  std::fprintf(stderr, "slipstream: %s\n", message.c_str());
  std::exit(kUsageError);
}

Device wanted_device() {
  const std::string setting = environment("SLIPSTREAM_DEVICE");
  if (setting.empty()) return machine_has_gpu() ? Device::kGpu : Device::kEmulated;
  if (setting == "gpu") return Device::kGpu;
  if (setting == "emulated") return Device::kEmulated;
  fail("SLIPSTREAM_DEVICE must be gpu or emulated, it is '" + setting + "'");
}

std::vector<std::string_view> split(std::string_view list) {
  std::vector<std::string_view> parts;
  while (!list.empty()) {
    const size_t colon = list.find(':');
    parts.push_back(list.substr(0, colon));
    list = colon == std::string_view::npos ? std::string_view() : list.substr(colon + 1);
  }
  return parts;
}

// The dynamic linker reads the library path once, at the start: only a fresh process sees a new
// one. Where it ignores the path, as for a program with capabilities, the fresh process would start
// again and again: the mark says that this process was started so already. Children of it have another
// number, and may.
[[noreturn]] void restart(const std::string& library_path, int argc, char** argv) {
  const std::string self = std::to_string(getpid());
  if (environment(kRestarted) == self) {
    fail(
        "the dynamic linker must take LD_LIBRARY_PATH from the environment, it does not: the "
        "program "
        "may have capabilities or belong to another user");
  }
  setenv(kRestarted, self.c_str(), /*overwrite=*/1);
  setenv("LD_LIBRARY_PATH", library_path.c_str(), /*overwrite=*/1);
  std::vector<char*> arguments(argv, argv + argc);
  arguments.push_back(nullptr);
  execv("/proc/self/exe", arguments.data());
  fail(std::string("cannot start the program again for the emulated device: ") +
       std::strerror(errno));
}

}  // namespace

std::string emulator_directory() {
  const std::filesystem::path prefix =
      std::filesystem::read_symlink("/proc/self/exe").parent_path().parent_path();
  const std::filesystem::path installed = prefix / "lib/slipstream/emulator";
  return (std::filesystem::exists(installed) ? installed : prefix / "emulator").string();
}

std::string problem_with_emulator(const std::string& directory) {
  if (directory.find(':') != std::string::npos) {
    return "the emulated device's folder must have no ':' in its name, which separates the parts "
           "of "
           "LD_LIBRARY_PATH, is " +
           directory;
  }
  std::error_code ignored;
  if (!std::filesystem::exists(std::filesystem::path(directory) / kRuntimeLibrary, ignored)) {
    return "the emulated device needs " + directory + "/" + kRuntimeLibrary +
           ", which is not there";
  }
  return {};
}

bool machine_has_gpu() {
  std::error_code ignored;
  const std::filesystem::directory_iterator gpus("/proc/driver/nvidia/gpus", ignored);
  if (!ignored && gpus != std::filesystem::directory_iterator()) return true;
  return std::filesystem::exists("/dev/nvidia0", ignored) ||
         std::filesystem::exists("/dev/dxg", ignored);  // the GPU of a Windows host
}

std::string library_path_without(const std::string& library_path, const std::string& directory) {
  std::string result;
  for (const std::string_view part : split(library_path)) {
    if (part == directory) continue;
    if (!result.empty()) result += ':';
    result += part;
  }
  return result;
}

std::string library_path_with(const std::string& library_path, const std::string& directory) {
  const std::string others = library_path_without(library_path, directory);
  return others.empty() ? directory : directory + ":" + others;
}

void choose_device(int argc, char** argv) {
  const std::string directory = emulator_directory();
  const std::string now = environment("LD_LIBRARY_PATH");
  const bool emulated_now = split(now + ":").front() == directory;
  if (wanted_device() == Device::kGpu) {
    if (emulated_now) restart(library_path_without(now, directory), argc, argv);
    // All kernels before the first launch, side by side. Loaded one by one when they are first used, their code lies where
    // it happens to: a decode step then takes up to 1 % more or less from build to build.
    setenv("CUDA_MODULE_LOADING", "EAGER", /*overwrite=*/0);
    return;
  }
  if (emulated_now) return;
  const std::string problem = problem_with_emulator(directory);
  if (!problem.empty()) fail(problem);
  const bool forced = !environment("SLIPSTREAM_DEVICE").empty();
  std::fprintf(stderr, "slipstream: %s, running on the emulated device\n",
               forced ? "SLIPSTREAM_DEVICE=emulated" : "this machine has no NVIDIA GPU");
  restart(library_path_with(now, directory), argc, argv);
}

}  // namespace slipstream
