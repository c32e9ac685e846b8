// CUDA graphs, by hand and by capture. Everything here holds on a GPU as well.
#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "kernels.h"

namespace slipstream::runtime_test {
namespace {

class GraphTest : public testing::Test {
 protected:
  static constexpr int kCount = 4;

  void SetUp() override {
    ASSERT_EQ(cudaMalloc(&values_, (kCount + 1) * sizeof(int)), cudaSuccess);
    ASSERT_EQ(cudaMemset(values_, 0, (kCount + 1) * sizeof(int)), cudaSuccess);
    ASSERT_EQ(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), cudaSuccess);
    ASSERT_EQ(cudaStreamCreateWithFlags(&other_, cudaStreamNonBlocking), cudaSuccess);
    ASSERT_EQ(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming), cudaSuccess);
    ASSERT_EQ(cudaGraphCreate(&graph_, 0), cudaSuccess);
    ASSERT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  }

  void TearDown() override {
    if (exec_ != nullptr) {
      EXPECT_EQ(cudaGraphExecDestroy(exec_), cudaSuccess);
    }
    EXPECT_EQ(cudaGraphDestroy(graph_), cudaSuccess);
    EXPECT_EQ(cudaEventDestroy(event_), cudaSuccess);
    EXPECT_EQ(cudaStreamDestroy(other_), cudaSuccess);
    EXPECT_EQ(cudaStreamDestroy(stream_), cudaSuccess);
    EXPECT_EQ(cudaFree(values_), cudaSuccess);
    cudaGetLastError();
  }

  cudaKernelNodeParams add_parameters(int& index, int& addend) {
    arguments_ = {&values_, &index, &addend};
    cudaKernelNodeParams parameters{};
    parameters.func = reinterpret_cast<void*>(add);
    parameters.gridDim = dim3(1);
    parameters.blockDim = dim3(1);
    parameters.kernelParams = arguments_.data();
    return parameters;
  }

  cudaGraphNode_t add_node(int index, int addend, const std::vector<cudaGraphNode_t>& after) {
    const cudaKernelNodeParams parameters = add_parameters(index, addend);
    cudaGraphNode_t node = nullptr;
    EXPECT_EQ(cudaGraphAddKernelNode(&node, graph_, after.data(), after.size(), &parameters),
              cudaSuccess);
    return node;
  }

  void instantiate() { ASSERT_EQ(cudaGraphInstantiate(&exec_, graph_, 0), cudaSuccess); }

  void launch() {
    ASSERT_EQ(cudaGraphLaunch(exec_, stream_), cudaSuccess);
    ASSERT_EQ(cudaStreamSynchronize(stream_), cudaSuccess);
  }

  std::vector<int> values() {
    std::vector<int> host(kCount + 1);
    EXPECT_EQ(cudaMemcpy(host.data(), values_, host.size() * sizeof(int), cudaMemcpyDeviceToHost),
              cudaSuccess);
    return host;
  }

  // Takes the place of the empty graph.
  void capture_end(cudaStream_t stream) {
    ASSERT_EQ(cudaGraphDestroy(graph_), cudaSuccess);
    ASSERT_EQ(cudaStreamEndCapture(stream, &graph_), cudaSuccess);
  }

  size_t node_count() {
    size_t count = 0;
    EXPECT_EQ(cudaGraphGetNodes(graph_, nullptr, &count), cudaSuccess);
    return count;
  }

  int* values_ = nullptr;
  std::array<void*, 3> arguments_{};
  cudaStream_t stream_ = nullptr;
  cudaStream_t other_ = nullptr;
  cudaEvent_t event_ = nullptr;
  cudaGraph_t graph_ = nullptr;
  cudaGraphExec_t exec_ = nullptr;
};

TEST_F(GraphTest, RunsNodesOfEveryKindInOrder) {
  cudaMemsetParams fill{};
  fill.dst = values_;
  fill.elementSize = 4;
  fill.value = 5;
  fill.width = kCount;
  fill.height = 1;
  cudaGraphNode_t filled = nullptr;
  ASSERT_EQ(cudaGraphAddMemsetNode(&filled, graph_, nullptr, 0, &fill), cudaSuccess);
  cudaGraphNode_t joined = nullptr;
  const std::array<cudaGraphNode_t, 2> added = {add_node(0, 10, {filled}),
                                                add_node(1, 20, {filled})};
  ASSERT_EQ(cudaGraphAddEmptyNode(&joined, graph_, added.data(), added.size()), cudaSuccess);
  cudaGraphNode_t copied = nullptr;
  ASSERT_EQ(cudaGraphAddMemcpyNode1D(&copied, graph_, &joined, 1, values_ + 2, values_,
                                     2 * sizeof(int), cudaMemcpyDeviceToDevice),
            cudaSuccess);
  int calls = 0;
  cudaHostNodeParams host{};
  host.fn = [](void* data) { ++*static_cast<int*>(data); };
  host.userData = &calls;
  cudaGraphNode_t called = nullptr;
  ASSERT_EQ(cudaGraphAddHostNode(&called, graph_, &copied, 1, &host), cudaSuccess);
  instantiate();
  launch();
  EXPECT_EQ(values(), (std::vector<int>{15, 25, 15, 25, 0}));
  EXPECT_EQ(calls, 1);
  launch();
  EXPECT_EQ(calls, 2);
}

