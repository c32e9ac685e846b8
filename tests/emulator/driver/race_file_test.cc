// What the race check writes for the command that runs the program.
#include <cuda.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "driver_test.h"

namespace slipstream::driver_test {
namespace {

// 64 threads write one word, by an instruction with a byte that is no UTF-8.
constexpr const char* kRace = R"(
.version 8.0
.target sm_90
.address_size 64

.visible .entry race(.param .u64 word)
{
  .reg .u64 %rd<2>;
  .reg .u32 %r<2>;
  ld.param.u64 %rd1, [word];
  mov.u32 %r1, %tid.x;
  st.global.u32 [%rd1] /* )"
                              "\xff"
                              R"( */, %r1;
  ret;
}
)";

void run_race() {
  CUmodule module = nullptr;
  CUfunction race = nullptr;
  CUdeviceptr word = 0;
  void* parameters[] = {&word};
  const bool done =
      cuModuleLoadData(&module, kRace) == CUDA_SUCCESS &&
      cuModuleGetFunction(&race, module, "race") == CUDA_SUCCESS &&
      cuMemAlloc(&word, 4) == CUDA_SUCCESS &&
      cuLaunchKernel(race, 1, 1, 1, 64, 1, 1, 0, nullptr, parameters, nullptr) == CUDA_SUCCESS &&
      cuCtxSynchronize() == CUDA_SUCCESS;
  std::exit(done ? 0 : 1);
}

using RaceFile = Driver;

TEST_F(RaceFile, IsJsonWhateverBytesAProgramHolds) {
  GTEST_FLAG_SET(death_test_style,
                 "threadsafe");  // another process, which reads the environment anew
  const std::string file = testing::TempDir() + "races-of-any-bytes";
  std::filesystem::remove(file);
  setenv("SLIPSTREAM_EMULATOR_CHECK", file.c_str(), /*overwrite=*/1);
  EXPECT_EXIT(run_race(), testing::ExitedWithCode(0), "");
  unsetenv("SLIPSTREAM_EMULATOR_CHECK");
  std::ifstream races(file);
  const std::string text{std::istreambuf_iterator<char>(races), {}};
  EXPECT_NE(text.find("\\ufffd"), std::string::npos) << text;
  EXPECT_NE(text.find("\"grids\":1"), std::string::npos) << text;
  std::filesystem::remove(file);
}

}  // namespace
}  // namespace slipstream::driver_test
