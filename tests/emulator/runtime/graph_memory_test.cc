// Graph nodes that allocate memory, and conditional ones. Everything here holds on a GPU as well.
#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "kernels.h"

namespace slipstream::runtime_test {
namespace {

constexpr size_t kBytes = 4 * sizeof(int);

class GraphNodeTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(cudaMalloc(&values_, kBytes), cudaSuccess);
    ASSERT_EQ(cudaMemset(values_, 0, kBytes), cudaSuccess);
    ASSERT_EQ(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), cudaSuccess);
    ASSERT_EQ(cudaGraphCreate(&graph_, 0), cudaSuccess);
    ASSERT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  }

  void TearDown() override {
    if (exec_ != nullptr) {
      EXPECT_EQ(cudaGraphExecDestroy(exec_), cudaSuccess);
    }
    EXPECT_EQ(cudaGraphDestroy(graph_), cudaSuccess);
    EXPECT_EQ(cudaStreamDestroy(stream_), cudaSuccess);
    EXPECT_EQ(cudaFree(values_), cudaSuccess);
    cudaGetLastError();
  }

  // Adds `addend` to `values[index]`.
  static cudaGraphNode_t add_node(cudaGraph_t graph, int* values, int index, int addend,
                                  const std::vector<cudaGraphNode_t>& after) {
    std::array<void*, 3> arguments = {&values, &index, &addend};
    return kernel_node(graph, reinterpret_cast<void*>(add), arguments.data(), after);
  }
  // Counts values[0] down, and sets the condition to what is left.
  static cudaGraphNode_t count_down_node(cudaGraph_t graph, int* values,
                                         cudaGraphConditionalHandle handle) {
    std::array<void*, 2> arguments = {&values, &handle};
    return kernel_node(graph, reinterpret_cast<void*>(count_down), arguments.data(), {});
  }
  static cudaGraphNode_t set_condition_node(cudaGraph_t graph, const int* values,
                                            cudaGraphConditionalHandle handle) {
    std::array<void*, 2> arguments = {&values, &handle};
    return kernel_node(graph, reinterpret_cast<void*>(set_condition), arguments.data(), {});
  }
  static cudaGraphNode_t kernel_node(cudaGraph_t graph, void* kernel, void** arguments,
                                     const std::vector<cudaGraphNode_t>& after) {
    cudaKernelNodeParams parameters{};
    parameters.func = kernel;
    parameters.gridDim = dim3(1);
    parameters.blockDim = dim3(1);
    parameters.kernelParams = arguments;
    cudaGraphNode_t node = nullptr;
    EXPECT_EQ(cudaGraphAddKernelNode(&node, graph, after.data(), after.size(), &parameters),
              cudaSuccess);
    return node;
  }

  cudaGraphNode_t allocation_node(int** pointer) {
    cudaMemAllocNodeParams parameters{};
    parameters.poolProps.allocType = cudaMemAllocationTypePinned;
    parameters.poolProps.location.type = cudaMemLocationTypeDevice;
    parameters.bytesize = kBytes;
    cudaGraphNode_t node = nullptr;
    EXPECT_EQ(cudaGraphAddMemAllocNode(&node, graph_, nullptr, 0, &parameters), cudaSuccess);
    *pointer = static_cast<int*>(parameters.dptr);
    return node;
  }
  cudaGraphNode_t fill_node(int* values, cudaGraphNode_t after) {
    cudaMemsetParams fill{};
    fill.dst = values;
    fill.elementSize = 1;
    fill.value = 0;
    fill.width = kBytes;
    fill.height = 1;
    cudaGraphNode_t node = nullptr;
    EXPECT_EQ(cudaGraphAddMemsetNode(&node, graph_, &after, 1, &fill), cudaSuccess);
    return node;
  }
  cudaGraphNode_t copy_node(int* to, const int* from, cudaGraphNode_t after) {
    cudaGraphNode_t node = nullptr;
    EXPECT_EQ(cudaGraphAddMemcpyNode1D(&node, graph_, &after, 1, to, from, kBytes,
                                       cudaMemcpyDeviceToDevice),
              cudaSuccess);
    return node;
  }

  // The bodies of a new conditional node.
  std::vector<cudaGraph_t> conditional(cudaGraphConditionalHandle handle,
                                       cudaGraphConditionalNodeType type, unsigned int bodies,
                                       const std::vector<cudaGraphNode_t>& after) {
    cudaGraphNodeParams parameters{};
    parameters.type = cudaGraphNodeTypeConditional;
    parameters.conditional.handle = handle;
    parameters.conditional.type = type;
    parameters.conditional.size = bodies;
    cudaGraphNode_t node = nullptr;
    EXPECT_EQ(cudaGraphAddNode(&node, graph_, after.data(), nullptr, after.size(), &parameters),
              cudaSuccess);
    return {parameters.conditional.phGraph_out, parameters.conditional.phGraph_out + bodies};
  }
  cudaGraphConditionalHandle condition(unsigned int value) {
    cudaGraphConditionalHandle handle{};
    EXPECT_EQ(cudaGraphConditionalHandleCreate(&handle, graph_, value, cudaGraphCondAssignDefault),
              cudaSuccess);
    return handle;
  }

  void instantiate(unsigned long long flags = 0) {
    ASSERT_EQ(cudaGraphInstantiate(&exec_, graph_, flags), cudaSuccess);
  }
  void launch() {
    ASSERT_EQ(cudaGraphLaunch(exec_, stream_), cudaSuccess);
    ASSERT_EQ(cudaStreamSynchronize(stream_), cudaSuccess);
  }
  std::vector<int> read(const int* values) {
    std::vector<int> host(4);
    EXPECT_EQ(cudaMemcpy(host.data(), values, kBytes, cudaMemcpyDeviceToHost), cudaSuccess);
    return host;
  }
  void write(const std::array<int, 4>& values) {
    ASSERT_EQ(cudaMemcpy(values_, values.data(), kBytes, cudaMemcpyHostToDevice), cudaSuccess);
  }

  int* values_ = nullptr;
  cudaStream_t stream_ = nullptr;
  cudaGraph_t graph_ = nullptr;
  cudaGraphExec_t exec_ = nullptr;
};