TEST_F(GraphTest, TellsTheTypesOfItsNodes) {
  const cudaGraphNode_t node = add_node(0, 1, {});
  cudaGraphNodeType type{};
  ASSERT_EQ(cudaGraphNodeGetType(node, &type), cudaSuccess);
  EXPECT_EQ(type, cudaGraphNodeTypeKernel);
  cudaGraphNode_t empty = nullptr;
  ASSERT_EQ(cudaGraphAddEmptyNode(&empty, graph_, &node, 1), cudaSuccess);
  ASSERT_EQ(cudaGraphNodeGetType(empty, &type), cudaSuccess);
  EXPECT_EQ(type, cudaGraphNodeTypeEmpty);
  size_t roots = 1;
  cudaGraphNode_t root = nullptr;
  ASSERT_EQ(cudaGraphGetRootNodes(graph_, &root, &roots), cudaSuccess);
  EXPECT_EQ(root, node);
}

TEST_F(GraphTest, ChangesAKernelsParametersInTheExecutable) {
  const cudaGraphNode_t node = add_node(0, 1, {});
  instantiate();
  int index = 2;
  int addend = 30;
  const cudaKernelNodeParams parameters = add_parameters(index, addend);
  ASSERT_EQ(cudaGraphExecKernelNodeSetParams(exec_, node, &parameters), cudaSuccess);
  launch();
  EXPECT_EQ(values(), (std::vector<int>{0, 0, 30, 0, 0}));
}

TEST_F(GraphTest, DisablesANode) {
  const cudaGraphNode_t first = add_node(0, 1, {});
  add_node(1, 1, {first});
  instantiate();
  ASSERT_EQ(cudaGraphNodeSetEnabled(exec_, first, 0), cudaSuccess);
  launch();
  EXPECT_EQ(values(), (std::vector<int>{0, 1, 0, 0, 0}));
}

TEST_F(GraphTest, RunsAChildGraph) {
  add_node(0, 3, {});
  cudaGraph_t parent = nullptr;
  ASSERT_EQ(cudaGraphCreate(&parent, 0), cudaSuccess);
  cudaGraphNode_t first = nullptr;
  cudaGraphNode_t second = nullptr;
  ASSERT_EQ(cudaGraphAddChildGraphNode(&first, parent, nullptr, 0, graph_), cudaSuccess);
  ASSERT_EQ(cudaGraphAddChildGraphNode(&second, parent, &first, 1, graph_), cudaSuccess);
  ASSERT_EQ(cudaGraphDestroy(graph_), cudaSuccess);
  graph_ = parent;
  instantiate();
  launch();
  EXPECT_EQ(values()[0], 6);
}

TEST_F(GraphTest, IsNotTouchedByLaterChangesOnceInstantiated) {
  const cudaGraphNode_t node = add_node(0, 1, {});
  instantiate();
  add_node(1, 1, {node});
  launch();
  EXPECT_EQ(values(), (std::vector<int>{1, 0, 0, 0, 0}));
}

TEST_F(GraphTest, RefusesACircle) {
  const cudaGraphNode_t first = add_node(0, 1, {});
  const cudaGraphNode_t second = add_node(1, 1, {first});
  if (cudaGraphAddDependencies(graph_, &second, &first, nullptr, 1) == cudaSuccess) {
    EXPECT_EQ(cudaGraphInstantiate(&exec_, graph_, 0), cudaErrorInvalidValue);
    exec_ = nullptr;
  }
}

TEST_F(GraphTest, AddsAndRemovesEdges) {
  const cudaGraphNode_t first = add_node(0, 1, {});
  const cudaGraphNode_t second = add_node(1, 1, {});
  ASSERT_EQ(cudaGraphAddDependencies(graph_, &first, &second, nullptr, 1), cudaSuccess);
  size_t count = 0;
  ASSERT_EQ(cudaGraphGetEdges(graph_, nullptr, nullptr, nullptr, &count), cudaSuccess);
  EXPECT_EQ(count, 1U);
  ASSERT_EQ(cudaGraphRemoveDependencies(graph_, &first, &second, nullptr, 1), cudaSuccess);
  ASSERT_EQ(cudaGraphGetEdges(graph_, nullptr, nullptr, nullptr, &count), cudaSuccess);
  EXPECT_EQ(count, 0U);
}

