// Streams, events and host functions: what is ordered with what. Everything here holds on a GPU as
// well.
#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include "kernels.h"

namespace slipstream::runtime_test {
namespace {

// A number on the device to which kernels append digits, in the order in which they run.
class Order : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(cudaMalloc(&number_, sizeof *number_), cudaSuccess);
    ASSERT_EQ(cudaMemset(number_, 0, sizeof *number_), cudaSuccess);
    ASSERT_EQ(cudaStreamCreateWithFlags(&first_, cudaStreamNonBlocking), cudaSuccess);
    ASSERT_EQ(cudaStreamCreateWithFlags(&second_, cudaStreamNonBlocking), cudaSuccess);
    ASSERT_EQ(cudaStreamCreate(&blocking_), cudaSuccess);
    ASSERT_EQ(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming), cudaSuccess);
    ASSERT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  }

  void TearDown() override {
    EXPECT_EQ(cudaEventDestroy(event_), cudaSuccess);
    EXPECT_EQ(cudaStreamDestroy(blocking_), cudaSuccess);
    EXPECT_EQ(cudaStreamDestroy(second_), cudaSuccess);
    EXPECT_EQ(cudaStreamDestroy(first_), cudaSuccess);
    EXPECT_EQ(cudaFree(number_), cudaSuccess);
  }

  void append(unsigned digit, cudaStream_t stream) {
    launch_append_digit(stream, number_, digit);
    ASSERT_EQ(cudaGetLastError(), cudaSuccess);
  }

  unsigned long long number() {
    unsigned long long value = 0;
    EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
    EXPECT_EQ(cudaMemcpy(&value, number_, sizeof value, cudaMemcpyDeviceToHost), cudaSuccess);
    return value;
  }

  unsigned long long* number_ = nullptr;
  cudaStream_t first_ = nullptr;
  cudaStream_t second_ = nullptr;
  cudaStream_t blocking_ = nullptr;
  cudaEvent_t event_ = nullptr;
};

TEST_F(Order, IsThatOfTheCallsInOneStream) {
  for (unsigned digit = 1; digit <= 5; ++digit) append(digit, first_);
  EXPECT_EQ(number(), 12345U);
}

TEST_F(Order, GoesFromStreamToStreamByEvents) {
  append(1, first_);
  ASSERT_EQ(cudaEventRecord(event_, first_), cudaSuccess);
  ASSERT_EQ(cudaStreamWaitEvent(second_, event_, 0), cudaSuccess);
  append(2, second_);
  ASSERT_EQ(cudaEventRecord(event_, second_), cudaSuccess);
  ASSERT_EQ(cudaStreamWaitEvent(first_, event_, 0), cudaSuccess);
  append(3, first_);
  EXPECT_EQ(number(), 123U);
}

TEST_F(Order, HoldsBetweenTheLegacyDefaultStreamAndBlockingStreams) {
  append(1, blocking_);
  append(2, nullptr);
  append(3, blocking_);
  append(4, cudaStreamLegacy);
  append(5, cudaStreamPerThread);
  append(6, nullptr);
  EXPECT_EQ(number(), 123456U);
}

TEST_F(Order, IsKeptByADestroyedStream) {
  cudaStream_t passing = nullptr;
  ASSERT_EQ(cudaStreamCreate(&passing), cudaSuccess);
  append(1, passing);
  ASSERT_EQ(cudaStreamDestroy(passing), cudaSuccess);
  append(2, nullptr);
  EXPECT_EQ(number(), 12U);
}

TEST_F(Order, PutsHostFunctionsBetweenKernels) {
  struct Seen {
    unsigned long long* source;
    unsigned long long value;
  };
  unsigned long long* pinned = nullptr;
  ASSERT_EQ(cudaHostAlloc(&pinned, sizeof *pinned, cudaHostAllocDefault), cudaSuccess);
  *pinned = 0;
  Seen seen{pinned, 0};
  append(7, first_);
  ASSERT_EQ(cudaMemcpyAsync(pinned, number_, sizeof *pinned, cudaMemcpyDeviceToHost, first_),
            cudaSuccess);
  ASSERT_EQ(cudaLaunchHostFunc(
                first_,
                [](void* data) {
                  auto* into = static_cast<Seen*>(data);
                  into->value = *into->source;
                },
                &seen),
            cudaSuccess);
  append(8, first_);
  EXPECT_EQ(number(), 78U);
  EXPECT_EQ(seen.value, 7U);
  EXPECT_EQ(cudaFreeHost(pinned), cudaSuccess);
}