TEST_F(GraphNodeTest, UsesMemoryThatItAllocates) {
  int* inner = nullptr;
  const cudaGraphNode_t allocated = allocation_node(&inner);
  const cudaGraphNode_t filled = fill_node(inner, allocated);
  const cudaGraphNode_t added = add_node(graph_, inner, 1, 7, {filled});
  const cudaGraphNode_t copied = copy_node(values_, inner, added);
  cudaGraphNode_t freed = nullptr;
  ASSERT_EQ(cudaGraphAddMemFreeNode(&freed, graph_, &copied, 1, inner), cudaSuccess);
  instantiate();
  launch();
  launch();
  EXPECT_EQ(read(values_), (std::vector<int>{0, 7, 0, 0}));
}

TEST_F(GraphNodeTest, IsNotLaunchedAgainWhileItsMemoryIsInUse) {
  int* inner = nullptr;
  const cudaGraphNode_t allocated = allocation_node(&inner);
  fill_node(inner, allocated);
  instantiate();
  launch();
  EXPECT_EQ(read(inner), (std::vector<int>{0, 0, 0, 0}));
  EXPECT_EQ(cudaGraphLaunch(exec_, stream_), cudaErrorInvalidValue);
  ASSERT_EQ(cudaFreeAsync(inner, stream_), cudaSuccess);
  launch();
  ASSERT_EQ(cudaFree(inner), cudaSuccess);
}

TEST_F(GraphNodeTest, FreesItsMemoryItselfIfToldTo) {
  int* inner = nullptr;
  const cudaGraphNode_t allocated = allocation_node(&inner);
  add_node(graph_, inner, 0, 5, {fill_node(inner, allocated)});
  instantiate(cudaGraphInstantiateFlagAutoFreeOnLaunch);
  launch();
  launch();
  EXPECT_EQ(read(inner)[0], 5);
  ASSERT_EQ(cudaFree(inner), cudaSuccess);
}

TEST_F(GraphNodeTest, CapturesStreamOrderedAllocations) {
  ASSERT_EQ(cudaGraphDestroy(graph_), cudaSuccess);
  ASSERT_EQ(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), cudaSuccess);
  void* inner = nullptr;
  ASSERT_EQ(cudaMallocAsync(&inner, kBytes, stream_), cudaSuccess);
  ASSERT_EQ(cudaMemsetAsync(inner, 1, kBytes, stream_), cudaSuccess);
  ASSERT_EQ(cudaMemcpyAsync(values_, inner, kBytes, cudaMemcpyDeviceToDevice, stream_),
            cudaSuccess);
  ASSERT_EQ(cudaFreeAsync(inner, stream_), cudaSuccess);
  ASSERT_EQ(cudaStreamEndCapture(stream_, &graph_), cudaSuccess);
  instantiate();
  launch();
  launch();
  EXPECT_EQ(read(values_)[3], 0x01010101);
}