TEST_F(GraphTest, GivesBackTheDataOfAnEdge) {
  const cudaGraphNode_t first = add_node(0, 1, {});
  const cudaGraphNode_t second = add_node(1, 1, {});
  cudaGraphEdgeData edge{};
  edge.from_port = cudaGraphKernelNodePortProgrammatic;
  edge.type = cudaGraphDependencyTypeProgrammatic;
  ASSERT_EQ(cudaGraphAddDependencies(graph_, &first, &second, &edge, 1), cudaSuccess);
  cudaGraphNode_t node = nullptr;
  cudaGraphEdgeData read{};
  size_t count = 1;
  EXPECT_EQ(cudaGraphNodeGetDependencies(second, &node, nullptr, &count), cudaErrorLossyQuery);
  count = 1;
  ASSERT_EQ(cudaGraphNodeGetDependencies(second, &node, &read, &count), cudaSuccess);
  EXPECT_EQ(node, first);
  EXPECT_EQ(read.type, cudaGraphDependencyTypeProgrammatic);
  EXPECT_EQ(read.from_port, cudaGraphKernelNodePortProgrammatic);
}

TEST_F(GraphTest, RefusesAProgrammaticEdgeThatIsNotBetweenKernels) {
  const cudaGraphNode_t kernel = add_node(0, 1, {});
  cudaGraphNode_t empty = nullptr;
  ASSERT_EQ(cudaGraphAddEmptyNode(&empty, graph_, nullptr, 0), cudaSuccess);
  cudaGraphEdgeData edge{};
  edge.from_port = cudaGraphKernelNodePortProgrammatic;
  edge.type = cudaGraphDependencyTypeProgrammatic;
  EXPECT_EQ(cudaGraphAddDependencies(graph_, &kernel, &empty, &edge, 1), cudaErrorInvalidValue);
}

TEST_F(GraphTest, CapturesAForkAndAJoin) {
  ASSERT_EQ(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), cudaSuccess);
  launch_add(stream_, values_, 0, 1);
  ASSERT_EQ(cudaEventRecord(event_, stream_), cudaSuccess);
  ASSERT_EQ(cudaStreamWaitEvent(other_, event_, 0), cudaSuccess);
  launch_add(other_, values_, 1, 2);
  launch_add(stream_, values_, 2, 3);
  ASSERT_EQ(cudaEventRecord(event_, other_), cudaSuccess);
  ASSERT_EQ(cudaStreamWaitEvent(stream_, event_, 0), cudaSuccess);
  launch_sum(stream_, values_, kCount);
  capture_end(stream_);
  EXPECT_EQ(node_count(), 4U);
  size_t edges = 0;
  ASSERT_EQ(cudaGraphGetEdges(graph_, nullptr, nullptr, nullptr, &edges), cudaSuccess);
  EXPECT_EQ(edges, 4U);
  EXPECT_EQ(values(), (std::vector<int>{0, 0, 0, 0, 0}));  // nothing ran
  instantiate();
  launch();
  EXPECT_EQ(values(), (std::vector<int>{1, 2, 3, 0, 6}));
}

TEST_F(GraphTest, CapturesAJoinWithTheAttributeAsProgrammaticEdges) {
  ASSERT_EQ(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), cudaSuccess);
  ASSERT_EQ(cudaEventRecord(event_, stream_), cudaSuccess);
  ASSERT_EQ(cudaStreamWaitEvent(other_, event_, 0), cudaSuccess);
  launch_add(other_, values_, 1, 2);
  launch_add(stream_, values_, 2, 3);
  ASSERT_EQ(cudaEventRecord(event_, other_), cudaSuccess);
  ASSERT_EQ(cudaStreamWaitEvent(stream_, event_, 0), cudaSuccess);
  cudaLaunchAttribute attribute{};
  attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  attribute.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t configuration{};
  configuration.gridDim = dim3(1);
  configuration.blockDim = dim3(1);
  configuration.stream = stream_;
  configuration.attrs = &attribute;
  configuration.numAttrs = 1;
  ASSERT_EQ(cudaLaunchKernelEx(&configuration, sum, values_, kCount), cudaSuccess);
  capture_end(stream_);
  std::array<cudaGraphNode_t, 2> from{};
  std::array<cudaGraphNode_t, 2> to{};
  std::array<cudaGraphEdgeData, 2> edges{};
  size_t count = edges.size();
  ASSERT_EQ(cudaGraphGetEdges(graph_, from.data(), to.data(), edges.data(), &count), cudaSuccess);
  ASSERT_EQ(count, 2U);
  for (const cudaGraphEdgeData& edge : edges) {
    EXPECT_EQ(edge.type, cudaGraphDependencyTypeProgrammatic);
    EXPECT_EQ(edge.from_port, cudaGraphKernelNodePortProgrammatic);
  }
}

