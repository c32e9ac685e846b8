// User objects: destroyed when neither the program nor a graph holds them.
#include <cuda.h>

#include "driver_test.h"

namespace slipstream::driver_test {
namespace {

class UserObjects : public Driver {
 protected:
  void SetUp() override {
    Driver::SetUp();
    ASSERT_EQ(cuGraphCreate(&graph_, 0), CUDA_SUCCESS);
    ASSERT_EQ(
        cuUserObjectCreate(&object_, &destroyed_, count_up, 2, CU_USER_OBJECT_NO_DESTRUCTOR_SYNC),
        CUDA_SUCCESS);
  }
  void TearDown() override {
    if (graph_ != nullptr) {
      EXPECT_EQ(cuGraphDestroy(graph_), CUDA_SUCCESS);
    }
    Driver::TearDown();
  }

  void destroy_graph() {
    EXPECT_EQ(cuGraphDestroy(graph_), CUDA_SUCCESS);
    graph_ = nullptr;
  }

  static void count_up(void* value) { ++*static_cast<int*>(value); }
  static void expect_alive(void* value) {
    int& destroyed = *static_cast<int*>(value);
    EXPECT_EQ(destroyed, 0);
    destroyed += 10;
  }

  int destroyed_ = 0;
  CUgraph graph_ = nullptr;
  CUuserObject object_ = nullptr;
};

TEST_F(UserObjects, IsDestroyedWithItsLastReference) {
  EXPECT_EQ(cuUserObjectRetain(object_, 1), CUDA_SUCCESS);
  EXPECT_EQ(cuUserObjectRelease(object_, 2), CUDA_SUCCESS);
  EXPECT_EQ(destroyed_, 0);
  EXPECT_EQ(cuUserObjectRelease(object_, 1), CUDA_SUCCESS);
  EXPECT_EQ(destroyed_, 1);
  EXPECT_EQ(cuUserObjectRelease(object_, 1), CUDA_ERROR_INVALID_VALUE);
}

TEST_F(UserObjects, MovesIntoAGraph) {
  ASSERT_EQ(cuGraphRetainUserObject(graph_, object_, 2, CU_GRAPH_USER_OBJECT_MOVE), CUDA_SUCCESS);
  EXPECT_EQ(cuUserObjectRelease(object_, 1), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuGraphReleaseUserObject(graph_, object_, 1), CUDA_SUCCESS);
  EXPECT_EQ(destroyed_, 0);
  destroy_graph();
  EXPECT_EQ(destroyed_, 1);
}

TEST_F(UserObjects, StaysForExecutableAndClonedGraphs) {
  ASSERT_EQ(cuGraphRetainUserObject(graph_, object_, 1, 0), CUDA_SUCCESS);
  ASSERT_EQ(cuUserObjectRelease(object_, 2), CUDA_SUCCESS);
  CUgraph clone = nullptr;
  ASSERT_EQ(cuGraphClone(&clone, graph_), CUDA_SUCCESS);
  CUgraphExec exec = nullptr;
  ASSERT_EQ(cuGraphInstantiate(&exec, graph_, 0), CUDA_SUCCESS);
  destroy_graph();
  EXPECT_EQ(cuGraphDestroy(clone), CUDA_SUCCESS);
  EXPECT_EQ(destroyed_, 0);
  EXPECT_EQ(cuGraphExecDestroy(exec), CUDA_SUCCESS);
  EXPECT_EQ(destroyed_, 1);
}

TEST_F(UserObjects, StaysWhileItsGraphRuns) {
  CUstream stream = nullptr;
  ASSERT_EQ(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING), CUDA_SUCCESS);
  ASSERT_EQ(cuGraphRetainUserObject(graph_, object_, 2, CU_GRAPH_USER_OBJECT_MOVE), CUDA_SUCCESS);
  const CUDA_HOST_NODE_PARAMS parameters{expect_alive, &destroyed_};
  CUgraphNode node = nullptr;
  ASSERT_EQ(cuGraphAddHostNode(&node, graph_, nullptr, 0, &parameters), CUDA_SUCCESS);
  CUgraphExec exec = nullptr;
  ASSERT_EQ(cuGraphInstantiate(&exec, graph_, 0), CUDA_SUCCESS);
  ASSERT_EQ(cuGraphLaunch(exec, stream), CUDA_SUCCESS);
  EXPECT_EQ(cuGraphExecDestroy(exec), CUDA_SUCCESS);
  destroy_graph();
  EXPECT_EQ(cuCtxSynchronize(), CUDA_SUCCESS);
  EXPECT_EQ(destroyed_, 11);  // the host function added 10 before
  EXPECT_EQ(cuStreamDestroy(stream), CUDA_SUCCESS);
}

TEST_F(UserObjects, IsRefusedWithoutADestructorOrItsFlag) {
  CUuserObject none = nullptr;
  EXPECT_EQ(cuUserObjectCreate(&none, this, nullptr, 1, CU_USER_OBJECT_NO_DESTRUCTOR_SYNC),
            CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuUserObjectCreate(&none, this, count_up, 1, 0), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuUserObjectCreate(&none, this, count_up, 0, CU_USER_OBJECT_NO_DESTRUCTOR_SYNC),
            CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuGraphReleaseUserObject(graph_, object_, 1), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuUserObjectRelease(object_, 2), CUDA_SUCCESS);
}

}  // namespace
}  // namespace slipstream::driver_test
