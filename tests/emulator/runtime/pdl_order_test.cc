// Order between kernels launched with programmatic stream serialization, as it is documented: the
// same tests run under every schedule of the emulated device (and on a GPU). What the contract
// leaves open, the adversarial schedule must show.
#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "kernels.h"

namespace slipstream::runtime_test {
namespace {

constexpr int kRuns = 10;

constexpr Step kWaits{true, false, false, false};
constexpr Step kWaitsAndTriggersEarly{true, true, false, false};
constexpr Step kReadsBeforeItsWait{false, false, false, true};
constexpr Step kWaitsAndPublishes{true, false, true, false};
constexpr Step kNeverWaits{false, false, false, false};

bool is_adversarial() {
  const char* schedule = std::getenv("SLIPSTREAM_EMULATOR_SCHEDULE");
  return schedule != nullptr && std::string(schedule) == "adversarial";
}

class PdlOrder : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(cudaMalloc(&data_, kCount * sizeof(int)), cudaSuccess);
    ASSERT_EQ(cudaMalloc(&out_, kCount * sizeof(int)), cudaSuccess);
    ASSERT_EQ(cudaMemset(data_, 0, kCount * sizeof(int)), cudaSuccess);
    ASSERT_EQ(cudaMemset(out_, 0, kCount * sizeof(int)), cudaSuccess);
    ASSERT_EQ(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), cudaSuccess);
    ASSERT_EQ(cudaStreamCreateWithFlags(&other_, cudaStreamNonBlocking), cudaSuccess);
    ASSERT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  }

  void TearDown() override {
    EXPECT_EQ(cudaStreamDestroy(other_), cudaSuccess);
    EXPECT_EQ(cudaStreamDestroy(stream_), cudaSuccess);
    EXPECT_EQ(cudaFree(out_), cudaSuccess);
    EXPECT_EQ(cudaFree(data_), cudaSuccess);
  }

  template <class... Parameters, class... Arguments>
  void launch(void (*kernel)(Parameters...), bool programmatic, Arguments... arguments) {
    cudaLaunchAttribute attribute{};
    attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    attribute.val.programmaticStreamSerializationAllowed = programmatic ? 1 : 0;
    launch_with(kernel, stream_, attribute, arguments...);
  }

  template <class... Parameters, class... Arguments>
  void launch_with(void (*kernel)(Parameters...), cudaStream_t stream,
                   cudaLaunchAttribute attribute, Arguments... arguments) {
    cudaLaunchConfig_t configuration{};
    configuration.gridDim = dim3(kBlocks);
    configuration.blockDim = dim3(kThreads);
    configuration.stream = stream;
    configuration.attrs = &attribute;
    configuration.numAttrs = 1;
    ASSERT_EQ(cudaLaunchKernelEx(&configuration, kernel, arguments...), cudaSuccess);
  }

  // What the readers got; one value, unless they saw several.
  std::vector<int> seen() {
    std::vector<int> host(kCount);
    EXPECT_EQ(
        cudaMemcpyAsync(host.data(), out_, kCount * sizeof(int), cudaMemcpyDeviceToHost, stream_),
        cudaSuccess);
    EXPECT_EQ(cudaStreamSynchronize(stream_), cudaSuccess);
    return host;
  }

  // Runs `chain(value)`, whose readers should see `value`, several times; counts the runs in which
  // one did not.
  template <class Chain>
  int stale_runs(const Chain& chain) {
    int stale = 0;
    for (int run = 1; run <= kRuns; ++run) {
      chain(run);
      if (seen() != std::vector<int>(kCount, run)) ++stale;
    }
    return stale;
  }

  int* data_ = nullptr;
  int* out_ = nullptr;
  cudaStream_t stream_ = nullptr;
  cudaStream_t other_ = nullptr;
};

TEST_F(PdlOrder, ReaderThatWaitsSeesWhatWasWrittenAfterTheTrigger) {
  EXPECT_EQ(stale_runs([&](int value) {
              launch(write, true, data_, value, kWaitsAndTriggersEarly);
              launch(read, true, data_, out_, kWaits);
            }),
            0);
}