TEST_F(GraphTest, RefusesToEndACaptureThatIsNotJoined) {
  ASSERT_EQ(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), cudaSuccess);
  ASSERT_EQ(cudaEventRecord(event_, stream_), cudaSuccess);
  ASSERT_EQ(cudaStreamWaitEvent(other_, event_, 0), cudaSuccess);
  launch_add(other_, values_, 1, 2);
  cudaGraph_t none = nullptr;
  EXPECT_EQ(cudaStreamEndCapture(stream_, &none), cudaErrorStreamCaptureUnjoined);
}

TEST_F(GraphTest, RefusesToWaitForACapturedStream) {
  ASSERT_EQ(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), cudaSuccess);
  launch_add(stream_, values_, 0, 1);
  EXPECT_EQ(cudaStreamSynchronize(stream_), cudaErrorStreamCaptureUnsupported);
  cudaStreamCaptureStatus status{};
  ASSERT_EQ(cudaStreamIsCapturing(stream_, &status), cudaSuccess);
  EXPECT_EQ(status, cudaStreamCaptureStatusInvalidated);
  cudaGraph_t none = nullptr;
  EXPECT_EQ(cudaStreamEndCapture(stream_, &none), cudaErrorStreamCaptureInvalidated);
}

TEST_F(GraphTest, RefusesToWaitForAnEventOfACaptureThatHasEnded) {
  ASSERT_EQ(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), cudaSuccess);
  launch_add(stream_, values_, 0, 1);
  ASSERT_EQ(cudaEventRecord(event_, stream_), cudaSuccess);
  capture_end(stream_);
  EXPECT_EQ(cudaEventSynchronize(event_), cudaErrorInvalidValue);
  EXPECT_NE(cudaStreamWaitEvent(other_, event_, 0), cudaSuccess);
  launch_add(other_, values_, 1, 2);  // not captured
  ASSERT_EQ(cudaStreamSynchronize(other_), cudaSuccess);
  EXPECT_EQ(values(), (std::vector<int>{0, 2, 0, 0, 0}));
}

TEST_F(GraphTest, EndsACaptureWithItsStream) {
  cudaStream_t passing = nullptr;
  ASSERT_EQ(cudaStreamCreateWithFlags(&passing, cudaStreamNonBlocking), cudaSuccess);
  ASSERT_EQ(cudaStreamBeginCapture(passing, cudaStreamCaptureModeGlobal), cudaSuccess);
  EXPECT_EQ(cudaStreamDestroy(passing), cudaSuccess);
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
}

TEST_F(GraphTest, UpdatesTheExecutableFromAGraphOfTheSameShape) {
  const auto capture = [&](int addend) {
    ASSERT_EQ(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), cudaSuccess);
    launch_add(stream_, values_, 0, addend);
    launch_add(stream_, values_, 1, addend);
    capture_end(stream_);
  };
  capture(1);
  instantiate();
  capture(10);
  cudaGraphExecUpdateResultInfo info{};
  ASSERT_EQ(cudaGraphExecUpdate(exec_, graph_, &info), cudaSuccess);
  launch();
  EXPECT_EQ(values(), (std::vector<int>{10, 10, 0, 0, 0}));
}

TEST_F(GraphTest, SaysWhyItCannotBeUpdated) {
  const cudaGraphNode_t first = add_node(0, 1, {});
  instantiate();
  add_node(1, 1, {first});
  cudaGraphExecUpdateResultInfo info{};
  EXPECT_EQ(cudaGraphExecUpdate(exec_, graph_, &info), cudaErrorGraphExecUpdateFailure);
  EXPECT_EQ(info.result, cudaGraphExecUpdateErrorTopologyChanged);
}

TEST_F(GraphTest, LaunchesInTheOrderOfItsStream) {
  add_node(0, 1, {});
  instantiate();
  ASSERT_EQ(cudaMemsetAsync(values_, 0, sizeof(int), stream_), cudaSuccess);
  for (int i = 0; i < 5; ++i) ASSERT_EQ(cudaGraphLaunch(exec_, stream_), cudaSuccess);
  launch_sum(stream_, values_, kCount);
  ASSERT_EQ(cudaStreamSynchronize(stream_), cudaSuccess);
  EXPECT_EQ(values()[kCount], 5);
}

}  // namespace
}  // namespace slipstream::runtime_test
