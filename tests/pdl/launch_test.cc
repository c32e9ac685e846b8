// The launch layer: what carries the PDL attribute, what the switches do, and what errors say.
#include "slipstream/launch.h"

#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "pdl/device_buffer.h"
#include "pdl/launch_test_kernels.h"
#include "pdl/stream.h"

namespace slipstream::pdl {
namespace {

// The switches are process-wide: put them back.
class Launch : public testing::Test {
 protected:
  void TearDown() override {
    set_enabled(std::nullopt);
    set_stream_enabled(stream_.get(), std::nullopt);
    unsetenv("SLIPSTREAM_PDL");
  }

  // The edge that the second of two captured launches gets.
  cudaGraphEdgeData captured_edge(const KernelDeclaration& second, std::optional<bool> pdl = {}) {
    check_cuda(cudaStreamBeginCapture(stream_.get(), cudaStreamCaptureModeThreadLocal), "capture");
    const LaunchOptions options{.stream = stream_.get(), .pdl = pdl};
    test::launch_add_one(kWaits, options, counter_.data(), 1);
    test::launch_add_one(second, options, counter_.data(), 1);
    cudaGraph_t graph = nullptr;
    check_cuda(cudaStreamEndCapture(stream_.get(), &graph), "end of capture");
    size_t count = 0;
    check_cuda(cudaGraphGetEdges(graph, nullptr, nullptr, nullptr, &count), "count of edges");
    EXPECT_EQ(count, 1U);
    std::vector<cudaGraphNode_t> from(count);
    std::vector<cudaGraphNode_t> to(count);
    std::vector<cudaGraphEdgeData> data(count);
    check_cuda(cudaGraphGetEdges(graph, from.data(), to.data(), data.data(), &count), "edges");
    check_cuda(cudaGraphDestroy(graph), "destroy");
    return data.at(0);
  }

  bool programmatic(const KernelDeclaration& second, std::optional<bool> pdl = {}) {
    const cudaGraphEdgeData edge = captured_edge(second, pdl);
    EXPECT_EQ(edge.from_port, edge.type == cudaGraphDependencyTypeProgrammatic
                                  ? cudaGraphKernelNodePortProgrammatic
                                  : cudaGraphKernelNodePortDefault);
    return edge.type == cudaGraphDependencyTypeProgrammatic;
  }

  // Where a captured launch's clusters go.
  cudaClusterSchedulingPolicy captured_policy(bool balances_clusters) {
    check_cuda(cudaStreamBeginCapture(stream_.get(), cudaStreamCaptureModeThreadLocal), "capture");
    test::launch_add_one(kWaits, {.stream = stream_.get()}, counter_.data(), 1, 32,
                         balances_clusters);
    cudaGraph_t graph = nullptr;
    check_cuda(cudaStreamEndCapture(stream_.get(), &graph), "end of capture");
    cudaGraphNode_t node = nullptr;
    size_t count = 1;
    check_cuda(cudaGraphGetNodes(graph, &node, &count), "nodes");
    cudaLaunchAttributeValue value{};
    check_cuda(cudaGraphKernelNodeGetAttribute(
                   node, cudaLaunchAttributeClusterSchedulingPolicyPreference, &value),
               "attribute of a node");
    check_cuda(cudaGraphDestroy(graph), "destroy");
    return value.clusterSchedulingPolicyPreference;
  }

  static constexpr KernelDeclaration kWaits{
      .name = "add_one", .symbol = "add_one_kernel", .waits = true, .fields = {}};
  static constexpr KernelDeclaration kDoesNotWait{
      .name = "add_one_unordered", .symbol = "add_one_kernel", .waits = false, .fields = {}};