TEST_F(PdlOrder, ReaderWithoutTheAttributeNeedsNoWait) {
  EXPECT_EQ(stale_runs([&](int value) {
              launch(write, true, data_, value, kWaitsAndTriggersEarly);
              launch(read, false, data_, out_, kNeverWaits);
            }),
            0);
}

TEST_F(PdlOrder, ReaderThatDoesNotWaitMaySeeOldValues) {
  if (!is_adversarial()) GTEST_SKIP() << "needs SLIPSTREAM_EMULATOR_SCHEDULE=adversarial";
  EXPECT_GT(stale_runs([&](int value) {
              launch(write, true, data_, value, kWaitsAndTriggersEarly);
              launch(read, true, data_, out_, kReadsBeforeItsWait);
            }),
            0);
}

TEST_F(PdlOrder, ProducerWithoutATriggerPromisesNothingEither) {
  if (!is_adversarial()) GTEST_SKIP() << "needs SLIPSTREAM_EMULATOR_SCHEDULE=adversarial";
  EXPECT_GT(stale_runs([&](int value) {
              launch(write, true, data_, value, kWaits);
              launch(read, true, data_, out_, kReadsBeforeItsWait);
            }),
            0);
}

TEST_F(PdlOrder, ChainOfWaitingKernelsReachesBackToTheFirst) {
  EXPECT_EQ(stale_runs([&](int value) {
              launch(write, true, data_, value, kWaitsAndTriggersEarly);
              launch(pass, true, kWaitsAndTriggersEarly);
              launch(pass, true, kWaits);
              launch(read, true, data_, out_, kWaits);
            }),
            0);
}

TEST_F(PdlOrder, FillInBetweenOrdersBothSides) {
  EXPECT_EQ(stale_runs([&](int value) {
              launch(write, true, data_, value, kWaitsAndTriggersEarly);
              ASSERT_EQ(cudaMemsetAsync(out_, 0, kCount * sizeof(int), stream_), cudaSuccess);
              launch(read, true, data_, out_, kReadsBeforeItsWait);
            }),
            0);
}

TEST_F(PdlOrder, EventWithoutTimingInBetweenOrdersNothing) {
  cudaEvent_t event = nullptr;
  ASSERT_EQ(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), cudaSuccess);
  const auto chain = [&](int value, Step reader) {
    launch(write, true, data_, value, kWaitsAndTriggersEarly);
    ASSERT_EQ(cudaEventRecord(event, stream_), cudaSuccess);
    launch(read, true, data_, out_, reader);
  };
  EXPECT_EQ(stale_runs([&](int value) { chain(value, kWaits); }), 0);
  if (is_adversarial()) {
    EXPECT_GT(stale_runs([&](int value) { chain(value, kReadsBeforeItsWait); }), 0);
  }
  EXPECT_EQ(cudaEventDestroy(event), cudaSuccess);
}

TEST_F(PdlOrder, EventWithTimingInBetweenOrdersBothSidesInAStream) {
  cudaEvent_t event = nullptr;
  ASSERT_EQ(cudaEventCreate(&event), cudaSuccess);
  EXPECT_EQ(stale_runs([&](int value) {
              launch(write, true, data_, value, kWaitsAndTriggersEarly);
              ASSERT_EQ(cudaEventRecord(event, stream_), cudaSuccess);
              launch(read, true, data_, out_, kReadsBeforeItsWait);
            }),
            0);
  EXPECT_EQ(cudaEventDestroy(event), cudaSuccess);
}

