// `--timeout` of `slipstream generate`, run as a program of its own on the emulated device.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "cli/child_process.h"
#include "cli/exit_code.h"
#include "tests/model/support/tiny_files.h"

namespace slipstream::cli {
namespace {

int exit_code_of_generate(const std::string& timeout) {
  setenv("SLIPSTREAM_DEVICE", "emulated", 1);
  unsetenv("LD_LIBRARY_PATH");
  unsetenv("SLIPSTREAM_RESTARTED");
  const std::string program =
      std::filesystem::read_symlink("/proc/self/exe").parent_path() / "slipstream";
  return run_program({program, "generate", model::test::tiny_checkpoint("deepseek-v32-tiny"),
                      "--prompt-ids", "1", "-n", "500", "--ignore-eos", "--timeout", timeout},
                     /*timeout_seconds=*/60)
      .exit_code;
}

// It may be over before the program has started itself again for the emulated device.
TEST(GenerateTimeout, EndsTheCommandWhenItIsOverAtOnceOrAfterAWhile) {
  for (const char* seconds : {"0.001", "0.002", "0.004", "0.008", "0.016", "1"}) {
    EXPECT_EQ(exit_code_of_generate(seconds), kTimedOut) << seconds;
  }
}

}  // namespace
}  // namespace slipstream::cli
