// Graphs of nodes with the driver's general parameters.
#include <cuda.h>

#include <array>
#include <vector>

#include "driver_test.h"

namespace slipstream::driver_test {
namespace {

class Graphs : public LoadedModule {
 protected:
  void SetUp() override {
    LoadedModule::SetUp();
    ASSERT_EQ(cuGraphCreate(&graph_, 0), CUDA_SUCCESS);
  }
  void TearDown() override {
    if (exec_ != nullptr) {
      EXPECT_EQ(cuGraphExecDestroy(exec_), CUDA_SUCCESS);
    }
    EXPECT_EQ(cuGraphDestroy(graph_), CUDA_SUCCESS);
    LoadedModule::TearDown();
  }

  CUgraphNodeParams adding(uint32_t& amount) {
    arguments_ = {&values_, &amount};
    CUgraphNodeParams parameters{};
    parameters.type = CU_GRAPH_NODE_TYPE_KERNEL;
    parameters.kernel.func = add_;
    parameters.kernel.gridDimX = parameters.kernel.gridDimY = parameters.kernel.gridDimZ = 1;
    parameters.kernel.blockDimX = kThreads;
    parameters.kernel.blockDimY = parameters.kernel.blockDimZ = 1;
    parameters.kernel.kernelParams = arguments_.data();
    return parameters;
  }

  CUgraphNode node(CUgraphNodeParams parameters, std::vector<CUgraphNode> after) {
    CUgraphNode made = nullptr;
    EXPECT_EQ(cuGraphAddNode(&made, graph_, after.data(), nullptr, after.size(), &parameters),
              CUDA_SUCCESS);
    return made;
  }

  void instantiate() {
    CUDA_GRAPH_INSTANTIATE_PARAMS parameters{};
    ASSERT_EQ(cuGraphInstantiateWithParams(&exec_, graph_, &parameters), CUDA_SUCCESS);
    EXPECT_EQ(parameters.result_out, CUDA_GRAPH_INSTANTIATE_SUCCESS);
  }

  void launch() {
    EXPECT_EQ(cuGraphLaunch(exec_, nullptr), CUDA_SUCCESS);
    EXPECT_EQ(cuCtxSynchronize(), CUDA_SUCCESS);
  }

  std::array<void*, 2> arguments_{};
  CUgraph graph_ = nullptr;
  CUgraphExec exec_ = nullptr;
};

TEST_F(Graphs, RunTheirNodesInOrder) {
  CUgraphNodeParams fill{};
  fill.type = CU_GRAPH_NODE_TYPE_MEMSET;
  fill.memset.dst = values_;
  fill.memset.value = 20;
  fill.memset.elementSize = 4;
  fill.memset.width = kThreads;
  fill.memset.height = 1;
  uint32_t amount = 3;
  const CUgraphNode first = node(fill, {});
  const CUgraphNode second = node(adding(amount), {first});
  size_t count = 0;
  ASSERT_EQ(cuGraphGetEdges(graph_, nullptr, nullptr, nullptr, &count), CUDA_SUCCESS);
  ASSERT_EQ(count, 1U);
  CUgraphNode from = nullptr;
  CUgraphNode to = nullptr;
  CUgraphEdgeData edge{};
  ASSERT_EQ(cuGraphGetEdges(graph_, &from, &to, &edge, &count), CUDA_SUCCESS);
  EXPECT_EQ(from, first);
  EXPECT_EQ(to, second);
  instantiate();
  launch();
  EXPECT_EQ(values(), all(23));
}

TEST_F(Graphs, TakeOtherParametersWhenTheyAreExecutable) {
  uint32_t amount = 3;
  const CUgraphNode only = node(adding(amount), {});
  instantiate();
  uint32_t other = 40;
  CUgraphNodeParams parameters = adding(other);
  ASSERT_EQ(cuGraphExecNodeSetParams(exec_, only, &parameters), CUDA_SUCCESS);
  launch();
  EXPECT_EQ(values(), all(45));
  ASSERT_EQ(cuGraphNodeSetEnabled(exec_, only, 0), CUDA_SUCCESS);
  launch();
  EXPECT_EQ(values(), all(45));
}

TEST_F(Graphs, HaveConditionalNodesWithBodies) {
  CUgraphConditionalHandle handle{};
  ASSERT_EQ(
      cuGraphConditionalHandleCreate(&handle, graph_, context_, 1, CU_GRAPH_COND_ASSIGN_DEFAULT),
      CUDA_SUCCESS);
  CUgraphNodeParams choice{};
  choice.type = CU_GRAPH_NODE_TYPE_CONDITIONAL;
  choice.conditional.handle = handle;
  choice.conditional.type = CU_GRAPH_COND_TYPE_IF;
  choice.conditional.size = 1;
  choice.conditional.ctx = context_;
  CUgraphNode made = nullptr;
  ASSERT_EQ(cuGraphAddNode(&made, graph_, nullptr, nullptr, 0, &choice), CUDA_SUCCESS);
  ASSERT_NE(choice.conditional.phGraph_out, nullptr);
  uint32_t amount = 4;
  CUgraphNodeParams parameters = adding(amount);
  CUgraphNode inner = nullptr;
  ASSERT_EQ(
      cuGraphAddNode(&inner, choice.conditional.phGraph_out[0], nullptr, nullptr, 0, &parameters),
      CUDA_SUCCESS);
  instantiate();
  launch();
  EXPECT_EQ(values(), all(9));
}

TEST_F(Graphs, AreUpdatedFromOthersOfTheirShape) {
  uint32_t amount = 1;
  node(adding(amount), {});
  instantiate();
  CUgraph other = nullptr;
  ASSERT_EQ(cuGraphCreate(&other, 0), CUDA_SUCCESS);
  std::swap(graph_, other);
  uint32_t more = 10;
  node(adding(more), {});
  CUgraphExecUpdateResultInfo info{};
  ASSERT_EQ(cuGraphExecUpdate(exec_, graph_, &info), CUDA_SUCCESS);
  launch();
  EXPECT_EQ(values(), all(15));
  EXPECT_EQ(cuGraphDestroy(other), CUDA_SUCCESS);
}

}  // namespace
}  // namespace slipstream::driver_test