// Capture makes no node of the event, so the kernels become neighbors.
TEST_F(PdlOrder, EventInBetweenOrdersNothingOnceCaptured) {
  cudaEvent_t event = nullptr;
  ASSERT_EQ(cudaEventCreate(&event), cudaSuccess);
  ASSERT_EQ(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), cudaSuccess);
  launch(write, true, data_, 1, kWaitsAndTriggersEarly);
  ASSERT_EQ(cudaEventRecord(event, stream_), cudaSuccess);
  launch(read, true, data_, out_, kWaits);
  cudaGraph_t graph = nullptr;
  ASSERT_EQ(cudaStreamEndCapture(stream_, &graph), cudaSuccess);
  cudaGraphNode_t from = nullptr;
  cudaGraphNode_t to = nullptr;
  cudaGraphEdgeData edge{};
  size_t count = 1;
  ASSERT_EQ(cudaGraphGetEdges(graph, &from, &to, &edge, &count), cudaSuccess);
  EXPECT_EQ(count, 1U);
  EXPECT_EQ(edge.type, cudaGraphDependencyTypeProgrammatic);
  EXPECT_EQ(cudaGraphDestroy(graph), cudaSuccess);
  EXPECT_EQ(cudaEventDestroy(event), cudaSuccess);
}

TEST_F(PdlOrder, OverwritingAfterAWaitLeavesEarlierReadersAlone) {
  for (int run = 1; run <= kRuns; ++run) {
    launch(write, true, data_, run, kWaits);
    launch(read, true, data_, out_, kWaitsAndTriggersEarly);
    launch(write, true, data_, -run, kWaits);
    EXPECT_EQ(seen(), std::vector<int>(kCount, run));
  }
}

TEST_F(PdlOrder, FenceBeforeTheTriggerHandsOverEarly) {
  EXPECT_EQ(stale_runs([&](int value) {
              launch(write, false, data_, value, kWaitsAndPublishes);
              launch(read, true, data_, out_, kReadsBeforeItsWait);
            }),
            0);
}

TEST_F(PdlOrder, ProgrammaticEventStartsAKernelOfAnotherStream) {
  cudaEvent_t triggered = nullptr;
  cudaEvent_t done = nullptr;
  ASSERT_EQ(cudaEventCreateWithFlags(&triggered, cudaEventDisableTiming), cudaSuccess);
  ASSERT_EQ(cudaEventCreateWithFlags(&done, cudaEventDisableTiming), cudaSuccess);
  cudaLaunchAttribute fires{};
  fires.id = cudaLaunchAttributeProgrammaticEvent;
  fires.val.programmaticEvent.event = triggered;
  cudaLaunchAttribute none{};
  none.id = cudaLaunchAttributeIgnore;
  EXPECT_EQ(stale_runs([&](int value) {
              launch_with(write, stream_, fires, data_, value, kWaitsAndTriggersEarly);
              ASSERT_EQ(cudaStreamWaitEvent(other_, triggered, 0), cudaSuccess);
              launch_with(read, other_, none, data_, out_, kWaits);
              ASSERT_EQ(cudaEventRecord(done, other_), cudaSuccess);
              ASSERT_EQ(cudaStreamWaitEvent(stream_, done, 0), cudaSuccess);
            }),
            0);
  EXPECT_EQ(cudaEventDestroy(triggered), cudaSuccess);
  EXPECT_EQ(cudaEventDestroy(done), cudaSuccess);
}

TEST_F(PdlOrder, GraphKeepsTheOrderOfItsProgrammaticEdges) {
  ASSERT_EQ(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), cudaSuccess);
  launch(write, true, data_, 41, kWaitsAndTriggersEarly);
  launch(read, true, data_, out_, kWaits);
  launch(write, true, data_, 0, kWaits);
  cudaGraph_t graph = nullptr;
  ASSERT_EQ(cudaStreamEndCapture(stream_, &graph), cudaSuccess);
  cudaGraphExec_t exec = nullptr;
  ASSERT_EQ(cudaGraphInstantiate(&exec, graph, 0), cudaSuccess);
  for (int run = 0; run < kRuns; ++run) {
    ASSERT_EQ(cudaMemsetAsync(out_, 0, kCount * sizeof(int), stream_), cudaSuccess);
    ASSERT_EQ(cudaGraphLaunch(exec, stream_), cudaSuccess);
    EXPECT_EQ(seen(), std::vector<int>(kCount, 41));
  }
  EXPECT_EQ(cudaGraphExecDestroy(exec), cudaSuccess);
  EXPECT_EQ(cudaGraphDestroy(graph), cudaSuccess);
}

}  // namespace
}  // namespace slipstream::runtime_test
