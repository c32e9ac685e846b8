// Runs the kernels of faults.cu, broken and repaired, each in a process of its own, and reads what
// the emulated device says.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "run_program.h"

namespace {

Outcome run_faults(const std::string& name, const std::string& variant) {
  return run_emulated("", fmt::format("{} {} {}", FAULTS_PROGRAM, name, variant));
}

// "faults.cu:12" for the line that ends in `mark`.
std::string line_marked(const std::string& mark) {
  std::ifstream source(FAULTS_SOURCE);
  std::string line;
  for (int number = 1; std::getline(source, line); ++number) {
    if (line.ends_with("// " + mark)) return fmt::format("faults.cu:{}:", number);
  }
  return "no line is marked " + mark;
}

struct FaultCase {
  std::string name;
  std::string error;               // what cudaDeviceSynchronize answers
  std::vector<std::string> parts;  // of the report
};

class FaultReport : public testing::TestWithParam<FaultCase> {};

TEST_P(FaultReport, NamesTheLineOfTheBrokenKernel) {
  const Outcome outcome = run_faults(GetParam().name, "broken");
  EXPECT_TRUE(outcome.exited_well) << outcome.text;
  EXPECT_TRUE(contains(outcome.text, "launch cudaSuccess, finish " + GetParam().error + "\n"));
  EXPECT_TRUE(contains(outcome.text, line_marked("BUG: " + GetParam().name)));
  for (const std::string& part : GetParam().parts) EXPECT_TRUE(contains(outcome.text, part));
}

TEST_P(FaultReport, IsSilentAboutTheRepairedKernel) {
  const Outcome outcome = run_faults(GetParam().name, "repaired");
  EXPECT_TRUE(outcome.exited_well);
  EXPECT_EQ(outcome.text, "launch cudaSuccess, finish cudaSuccess\n");
}

INSTANTIATE_TEST_SUITE_P(
    Kernels, FaultReport,
    testing::Values(
        FaultCase{"out_of_bounds",
                  "cudaErrorIllegalAddress",
                  {"out_of_bounds", "cudaMalloc #1", "(63, 0, 0)"}},
        FaultCase{"misaligned", "cudaErrorMisalignedAddress", {"misaligned", "(0, 0, 0)"}},
        FaultCase{"use_after_free", "cudaErrorIllegalAddress", {"cudaMalloc #2"}},
        FaultCase{"uninitialized", "cudaSuccess", {"cudaMalloc #2", "(5, 0, 0)"}},
        FaultCase{"shared_out_of_bounds", "cudaErrorIllegalAddress", {"(63, 0, 0)"}},
        FaultCase{"deadlock", "cudaErrorLaunchTimeout", {"barrier 1"}},
        FaultCase{"divergent_barrier", "cudaErrorIllegalInstruction", {"divergent_barrier"}},
        FaultCase{"exited_barrier", "cudaSuccess", {"lanes 0x0000001f of warp 0 have exited"}},
        FaultCase{"exited_shuffle", "cudaSuccess", {"lane 0 reads the value of lane 16"}},
        FaultCase{"trap", "cudaErrorLaunchFailure", {"(3, 0, 0)"}},
        FaultCase{"inlined", "cudaErrorIllegalAddress", {"inlined at"}}),
    [](const testing::TestParamInfo<FaultCase>& info) { return info.param.name; });

TEST(FaultReport, NamesTheCallOfAnInlinedFunction) {
  const Outcome outcome = run_faults("inlined", "broken");
  EXPECT_TRUE(contains(outcome.text, line_marked("CALL: inlined")));
}

TEST(LaunchCheck, WantsTheAttributeForLargeSharedMemory) {
  const Outcome broken = run_faults("large_shared", "broken");
  EXPECT_TRUE(contains(broken.text, "launch cudaErrorInvalidValue, finish cudaSuccess\n"));
  EXPECT_TRUE(contains(broken.text, "cudaFuncSetAttribute"));
  EXPECT_EQ(run_faults("large_shared", "repaired").text,
            "launch cudaSuccess, finish cudaSuccess\n");
}

TEST(LaunchCheck, RefusesAnIllegalShape) {
  const Outcome broken = run_faults("illegal_shape", "broken");
  EXPECT_TRUE(contains(broken.text, "launch cudaErrorInvalidValue, finish cudaSuccess\n"));
  EXPECT_TRUE(contains(broken.text, "1025"));
  EXPECT_EQ(run_faults("illegal_shape", "repaired").text,
            "launch cudaSuccess, finish cudaSuccess\n");
}

}  // namespace