TEST_F(GraphNodeTest, RunsABodyIfTheConditionHolds) {
  const auto handle = condition(0);
  const auto bodies =
      conditional(handle, cudaGraphCondTypeIf, 2, {set_condition_node(graph_, values_, handle)});
  add_node(bodies[0], values_, 1, 1, {});
  add_node(bodies[1], values_, 2, 1, {});
  instantiate();
  write({1, 0, 0, 0});
  launch();
  write({0, 5, 5, 0});
  launch();
  EXPECT_EQ(read(values_), (std::vector<int>{0, 5, 6, 0}));
}

TEST_F(GraphNodeTest, RunsABodyWhileTheConditionHolds) {
  const auto handle = condition(1);
  const auto bodies = conditional(handle, cudaGraphCondTypeWhile, 1, {});
  const cudaGraphNode_t counted = count_down_node(bodies[0], values_, handle);
  add_node(bodies[0], values_, 1, 3, {counted});
  instantiate();
  for (const int times : {4, 2}) {
    write({times, 0, 0, 0});
    launch();
    EXPECT_EQ(read(values_), (std::vector<int>{0, 3 * times, 0, 0}));
  }
}

TEST_F(GraphNodeTest, RunsTheBodyThatTheConditionNames) {
  const auto handle = condition(0);
  const auto bodies = conditional(handle, cudaGraphCondTypeSwitch, 3,
                                  {set_condition_node(graph_, values_, handle)});
  for (int i = 0; i < 3; ++i) add_node(bodies[i], values_, 1, 10 + i, {});
  instantiate();
  write({2, 0, 0, 0});
  launch();
  EXPECT_EQ(read(values_)[1], 12);
  write({3, 0, 0, 0});
  launch();
  EXPECT_EQ(read(values_)[1], 0) << "no body has that number";
}

TEST_F(GraphNodeTest, CapturesABody) {
  const auto handle = condition(1);
  const auto bodies = conditional(handle, cudaGraphCondTypeWhile, 1, {});
  ASSERT_EQ(cudaStreamBeginCaptureToGraph(stream_, bodies[0], nullptr, nullptr, 0,
                                          cudaStreamCaptureModeThreadLocal),
            cudaSuccess);
  launch_count_down(stream_, values_, handle);
  launch_add(stream_, values_, 1, 2);
  ASSERT_EQ(cudaStreamEndCapture(stream_, nullptr), cudaSuccess) << "the program has the graph";
  instantiate();
  write({3, 0, 0, 0});
  launch();
  EXPECT_EQ(read(values_), (std::vector<int>{0, 6, 0, 0}));
}

TEST_F(GraphNodeTest, OutlivesAStreamThatItsCaptureJoined) {
  ASSERT_EQ(cudaGraphDestroy(graph_), cudaSuccess);
  cudaStream_t other = nullptr;
  cudaEvent_t event = nullptr;
  ASSERT_EQ(cudaStreamCreateWithFlags(&other, cudaStreamNonBlocking), cudaSuccess);
  ASSERT_EQ(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), cudaSuccess);
  ASSERT_EQ(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), cudaSuccess);
  ASSERT_EQ(cudaEventRecord(event, stream_), cudaSuccess);
  ASSERT_EQ(cudaStreamWaitEvent(other, event), cudaSuccess);
  launch_add(other, values_, 0, 4);
  ASSERT_EQ(cudaEventRecord(event, other), cudaSuccess);
  ASSERT_EQ(cudaStreamWaitEvent(stream_, event), cudaSuccess);
  ASSERT_EQ(cudaStreamDestroy(other), cudaSuccess);
  ASSERT_EQ(cudaStreamEndCapture(stream_, &graph_), cudaSuccess);
  ASSERT_EQ(cudaEventDestroy(event), cudaSuccess);
  instantiate();
  launch();
  EXPECT_EQ(read(values_)[0], 4);
}

TEST_F(GraphNodeTest, RefusesAWrongNumberOfBodies) {
  cudaGraphNodeParams parameters{};
  parameters.type = cudaGraphNodeTypeConditional;
  parameters.conditional.handle = condition(0);
  parameters.conditional.type = cudaGraphCondTypeWhile;
  parameters.conditional.size = 2;
  cudaGraphNode_t node = nullptr;
  EXPECT_EQ(cudaGraphAddNode(&node, graph_, nullptr, nullptr, 0, &parameters),
            cudaErrorInvalidValue);
}

}  // namespace
}  // namespace slipstream::runtime_test
