#include <gtest/gtest.h>

#include "emulator/instructions/lane_program.h"

namespace slipstream::emulator::launch_test {
namespace {

CudaError refusal(TestDevice& test, KernelLaunch launch) {
  try {
    test.device.submit(std::move(launch));
  } catch (const LaunchError& error) {
    EXPECT_NE(std::string(error.what()).find("kernel"), std::string::npos) << error.what();
    return error.error;
  }
  return CudaError::kSuccess;
}

class Launch : public testing::Test {
 protected:
  TestDevice test_{module_of("", "ret;")};
};

TEST_F(Launch, RefusesIllegalShapes) {
  EXPECT_EQ(refusal(test_, test_.launch({}, {1, 1, 1}, {1025, 1, 1})), CudaError::kInvalidValue);
  EXPECT_EQ(refusal(test_, test_.launch({}, {0, 1, 1})), CudaError::kInvalidValue);
  EXPECT_EQ(refusal(test_, test_.launch({}, {1, 65536, 1})), CudaError::kInvalidValue);
  EXPECT_EQ(refusal(test_, test_.launch({}, {1, 1, 1}, {1, 1, 65})), CudaError::kInvalidValue);
  EXPECT_EQ(refusal(test_, test_.launch({}, {65536, 1, 1}, {1024, 1, 1})), CudaError::kSuccess);
}
TEST_F(Launch, NeedsAnAttributeForLargeSharedMemory) {
  auto launch = test_.launch({});
  launch.dynamic_shared_bytes = 49 * 1024;
  EXPECT_EQ(refusal(test_, launch), CudaError::kInvalidValue);
  launch.max_dynamic_shared_bytes = 64 * 1024;
  EXPECT_EQ(refusal(test_, launch), CudaError::kSuccess);
  launch.max_dynamic_shared_bytes = 228 * 1024;
  launch.dynamic_shared_bytes = 228 * 1024;
  EXPECT_EQ(refusal(test_, launch), CudaError::kInvalidValue);
}
TEST_F(Launch, ChecksClusters) {
  auto launch = test_.launch({}, {6, 1, 1});
  launch.cluster = {4, 1, 1};
  EXPECT_EQ(refusal(test_, launch), CudaError::kInvalidClusterSize);
  launch.cluster = {2, 1, 1};
  EXPECT_EQ(refusal(test_, launch), CudaError::kSuccess);
  launch.grid = {16, 1, 1};
  launch.cluster = {16, 1, 1};
  EXPECT_EQ(refusal(test_, launch), CudaError::kInvalidClusterSize);
  launch.non_portable_cluster = true;
  EXPECT_EQ(refusal(test_, launch), CudaError::kSuccess);
}
TEST_F(Launch, RefusesACooperativeGridThatDoesNotFit) {
  auto launch = test_.launch({}, {132 * 2 + 1, 1, 1}, {1024, 1, 1});
  launch.cooperative = true;
  EXPECT_EQ(refusal(test_, launch), CudaError::kCooperativeLaunchTooLarge);
  launch.grid.x = 132 * 2;
  EXPECT_EQ(refusal(test_, launch), CudaError::kSuccess);
}
TEST_F(Launch, NeedsAllParameters) {
  TestDevice test(module_of(".param .u64 a", "ret;"));
  EXPECT_EQ(refusal(test, test.launch({})), CudaError::kInvalidValue);
}

TEST(UnsupportedInstruction, FailsAtTheLaunchOfItsKernelOnly) {
  TestDevice test(R"(.version 9.0
.target sm_90a
.address_size 64
.visible .entry good() { ret; }
.visible .entry bad() {
  .reg .f32 %f<4>;
  .loc 1 42 7
  add.rn.sideways.f32 %f1, %f2, %f3;
  ret;
}
.file 1 "exotic.cu"
)");
  EXPECT_FALSE(test.run(test.launch({}, {}, {32, 1, 1}, "good")));
  try {
    test.device.submit(test.launch({}, {}, {32, 1, 1}, "bad"));
    FAIL() << "an unknown modifier was ignored";
  } catch (const LaunchError& error) {
    const std::string message = error.what();
    EXPECT_EQ(error.error, CudaError::kNotSupported);
    EXPECT_NE(message.find("kernel bad"), std::string::npos) << message;
    EXPECT_NE(message.find("exotic.cu:42:7"), std::string::npos) << message;
    EXPECT_NE(message.find("add.rn.sideways.f32 %f1, %f2, %f3;"), std::string::npos) << message;
  }
}

}  // namespace
}  // namespace slipstream::emulator::launch_test