  Stream stream_;
  DeviceBuffer counter_{sizeof(int)};
};

TEST_F(Launch, KeepsProgrammaticEdgesInCapturedGraphs) { EXPECT_TRUE(programmatic(kWaits)); }

TEST_F(Launch, NeverGivesTheAttributeToAKernelThatDoesNotWait) {
  EXPECT_FALSE(programmatic(kDoesNotWait));
  EXPECT_FALSE(programmatic(kDoesNotWait, true));
}

TEST_F(Launch, BalancesClustersWhereItIsAskedTo) {
  EXPECT_EQ(captured_policy(true), cudaClusterSchedulingPolicyLoadBalancing);
  EXPECT_EQ(captured_policy(false), cudaClusterSchedulingPolicyDefault);
}

TEST_F(Launch, IsSwitchedOffByTheEnvironment) {
  setenv("SLIPSTREAM_PDL", "0", 1);
  EXPECT_FALSE(programmatic(kWaits));
  setenv("SLIPSTREAM_PDL", "1", 1);
  EXPECT_TRUE(programmatic(kWaits));
}

TEST_F(Launch, RejectsAnyOtherValueOfTheEnvironment) {
  setenv("SLIPSTREAM_PDL", "yes", 1);
  try {
    (void)enabled(stream_.get());
    FAIL() << "not rejected";
  } catch (const InvalidArgument& error) {
    EXPECT_STREQ(error.what(), "SLIPSTREAM_PDL must be 0 or 1, is \"yes\"");
  }
}

TEST_F(Launch, PrefersTheProcessSwitchToTheEnvironment) {
  setenv("SLIPSTREAM_PDL", "0", 1);
  set_enabled(true);
  EXPECT_TRUE(programmatic(kWaits));
  set_enabled(false);
  EXPECT_FALSE(programmatic(kWaits));
}

TEST_F(Launch, PrefersTheStreamsSwitchToTheProcessSwitch) {
  set_enabled(false);
  set_stream_enabled(stream_.get(), true);
  EXPECT_TRUE(programmatic(kWaits));
  set_stream_enabled(stream_.get(), std::nullopt);
  EXPECT_FALSE(programmatic(kWaits));
}

TEST_F(Launch, PrefersTheCallsSwitchToAllOthers) {
  set_stream_enabled(stream_.get(), true);
  EXPECT_FALSE(programmatic(kWaits, false));
  set_stream_enabled(stream_.get(), false);
  EXPECT_TRUE(programmatic(kWaits, true));
}

TEST_F(Launch, KnowsThatHopperSupportsPdl) {
  int device = 0;
  check_cuda(cudaGetDevice(&device), "device");
  int major = 0;
  check_cuda(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device), "major");
  EXPECT_EQ(supports_pdl(), major >= 9);
  EXPECT_EQ(supports_pdl(device), major >= 9);
}

TEST_F(Launch, SaysWhichDeviceIsMissing) {
  try {
    (void)supports_pdl(1000);
    FAIL() << "not rejected";
  } catch (const CudaError& error) {
    EXPECT_NE(std::string(error.what()).find("device 1000"), std::string::npos) << error.what();
  }
}

TEST_F(Launch, RejectsDefaultStreams) {
  for (cudaStream_t stream : {cudaStream_t{}, cudaStreamLegacy, cudaStreamPerThread}) {
    try {
      test::launch_add_one(kWaits, {.stream = stream}, counter_.data(), 1);
      FAIL() << "not rejected";
    } catch (const InvalidArgument& error) {
      EXPECT_NE(std::string(error.what()).find("kernel add_one: stream must be one made by"),
                std::string::npos)
          << error.what();
    }
  }
}

TEST_F(Launch, TakesADefaultStreamThatIsMeant) {
  constexpr int kLaunches = 20;
  for (cudaStream_t stream : {cudaStream_t{}, cudaStreamLegacy, cudaStreamPerThread}) {
    for (const bool pdl : {false, true}) {
      check_cuda(cudaMemset(counter_.data(), 0, sizeof(int)), "memset");
      check_cuda(cudaDeviceSynchronize(), "synchronize");
      const LaunchOptions options{.stream = stream, .pdl = pdl, .default_stream_allowed = true};
      for (int i = 0; i < kLaunches; ++i) test::launch_add_one(kWaits, options, counter_.data(), 1);
      check_cuda(cudaStreamSynchronize(stream), "synchronize");
      int value = -1;
      counter_.copy_to_host(&value, sizeof(value));
      EXPECT_EQ(value, kLaunches);
    }
  }
}

TEST_F(Launch, NamesTheKernelThatACaptureKeepsOffTheDefaultStream) {
  cudaStream_t captured = nullptr;  // blocking, unlike stream_: the legacy stream would wait for it
  check_cuda(cudaStreamCreate(&captured), "create");
  check_cuda(cudaStreamBeginCapture(captured, cudaStreamCaptureModeGlobal), "capture");
  const LaunchOptions options{.stream = nullptr, .default_stream_allowed = true};
  try {
    test::launch_add_one(kWaits, options, counter_.data(), 1);
    ADD_FAILURE() << "not refused";
  } catch (const CudaError& error) {
    EXPECT_EQ(error.code(), cudaErrorStreamCaptureImplicit);
    EXPECT_NE(std::string(error.what()).find("kernel add_one: launch"), std::string::npos)
        << error.what();
  }
  cudaGraph_t graph = nullptr;
  EXPECT_NE(cudaStreamEndCapture(captured, &graph), cudaSuccess);
  (void)cudaGetLastError();
  check_cuda(cudaStreamDestroy(captured), "destroy");
}

TEST_F(Launch, NamesTheKernelAndTheShapeThatTheDeviceRefuses) {
  try {
    test::launch_add_one(kWaits, {.stream = stream_.get()}, counter_.data(), 1, 4096);
    FAIL() << "not rejected";
  } catch (const CudaError& error) {
    const std::string text = error.what();
    EXPECT_NE(text.find("kernel add_one: launch with grid (1, 1, 1), block (4096, 1, 1)"),
              std::string::npos)
        << text;
  }
  EXPECT_EQ(cudaGetLastError(), cudaSuccess) << "the error was reported once";
}

TEST_F(Launch, DoesNothingForAnEmptyGrid) {
  check_cuda(cudaMemset(counter_.data(), 0, sizeof(int)), "memset");
  test::launch_add_one(kWaits, {.stream = stream_.get()}, counter_.data(), 0);
  check_cuda(cudaStreamSynchronize(stream_.get()), "synchronize");
  int value = -1;
  counter_.copy_to_host(&value, sizeof(value));
  EXPECT_EQ(value, 0);
}

TEST_F(Launch, OrdersAChainOfKernels) {
  constexpr int kLaunches = 50;
  for (const bool pdl : {false, true}) {
    check_cuda(cudaMemset(counter_.data(), 0, sizeof(int)), "memset");
    check_cuda(cudaDeviceSynchronize(), "synchronize");
    for (int i = 0; i < kLaunches; ++i) {
      test::launch_add_one(kWaits, {.stream = stream_.get(), .pdl = pdl}, counter_.data(), 1);
    }
    check_cuda(cudaStreamSynchronize(stream_.get()), "synchronize");
    int value = -1;
    counter_.copy_to_host(&value, sizeof(value));
    EXPECT_EQ(value, kLaunches);
  }
}

}  // namespace
}  // namespace slipstream::pdl