TEST_F(Order, IsWaitedForByTheEvent) {
  append(4, first_);
  ASSERT_EQ(cudaEventRecord(event_, first_), cudaSuccess);
  ASSERT_EQ(cudaEventSynchronize(event_), cudaSuccess);
  EXPECT_EQ(cudaEventQuery(event_), cudaSuccess);
  unsigned long long value = 0;
  ASSERT_EQ(cudaMemcpyAsync(&value, number_, sizeof value, cudaMemcpyDeviceToHost, second_),
            cudaSuccess);
  ASSERT_EQ(cudaStreamSynchronize(second_), cudaSuccess);
  EXPECT_EQ(value, 4U);
}

TEST(Event, MeasuresTimeThatPasses) {
  cudaEvent_t start = nullptr;
  cudaEvent_t end = nullptr;
  ASSERT_EQ(cudaEventCreate(&start), cudaSuccess);
  ASSERT_EQ(cudaEventCreate(&end), cudaSuccess);
  void* memory = nullptr;
  ASSERT_EQ(cudaMalloc(&memory, 1 << 20), cudaSuccess);
  ASSERT_EQ(cudaEventRecord(start, nullptr), cudaSuccess);
  ASSERT_EQ(cudaMemsetAsync(memory, 1, 1 << 20, nullptr), cudaSuccess);
  ASSERT_EQ(cudaEventRecord(end, nullptr), cudaSuccess);
  ASSERT_EQ(cudaEventSynchronize(end), cudaSuccess);
  float milliseconds = -1;
  ASSERT_EQ(cudaEventElapsedTime(&milliseconds, start, end), cudaSuccess);
  EXPECT_GT(milliseconds, 0);
  EXPECT_LT(milliseconds, 60000);
  EXPECT_EQ(cudaFree(memory), cudaSuccess);
  EXPECT_EQ(cudaEventDestroy(start), cudaSuccess);
  EXPECT_EQ(cudaEventDestroy(end), cudaSuccess);
}

TEST(Event, WithoutTimingHasNoTime) {
  cudaEvent_t event = nullptr;
  ASSERT_EQ(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), cudaSuccess);
  ASSERT_EQ(cudaEventRecord(event, nullptr), cudaSuccess);
  ASSERT_EQ(cudaEventSynchronize(event), cudaSuccess);
  float milliseconds = 0;
  EXPECT_EQ(cudaEventElapsedTime(&milliseconds, event, event), cudaErrorInvalidResourceHandle);
  cudaGetLastError();
  EXPECT_EQ(cudaEventDestroy(event), cudaSuccess);
}

TEST(Event, NeverRecordedIsComplete) {
  cudaEvent_t event = nullptr;
  ASSERT_EQ(cudaEventCreate(&event), cudaSuccess);
  EXPECT_EQ(cudaEventQuery(event), cudaSuccess);
  EXPECT_EQ(cudaEventSynchronize(event), cudaSuccess);
  EXPECT_EQ(cudaEventDestroy(event), cudaSuccess);
}

TEST(Stream, HasThePriorityAskedForWithinTheRange) {
  int least = 0;
  int greatest = 0;
  ASSERT_EQ(cudaDeviceGetStreamPriorityRange(&least, &greatest), cudaSuccess);
  cudaStream_t stream = nullptr;
  ASSERT_EQ(cudaStreamCreateWithPriority(&stream, cudaStreamNonBlocking, greatest - 10),
            cudaSuccess);
  int priority = 0;
  ASSERT_EQ(cudaStreamGetPriority(stream, &priority), cudaSuccess);
  EXPECT_EQ(priority, greatest);
  unsigned flags = 0;
  ASSERT_EQ(cudaStreamGetFlags(stream, &flags), cudaSuccess);
  EXPECT_EQ(flags, static_cast<unsigned>(cudaStreamNonBlocking));
  EXPECT_EQ(cudaStreamDestroy(stream), cudaSuccess);
}

}  // namespace
}  // namespace slipstream::runtime_test
