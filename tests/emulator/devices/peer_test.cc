// Memory of other devices: access, copies, and kernels that wait for each other.
#include <thread>

#include "device_kernels.h"
#include "device_test.h"

namespace slipstream::devices_test {
namespace {

using PeerAccess = Devices;
using PeerCopy = Devices;
using Polling = Devices;

TEST_F(PeerAccess, IsPossibleAmongAllDevices) {
  int can = -1;
  EXPECT_EQ(cudaDeviceCanAccessPeer(&can, 0, 3), cudaSuccess);
  EXPECT_EQ(can, 1);
  EXPECT_EQ(cudaDeviceCanAccessPeer(&can, 2, 2), cudaSuccess);
  EXPECT_EQ(can, 0) << "a device is not its own peer";
}

TEST_F(PeerAccess, IsEnabledOnce) {
  devices_[2].use();
  EXPECT_EQ(cudaDeviceEnablePeerAccess(2, 0), cudaErrorInvalidDevice);
  EXPECT_EQ(cudaDeviceEnablePeerAccess(3, 1), cudaErrorInvalidValue) << "flags";
  EXPECT_EQ(cudaDeviceDisablePeerAccess(3), cudaErrorPeerAccessNotEnabled);
  EXPECT_EQ(cudaDeviceEnablePeerAccess(3, 0), cudaSuccess);
  EXPECT_EQ(cudaDeviceEnablePeerAccess(3, 0), cudaErrorPeerAccessAlreadyEnabled);
  EXPECT_EQ(cudaDeviceDisablePeerAccess(3), cudaSuccess);
  cudaGetLastError();
}

TEST_F(PeerAccess, LetsAKernelWriteToAPeer) {
  connect();
  launch_store(devices_[0].stream, devices_[1].words + 5, 17);
  ASSERT_EQ(cudaStreamSynchronize(devices_[0].stream), cudaSuccess);
  EXPECT_EQ(devices_[1].read(5), 17U);
}

TEST_F(PeerAccess, IsGivenToAPoolByItself) {
  cudaMemPool_t pool = nullptr;
  ASSERT_EQ(cudaDeviceGetDefaultMemPool(&pool, 0), cudaSuccess);
  cudaMemAccessDesc access{};
  access.location = {cudaMemLocationTypeDevice, 1};
  access.flags = cudaMemAccessFlagsProtReadWrite;
  ASSERT_EQ(cudaMemPoolSetAccess(pool, &access, 1), cudaSuccess);
  void* memory = nullptr;
  ASSERT_EQ(cudaMallocAsync(&memory, 4, devices_[0].stream), cudaSuccess);
  ASSERT_EQ(cudaStreamSynchronize(devices_[0].stream), cudaSuccess);
  devices_[1].use();
  launch_store(devices_[1].stream, static_cast<unsigned*>(memory), 3);
  EXPECT_EQ(cudaStreamSynchronize(devices_[1].stream), cudaSuccess);
  EXPECT_EQ(cudaFree(memory), cudaSuccess);
  access.flags = cudaMemAccessFlagsProtNone;
  EXPECT_EQ(cudaMemPoolSetAccess(pool, &access, 1), cudaSuccess);
}

TEST_F(PeerCopy, NeedsNoPeerAccess) {
  const unsigned value = 99;
  ASSERT_EQ(cudaMemcpy(devices_[2].words, &value, sizeof(value), cudaMemcpyDefault), cudaSuccess);
  ASSERT_EQ(cudaMemcpyPeer(devices_[3].words, 3, devices_[2].words, 2, sizeof(value)), cudaSuccess);
  ASSERT_EQ(cudaMemcpyPeerAsync(devices_[0].words, 0, devices_[3].words, 3, sizeof(value),
                                devices_[0].stream),
            cudaSuccess);
  ASSERT_EQ(cudaStreamSynchronize(devices_[0].stream), cudaSuccess);
  ASSERT_EQ(cudaMemcpy(devices_[1].words, devices_[0].words, sizeof(value), cudaMemcpyDefault),
            cudaSuccess);
  for (const TestDevice& device : devices_) EXPECT_EQ(device.read(0), value);
}

TEST_F(PeerCopy, RefusesAPointerOfAnotherDevice) {
  EXPECT_EQ(cudaMemcpyPeer(devices_[1].words, 0, devices_[0].words, 0, 4), cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemcpyPeer(devices_[1].words, kDevices, devices_[0].words, 0, 4),
            cudaErrorInvalidDevice);
  cudaGetLastError();
}

// --- Kernels that poll.

TEST_F(Polling, GoesOnWhenOneThreadLaunchesBothSides) {
  connect();
  launch_ping_pong(devices_[0].stream, devices_[0].words, devices_[1].words, 100, true);
  devices_[1].use();
  launch_ping_pong(devices_[1].stream, devices_[1].words, devices_[0].words, 100, false);
  EXPECT_EQ(cudaStreamSynchronize(devices_[1].stream), cudaSuccess);
  EXPECT_EQ(cudaStreamSynchronize(devices_[0].stream), cudaSuccess);
  EXPECT_EQ(devices_[0].read(0), 100U);
}

TEST_F(Polling, GoesOnWhenEachSideHasAThreadThatWaits) {
  connect();
  const auto play = [&](int number) {
    const TestDevice& own = devices_[number];
    const TestDevice& other = devices_[1 - number];
    own.use();
    launch_ping_pong(own.stream, own.words, other.words, 100, number == 0);
    EXPECT_EQ(cudaStreamSynchronize(own.stream), cudaSuccess);
  };
  std::thread first(play, 0);
  std::thread second(play, 1);
  first.join();
  second.join();
  EXPECT_EQ(devices_[1].read(0), 100U);
}

TEST_F(Polling, GoesOnBetweenStreamsOfOneDevice) {
  cudaStream_t second = nullptr;
  ASSERT_EQ(cudaStreamCreateWithFlags(&second, cudaStreamNonBlocking), cudaSuccess);
  unsigned* const words = devices_[0].words;
  launch_ping_pong(devices_[0].stream, words, words + 1, 50, false);
  launch_ping_pong(second, words + 1, words, 50, true);
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  EXPECT_EQ(devices_[0].read(0), 50U);
  EXPECT_EQ(cudaStreamDestroy(second), cudaSuccess);
}

TEST_F(Polling, SeesWhatTheHostWritesAfterTheLaunch) {
  unsigned* pinned = nullptr;
  ASSERT_EQ(cudaMallocHost(reinterpret_cast<void**>(&pinned), sizeof(*pinned)), cudaSuccess);
  *pinned = 0;
  launch_wait(devices_[0].stream, pinned, 1, devices_[0].words);
  EXPECT_EQ(cudaStreamQuery(devices_[0].stream), cudaErrorNotReady);
  cudaGetLastError();
  *static_cast<volatile unsigned*>(pinned) = 4;
  EXPECT_EQ(cudaStreamSynchronize(devices_[0].stream), cudaSuccess);
  EXPECT_EQ(devices_[0].read(0), 4U);
  EXPECT_EQ(cudaFreeHost(pinned), cudaSuccess);
}

TEST_F(Polling, SeesWhatAnotherDeviceWritesToPinnedMemory) {
  unsigned* pinned = nullptr;
  ASSERT_EQ(cudaHostAlloc(reinterpret_cast<void**>(&pinned), sizeof(*pinned), cudaHostAllocMapped),
            cudaSuccess);
  *pinned = 0;
  launch_wait(devices_[0].stream, pinned, 1, devices_[0].words);
  devices_[3].use();
  launch_store(devices_[3].stream, pinned, 8);
  EXPECT_EQ(cudaStreamSynchronize(devices_[0].stream), cudaSuccess);
  EXPECT_EQ(devices_[0].read(0), 8U);
  EXPECT_EQ(cudaFreeHost(pinned), cudaSuccess);
}

TEST_F(Polling, LeavesOtherStreamsAndDevicesRunning) {
  launch_wait(devices_[0].stream, devices_[0].words, 1, devices_[0].words + 1);
  cudaStream_t second = nullptr;
  ASSERT_EQ(cudaStreamCreateWithFlags(&second, cudaStreamNonBlocking), cudaSuccess);
  launch_store(second, devices_[0].words + 2, 6);
  EXPECT_EQ(cudaStreamSynchronize(second), cudaSuccess);
  devices_[1].use();
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  devices_[0].use();
  launch_store(second, devices_[0].words, 1);
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  EXPECT_EQ(devices_[0].read(2), 6U);
  EXPECT_EQ(cudaStreamDestroy(second), cudaSuccess);
}

TEST_F(Polling, IsRecognizedWhereTheBlockWaitsForItsPollingThread) {
  launch_wait_together(devices_[0].stream, devices_[0].words, 2, devices_[0].words + 64);
  EXPECT_EQ(cudaStreamQuery(devices_[0].stream), cudaErrorNotReady);
  cudaGetLastError();
  const unsigned value = 2;
  ASSERT_EQ(cudaMemcpyAsync(devices_[0].words, &value, sizeof(value), cudaMemcpyHostToDevice,
                            devices_[1].stream),
            cudaSuccess);
  EXPECT_EQ(cudaStreamSynchronize(devices_[0].stream), cudaSuccess);
  EXPECT_EQ(devices_[0].read(64 + 127), 2U);
}

TEST_F(Polling, GivesWayThoughAWordChangesThatNobodyLooksAtAnyMore) {
  unsigned* const words = devices_[0].words;
  launch_wait_and_glance(devices_[0].stream, words, 1, words + 1, words + 2);
  connect();
  for (unsigned* const word : {words + 1, words}) {
    devices_[1].use();
    launch_store(devices_[1].stream, word, 1);
  }
  ASSERT_EQ(cudaStreamSynchronize(devices_[0].stream), cudaSuccess);
  EXPECT_EQ(devices_[0].read(2), 1U);
}

TEST_F(Polling, EndsByItsOwnTimeLimit) {
  launch_wait_at_most(devices_[0].stream, devices_[0].words, 1, devices_[0].words + 1, 20'000'000);
  EXPECT_EQ(cudaStreamSynchronize(devices_[0].stream), cudaSuccess);
  EXPECT_EQ(devices_[0].read(1), ~0U);
}

TEST_F(Polling, OfOneLaneLetsTheOthersOfItsWarpRun) {
  launch_lanes_in_one_warp(devices_[0].stream, devices_[0].words, devices_[0].words + 1);
  EXPECT_EQ(cudaStreamSynchronize(devices_[0].stream), cudaSuccess);
  EXPECT_EQ(devices_[0].read(1), 5U);
}

TEST_F(Polling, TakesLocksByCompareAndSwap) {
  connect();
  unsigned* const lock = devices_[0].words;
  launch_locked_count(devices_[0].stream, lock, lock + 1, 50);
  devices_[1].use();
  launch_locked_count(devices_[1].stream, lock, lock + 1, 50);
  EXPECT_EQ(cudaStreamSynchronize(devices_[1].stream), cudaSuccess);
  EXPECT_EQ(cudaStreamSynchronize(devices_[0].stream), cudaSuccess);
  EXPECT_EQ(devices_[0].read(1), 100U);
}

TEST_F(Polling, GivesWayInAGraphThatIsReplayed) {
  connect();
  constexpr unsigned kReplays = 10;
  std::vector<cudaGraphExec_t> graphs(2);
  for (int i = 0; i < 2; ++i) {
    devices_[i].use();
    cudaGraph_t graph = nullptr;
    ASSERT_EQ(cudaStreamBeginCapture(devices_[i].stream, cudaStreamCaptureModeThreadLocal),
              cudaSuccess);
    launch_locked_count(devices_[i].stream, devices_[0].words, devices_[0].words + 1, 5);
    launch_locked_count(devices_[i].stream, devices_[0].words, devices_[0].words + 1, 5);
    ASSERT_EQ(cudaStreamEndCapture(devices_[i].stream, &graph), cudaSuccess);
    ASSERT_EQ(cudaGraphInstantiate(&graphs[i], graph, 0), cudaSuccess);
  }
  for (unsigned replay = 0; replay < kReplays; ++replay) {
    for (int i = 0; i < 2; ++i) {
      ASSERT_EQ(cudaGraphLaunch(graphs[i], devices_[i].stream), cudaSuccess);
    }
  }
  for (const TestDevice& device : devices_) {
    EXPECT_EQ(cudaStreamSynchronize(device.stream), cudaSuccess);
  }
  EXPECT_EQ(devices_[0].read(1), 20U * kReplays);
}

}  // namespace
}  // namespace slipstream::devices_test
