#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <exception>

#include "emulator/device/device.h"
#include "emulator/machine/global_memory.h"

namespace slipstream::emulator {
namespace {

// In a process of its own, under a limit of addresses that the memory alone could take half of.
TEST(DeviceMemory, LeavesAddressesForTheRaceCheck) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer needs the address space";
#endif
  const auto check_with_few_addresses = [] {
    const rlimit limit{200ULL << 30, 200ULL << 30};
    setrlimit(RLIMIT_AS, &limit);
    Settings settings;
    settings.check_races = true;
    try {
      const Device device(settings);
    } catch (const std::exception& error) {
      (void)std::fputs(error.what(), stderr);
      _exit(1);
    }
    _exit(42);
  };
  EXPECT_EXIT(check_with_few_addresses(), testing::ExitedWithCode(42), "");
}

TEST(DeviceMemory, FailsBeyondItsCapacity) {
  Settings settings;
  settings.memory_bytes = 1 << 20;
  Device device(settings);
  const uint64_t first = device.allocate(1 << 19, MemoryKind::kDevice, "a");
  ASSERT_NE(first, 0U);
  EXPECT_EQ(device.allocate((1 << 19) + 1, MemoryKind::kDevice, "b"), 0U);
  EXPECT_NE(device.allocate(1 << 20, MemoryKind::kPinned, "host memory does not count"), 0U);
  EXPECT_TRUE(device.free(first));
  EXPECT_FALSE(device.free(first));
  EXPECT_EQ(device.bytes_in_use(), 0U);
}
// A page is remembered for each; looking through all of them for each new one took ten times as long.
TEST(DeviceMemory, IsGivenAndTakenBackInConstantTime) {
  Device device{Settings{}};
  // Of the processor: what other programs do meanwhile must not decide.
  const auto clocks_for = [&](int cycles) {
    const std::clock_t start = std::clock();
    for (int i = 0; i < cycles; ++i) {
      EXPECT_TRUE(device.free(device.allocate(16, MemoryKind::kDevice, "a")));
    }
    return std::clock() - start;
  };
  const std::clock_t first = clocks_for(4000);
  (void)clocks_for(32000);
  EXPECT_LT(std::min(clocks_for(4000), clocks_for(4000)), 5 * first);
}

TEST(DeviceMemory, FindsTheAllocationAroundAnAddress) {
  Device device{Settings{}};
  const uint64_t address = device.allocate(100, MemoryKind::kDevice, "a");
  EXPECT_EQ(device.find(address + 99)->address, address);
  EXPECT_FALSE(device.find(address + 100));
  EXPECT_EQ(address % 512, 0U);
}

TEST(DeviceMemory, ThatIsMappedIsForTheDevicesItIsMappedForAlone) {
  constexpr uint64_t kSize = 1 << 21;
  GlobalMemory memory(1ULL << 34U, /*devices=*/2);
  const uint64_t address = memory.reserve_addresses(2 * kSize, kSize);
  EXPECT_EQ(address % kSize, 0U);
  Allocation second_half;
  second_half.address = address + kSize;
  second_half.size = kSize;
  second_half.device = 0;
  second_half.shared_with = 0b10;
  memory.map(address, {second_half});
  EXPECT_EQ(memory.range_for(1, address + kSize).size, kSize);
  EXPECT_EQ(memory.range_for(1, address).size, 0U) << "nothing is mapped there";
  EXPECT_EQ(memory.range_for(0, address + kSize).size, 0U) << "not even for its own device";
  EXPECT_GE(memory.allocate(1, MemoryKind::kDevice, "next"), address + 2 * kSize);
  memory.free_addresses(address);
  EXPECT_EQ(memory.range_for(1, address + kSize).size, 0U);
}

TEST(DeviceMemory, ChecksCopies) {
  Device device{Settings{}};
  const uint64_t address = device.allocate(64, MemoryKind::kDevice, "a");
  std::vector<uint8_t> host(128, 7);
  const auto source = reinterpret_cast<uint64_t>(host.data());
  device.copy(address, source, 64);
  EXPECT_THROW(device.copy(address, source, 65), LaunchError);
  device.fill(address, 0x01020304, 4, 16);
  uint32_t value = 0;
  std::memcpy(&value, reinterpret_cast<const void*>(address + 60), 4);
  EXPECT_EQ(value, 0x01020304U);
}

TEST(DeviceMemory, AcceptsRegisteredHostMemoryOnce) {
  Device device{Settings{}};
  std::vector<uint8_t> host(4096);
  EXPECT_TRUE(device.register_host(host.data(), host.size()));
  EXPECT_FALSE(device.register_host(host.data() + 8, 8));
  EXPECT_EQ(device.find(reinterpret_cast<uint64_t>(host.data()))->kind, MemoryKind::kRegistered);
  EXPECT_TRUE(device.unregister_host(host.data()));
  EXPECT_FALSE(device.unregister_host(host.data()));
}

}  // namespace
}  // namespace slipstream::emulator
