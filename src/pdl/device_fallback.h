// Which device a program of ours runs on: the GPU, or the emulated device when the machine has
// none.
//
// Only the library path decides, so that the program itself knows nothing of the emulator:
// choose_device() starts the same executable again with the folder of the emulator's
// libcudart.so.13 in front of LD_LIBRARY_PATH (or without it).
#pragma once

#include <string>

namespace slipstream {

// Call first in main(), before anything touches CUDA: it may replace the process.
//
// SLIPSTREAM_DEVICE=gpu or emulated forces a device; unset, the emulated one is taken when the
// machine has no NVIDIA GPU, which one line on stderr says. Any other value, or an emulator that is
// not where it belongs or that the dynamic linker does not take, ends the program with exit code 2 and a
// line that says so. Returns when the
// process already has the device it is to run on; on a GPU CUDA_MODULE_LOADING is then EAGER, unless
// it was set.
void choose_device(int argc, char** argv);

// Why the emulated device cannot be used from that folder; empty where it can.
[[nodiscard]] std::string problem_with_emulator(const std::string& directory);

// The folder with the emulator's libcudart.so.13: next to the folder of the running executable,
// `lib/slipstream/emulator` in an install and `emulator` in the build.
[[nodiscard]] std::string emulator_directory();

// True if the kernel driver of an NVIDIA GPU is present and shows at least one.
[[nodiscard]] bool machine_has_gpu();

// `library_path` (a colon-separated list) with `directory` in front exactly once, or without it.
[[nodiscard]] std::string library_path_with(const std::string& library_path,
                                            const std::string& directory);
[[nodiscard]] std::string library_path_without(const std::string& library_path,
                                               const std::string& directory);

}  // namespace slipstream
