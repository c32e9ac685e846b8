// What the emulated NCCL does for ranks that are threads, and what it says where it is used wrongly.
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <thread>

#include "device_kernels.h"
#include "device_test.h"
#include "emulator/nccl/nccl_types.h"

namespace slipstream::devices_test {
namespace {

ncclUniqueId new_id() {
  ncclUniqueId id{};
  EXPECT_EQ(ncclGetUniqueId(&id), ncclSuccess);
  return id;
}

ncclConfig_t not_blocking() { return {sizeof(ncclConfig_t), NCCL_CONFIG_MAGIC, 22902, 0}; }

class Nccl : public Devices {
 protected:
  using Rank = std::function<void(int rank, ncclComm_t communicator)>;

  // Each rank is a thread with a device of its own.
  void run(int ranks, const Rank& rank) {
    const ncclUniqueId id = new_id();
    each(ranks, [&](int number) {
      ncclComm_t communicator = nullptr;
      ASSERT_EQ(ncclCommInitRankConfig(&communicator, ranks, id, number, nullptr), ncclSuccess)
          << ncclGetLastError(nullptr);
      rank(number, communicator);
      EXPECT_EQ(ncclCommDestroy(communicator), ncclSuccess);
    });
  }
  void each(int ranks, const std::function<void(int)>& action) {
    std::vector<std::thread> threads;
    for (int number = 0; number < ranks; ++number) {
      threads.emplace_back([&, number] {
        devices_[number].use();
        action(number);
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
};

std::string sentence() { return ncclGetLastError(nullptr); }
testing::AssertionResult says(const std::string& part) {
  if (sentence().find(part) != std::string::npos) return testing::AssertionSuccess();
  return testing::AssertionFailure() << sentence();
}

TEST_F(Nccl, HasTheVersionWithPointersForTheHost) {
  int version = 0;
  EXPECT_EQ(ncclGetVersion(&version), ncclSuccess);
  EXPECT_GE(version, 22902);
}

TEST_F(Nccl, KnowsRanksAndDevices) {
  run(4, [](int rank, ncclComm_t communicator) {
    int ranks = 0;
    int number = -1;
    int device = -1;
    EXPECT_EQ(ncclCommCount(communicator, &ranks), ncclSuccess);
    EXPECT_EQ(ncclCommUserRank(communicator, &number), ncclSuccess);
    EXPECT_EQ(ncclCommCuDevice(communicator, &device), ncclSuccess);
    EXPECT_EQ(ranks, 4);
    EXPECT_EQ(number, rank);
    EXPECT_EQ(device, rank);
  });
}

TEST_F(Nccl, ConnectsKernelsByWindows) {
  run(4, [&](int rank, ncclComm_t communicator) {
    const TestDevice& own = devices_[rank];
    void* memory = nullptr;
    ncclWindow_t window = nullptr;
    ASSERT_EQ(ncclMemAlloc(&memory, 4096), ncclSuccess);
    ASSERT_EQ(cudaMemset(memory, 0, 4096), cudaSuccess);
    ASSERT_EQ(cudaDeviceSynchronize(), cudaSuccess);
    ASSERT_EQ(ncclCommWindowRegister(communicator, memory, 4096, &window, NCCL_WIN_COLL_SYMMETRIC),
              ncclSuccess);
    ASSERT_NE(window, nullptr);
    for (int peer = 0; peer < 4; ++peer) {
      void* theirs = nullptr;
      ASSERT_EQ(ncclGetPeerDevicePointer(window, sizeof(unsigned) * rank, peer, &theirs),
                ncclSuccess);
      launch_store(own.stream, static_cast<unsigned*>(theirs), 10U + rank);
    }
    for (int peer = 0; peer < 4; ++peer) {
      launch_wait(own.stream, static_cast<unsigned*>(memory) + peer, 1, own.words + peer);
    }
    EXPECT_EQ(cudaStreamSynchronize(own.stream), cudaSuccess);
    for (int peer = 0; peer < 4; ++peer) EXPECT_EQ(own.read(peer), 10U + peer);
    EXPECT_EQ(ncclMemFree(memory), ncclInvalidUsage) << "while it is registered";
    EXPECT_TRUE(says("deregistered first"));
    EXPECT_EQ(ncclCommWindowDeregister(communicator, window), ncclSuccess);
    EXPECT_EQ(ncclCommWindowDeregister(communicator, window), ncclInvalidArgument);
  });
}

TEST_F(Nccl, GathersFromAllInOrderOfTheirStreams) {
  run(3, [&](int rank, ncclComm_t communicator) {
    const TestDevice& own = devices_[rank];
    launch_store(own.stream, own.words + 100, 7U * rank);
    launch_store(own.stream, own.words + 101, 7U * rank + 1);
    EXPECT_EQ(ncclAllGather(own.words + 100, own.words, 1, ncclInt64, communicator, own.stream),
              ncclSuccess);
    launch_store(own.stream, own.words + 100, 1000);
    EXPECT_EQ(cudaStreamSynchronize(own.stream), cudaSuccess);
    for (unsigned peer = 0; peer < 3; ++peer) {
      EXPECT_EQ(own.read(2 * peer), 7 * peer);
      EXPECT_EQ(own.read(2 * peer + 1), 7 * peer + 1);
    }
  });
}

TEST_F(Nccl, GathersInPlace) {
  run(2, [&](int rank, ncclComm_t communicator) {
    const TestDevice& own = devices_[rank];
    launch_store(own.stream, own.words + rank, 5U + rank);
    EXPECT_EQ(ncclAllGather(own.words + rank, own.words, 4, ncclUint8, communicator, own.stream),
              ncclSuccess);
    EXPECT_EQ(cudaStreamSynchronize(own.stream), cudaSuccess);
    EXPECT_EQ(own.read(0), 5U);
    EXPECT_EQ(own.read(1), 6U);
  });
}

// --- Windows that are none.

TEST_F(Nccl, GivesANullWindowForMemoryOfAnotherKind) {
  run(2, [&](int rank, ncclComm_t communicator) {
    auto* window = reinterpret_cast<ncclWindow_t>(this);
    EXPECT_EQ(ncclCommWindowRegister(communicator, devices_[rank].words, 64, &window,
                                     NCCL_WIN_COLL_SYMMETRIC),
              ncclSuccess);
    EXPECT_EQ(window, nullptr);
  });
}

TEST_F(Nccl, GivesANullWindowWhereWindowsAreSwitchedOff) {
  setenv("NCCL_WIN_ENABLE", "0", 1);
  run(2, [&](int, ncclComm_t communicator) {
    void* memory = nullptr;
    ASSERT_EQ(ncclMemAlloc(&memory, 64), ncclSuccess);
    auto* window = reinterpret_cast<ncclWindow_t>(this);
    EXPECT_EQ(ncclCommWindowRegister(communicator, memory, 64, &window, NCCL_WIN_COLL_SYMMETRIC),
              ncclSuccess);
    EXPECT_EQ(window, nullptr);
    EXPECT_EQ(ncclMemFree(memory), ncclSuccess);
  });
  unsetenv("NCCL_WIN_ENABLE");
}

// --- Wrong use.

TEST_F(Nccl, RefusesTwoRanksOnOneDevice) {
  const ncclUniqueId id = new_id();
  std::array<ncclResult_t, 2> results{};
  std::array<std::string, 2> sentences;
  each(2, [&](int rank) {
    devices_[0].use();
    ncclComm_t communicator = nullptr;
    results[rank] = ncclCommInitRank(&communicator, 2, id, rank);
    sentences[rank] = sentence();
    EXPECT_EQ(communicator, nullptr);
  });
  for (int rank = 0; rank < 2; ++rank) {
    EXPECT_EQ(results[rank], ncclInvalidUsage);
    EXPECT_NE(sentences[rank].find("ranks 0 and 1 both use device 0"), std::string::npos)
        << sentences[rank];
  }
}

TEST_F(Nccl, RefusesRanksThatDoNotExist) {
  ncclComm_t communicator = nullptr;
  EXPECT_EQ(ncclCommInitRank(&communicator, 2, new_id(), 2), ncclInvalidArgument);
  EXPECT_TRUE(says("the rank must be 0 to 1, it is 2"));
  EXPECT_EQ(ncclCommInitRank(&communicator, 0, new_id(), 0), ncclInvalidArgument);
  EXPECT_EQ(ncclCommInitRank(nullptr, 1, new_id(), 0), ncclInvalidArgument);
}

TEST_F(Nccl, RefusesAConfigurationThatWasNotSetUp) {
  ncclComm_t communicator = nullptr;
  ncclConfig_t config{};
  EXPECT_EQ(ncclCommInitRankConfig(&communicator, 1, new_id(), 0, &config), ncclInvalidArgument);
  EXPECT_TRUE(says("NCCL_CONFIG_INITIALIZER"));
}

TEST_F(Nccl, RefusesAnIdOfAnotherProcess) {
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe(ends.data()), 0);
  const pid_t child = fork();
  if (child == 0) {
    ncclUniqueId theirs{};
    ncclGetUniqueId(&theirs);
    _exit(write(ends[1], &theirs, sizeof(theirs)) == sizeof(theirs) ? 0 : 1);
  }
  ncclUniqueId id{};
  ASSERT_EQ(read(ends[0], &id, sizeof(id)), static_cast<ssize_t>(sizeof(id)));
  waitpid(child, nullptr, 0);
  ncclComm_t communicator = nullptr;
  EXPECT_EQ(ncclCommInitRank(&communicator, 2, id, 0), ncclInvalidUsage);
  EXPECT_TRUE(says("threads of one process only"));
}

TEST_F(Nccl, RefusesAnIdTwice) {
  const ncclUniqueId id = new_id();
  ncclComm_t first = nullptr;
  ncclComm_t second = nullptr;
  ASSERT_EQ(ncclCommInitRank(&first, 1, id, 0), ncclSuccess);
  EXPECT_EQ(ncclCommInitRank(&second, 1, id, 0), ncclInvalidUsage);
  EXPECT_EQ(ncclCommDestroy(first), ncclSuccess);
}

TEST_F(Nccl, EndsAllWhereRanksCallDifferentThings) {
  run(2, [&](int rank, ncclComm_t communicator) {
    ncclWindow_t window = nullptr;
    const TestDevice& own = devices_[rank];
    const ncclResult_t result =
        rank == 0
            ? ncclCommWindowRegister(communicator, own.words, 64, &window, NCCL_WIN_COLL_SYMMETRIC)
            : ncclAllGather(own.words, own.words + 64, 4, ncclFloat32, communicator, own.stream);
    EXPECT_EQ(result, ncclInvalidUsage);
    ncclResult_t later = ncclSuccess;
    EXPECT_EQ(ncclCommGetAsyncError(communicator, &later), ncclSuccess);
    EXPECT_EQ(later, ncclInvalidUsage);
  });
}

TEST_F(Nccl, DoesNotWaitForEverForARank) {
  setenv("SLIPSTREAM_EMULATOR_POLL_SECONDS", "1", 1);
  ncclComm_t communicator = nullptr;
  EXPECT_EQ(ncclCommInitRank(&communicator, 3, new_id(), 1), ncclRemoteError);
  EXPECT_TRUE(says("ranks 0, 2 of 3 did not come to ncclCommInitRankConfig within 1 seconds"));
  unsetenv("SLIPSTREAM_EMULATOR_POLL_SECONDS");
}

TEST_F(Nccl, WakesWhoWaitsWhenAnotherThreadAborts) {
  ncclComm_t communicator = nullptr;
  std::thread waiter([&] {
    EXPECT_EQ(ncclCommInitRank(&communicator, 2, new_id(), 0), ncclRemoteError);
    EXPECT_TRUE(says("rank 0 has aborted"));
  });
  ncclComm_t seen = nullptr;
  while ((seen = std::atomic_ref(communicator).load(std::memory_order_acquire)) == nullptr) {
    std::this_thread::yield();
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(ncclCommAbort(seen), ncclSuccess);
  waiter.join();
}

TEST_F(Nccl, TellsOtherRanksOfAnAbort) {
  const ncclUniqueId id = new_id();
  each(2, [&](int rank) {
    const TestDevice& own = devices_[rank];
    ncclComm_t communicator = nullptr;
    ASSERT_EQ(ncclCommInitRank(&communicator, 2, id, rank), ncclSuccess);
    if (rank == 0) {
      EXPECT_EQ(ncclCommAbort(communicator), ncclSuccess);
      return;
    }
    EXPECT_EQ(ncclAllGather(own.words, own.words + 64, 1, ncclInt32, communicator, own.stream),
              ncclRemoteError);
    EXPECT_TRUE(says("rank 0 has aborted"));
    EXPECT_EQ(ncclCommDestroy(communicator), ncclSuccess);
  });
}

TEST_F(Nccl, DoesNotBlockWhereItIsToldNotTo) {
  const ncclUniqueId id = new_id();
  ncclConfig_t config = not_blocking();
  std::array<ncclComm_t, 2> communicators{};
  ncclResult_t result = ncclSuccess;
  devices_[0].use();
  EXPECT_EQ(ncclCommInitRankConfig(&communicators[0], 2, id, 0, &config), ncclInProgress);
  EXPECT_EQ(ncclCommGetAsyncError(communicators[0], &result), ncclSuccess);
  EXPECT_EQ(result, ncclInProgress);
  devices_[1].use();
  EXPECT_EQ(ncclCommInitRankConfig(&communicators[1], 2, id, 1, &config), ncclSuccess);
  EXPECT_EQ(ncclCommGetAsyncError(communicators[0], &result), ncclSuccess);
  EXPECT_EQ(result, ncclSuccess);
  for (ncclComm_t communicator : communicators) {
    EXPECT_EQ(ncclCommDestroy(communicator), ncclSuccess);
  }
}

}  // namespace
}  // namespace slipstream::devices_test
