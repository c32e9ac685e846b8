// Host threads that use one device at the same time: a stream, an event and memory each. It holds on a GPU as well; under
// ThreadSanitizer it is the emulated runtime's own threads and locks that are looked at.
#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "kernels.h"

namespace slipstream::runtime_test {
namespace {

constexpr int kHostThreads = 4;
constexpr int kRounds = 5;

// Appends three digits in a stream of its own and returns the number; 0 if a call fails.
unsigned long long number_of_digits(cudaStream_t stream, cudaEvent_t event) {
  unsigned long long* number = nullptr;
  unsigned long long value = 0;
  bool is_right = cudaMallocAsync(&number, sizeof *number, stream) == cudaSuccess;
  is_right = is_right && cudaMemsetAsync(number, 0, sizeof *number, stream) == cudaSuccess;
  for (unsigned digit = 1; digit <= 3; ++digit) launch_append_digit(stream, number, digit);
  is_right = is_right && cudaGetLastError() == cudaSuccess &&
             cudaMemcpyAsync(&value, number, sizeof value, cudaMemcpyDeviceToHost, stream) ==
                 cudaSuccess &&
             cudaEventRecord(event, stream) == cudaSuccess &&
             cudaFreeAsync(number, stream) == cudaSuccess &&
             cudaEventSynchronize(event) == cudaSuccess;
  return is_right ? value : 0;
}

// Each thread with a stream and an event that live as long as it does.
int rounds_that_are_right() {
  cudaStream_t stream = nullptr;
  cudaEvent_t event = nullptr;
  if (cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking) != cudaSuccess) return 0;
  if (cudaEventCreateWithFlags(&event, cudaEventDisableTiming) != cudaSuccess) return 0;
  int right = 0;
  for (int round = 0; round < kRounds; ++round) right += number_of_digits(stream, event) == 123;
  if (cudaEventDestroy(event) != cudaSuccess) return 0;
  return cudaStreamDestroy(stream) == cudaSuccess ? right : 0;
}

TEST(HostThreads, UseOneDeviceAtTheSameTime) {
  std::vector<int> right(kHostThreads);
  std::vector<std::thread> threads;
  for (int& own : right) threads.emplace_back([&own] { own = rounds_that_are_right(); });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right, std::vector<int>(kHostThreads, kRounds));
}

// One thread launches, another waits for what it has launched.
TEST(HostThreads, WaitForEachOthersEvents) {
  unsigned long long* number = nullptr;
  ASSERT_EQ(cudaMallocManaged(&number, sizeof *number), cudaSuccess);
  *number = 0;
  cudaStream_t stream = nullptr;
  cudaEvent_t event = nullptr;
  ASSERT_EQ(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), cudaSuccess);
  ASSERT_EQ(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), cudaSuccess);
  launch_append_digit(stream, number, 7);
  ASSERT_EQ(cudaEventRecord(event, stream), cudaSuccess);
  std::vector<unsigned long long> seen(kHostThreads);
  std::vector<std::thread> threads;
  for (unsigned long long& own : seen) {
    threads.emplace_back([&own, event, number] {
      if (cudaEventSynchronize(event) == cudaSuccess) own = *number;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(seen, std::vector<unsigned long long>(kHostThreads, 7));
  EXPECT_EQ(cudaEventDestroy(event), cudaSuccess);
  EXPECT_EQ(cudaStreamDestroy(stream), cudaSuccess);
  EXPECT_EQ(cudaFree(number), cudaSuccess);
}

}  // namespace
}  // namespace slipstream::runtime_test
