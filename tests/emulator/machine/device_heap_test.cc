// malloc and free in kernels.
#include "emulator/machine/device_heap.h"

#include <gtest/gtest.h>

#include "emulator/instructions/lane_program.h"

namespace slipstream::emulator {
namespace {

// A kernel that may call malloc and free: %rd1 is the parameter, %rd9 the address of the thread's result.
std::string heap_kernel(std::string_view body) {
  std::string text = module_of(".param .u64 out, .param .u64 argument", fmt::format(R"(
    .param .b64 size, block;
    ld.param.u64 %rd9, [out];
    ld.param.u64 %rd1, [argument];
    mov.u32 %r1, %tid.x;
    mov.u32 %r2, %ctaid.x;
    mov.u32 %r3, %ntid.x;
    mad.lo.u32 %r1, %r2, %r3, %r1;
    mul.wide.u32 %rd8, %r1, 8;
    add.s64 %rd9, %rd9, %rd8;
    {}
    ret;)",
                                                                                    body));
  const std::string externs =
      ".extern .func (.param .b64 result) malloc (.param .b64 bytes);\n"
      ".extern .func free (.param .b64 block);\n";
  return text.insert(text.find(".visible"), externs);
}

constexpr std::string_view kAllocate =
    "st.param.b64 [size], %rd1; call (block), malloc, (size); ld.param.b64 %rd2, [block];\n";
constexpr std::string_view kFree = "st.param.b64 [block], %rd2; call free, (block);\n";

std::string joined(std::initializer_list<std::string_view> parts) {
  std::string text;
  for (const std::string_view part : parts) text += part;
  return text;
}

std::vector<uint64_t> allocate_in(uint32_t threads, uint32_t ctas, uint64_t bytes,
                                  Settings settings) {
  settings.threads = threads;
  TestDevice test(heap_kernel(joined({kAllocate, "st.global.u64 [%rd9], %rd2;"})),
                  std::move(settings));
  const uint64_t out = test.upload(std::vector<uint64_t>(size_t{32} * ctas), "out");
  const auto fault = test.run(test.launch({out, bytes}, {ctas, 1, 1}));
  EXPECT_FALSE(fault) << fault->report();
  return test.download<uint64_t>(out, size_t{32} * ctas);
}

// Addresses relative to the first: each device has its own reservation.
std::vector<uint64_t> offsets(std::vector<uint64_t> addresses) {
  const uint64_t first = addresses.front();
  for (uint64_t& address : addresses) address -= first;
  return addresses;
}

TEST(DeviceHeap, GivesTheSameAddressesOnAnyNumberOfThreads) {
  EXPECT_EQ(offsets(allocate_in(1, 20, 24, {})), offsets(allocate_in(3, 20, 24, {})));
}

TEST(DeviceHeap, ReturnsNullWhenItIsFull) {
  Settings settings;
  settings.heap_bytes = 10 * (64 + 16);
  const auto addresses = allocate_in(1, 1, 64, settings);
  EXPECT_EQ(std::count(addresses.begin(), addresses.end(), 0U), 32 - 10);
  EXPECT_NE(addresses[9], 0U);
  EXPECT_EQ(addresses[10], 0U);
}

std::optional<Fault> run(std::initializer_list<std::string_view> body, uint64_t argument = 16) {
  TestDevice test(heap_kernel(joined(body)));
  return test.run(test.launch({test.upload(std::vector<uint64_t>(32)), argument}, {}, {1, 1, 1}));
}

TEST(DeviceHeap, LetsABlockBeUsedUntilItIsFreed) {
  EXPECT_FALSE(run({kAllocate, "st.u64 [%rd2+8], %rd1; ld.u64 %rd3, [%rd2+8];", kFree}));
  const auto fault = run({kAllocate, kFree, "st.u64 [%rd2+8], %rd1;"});
  ASSERT_TRUE(fault);
  EXPECT_EQ(fault->kind, FaultKind::kUseAfterFree);
  EXPECT_NE(fault->report().find("byte 8 of freed block #1 of the device heap (16 bytes"),
            std::string::npos)
      << fault->report();
}

TEST(DeviceHeap, FindsAccessesPastTheEndOfABlock) {
  const auto fault = run({kAllocate, kAllocate, "st.u64 [%rd2+16], %rd1;"});
  ASSERT_TRUE(fault);
  EXPECT_EQ(fault->kind, FaultKind::kOutOfBounds);
  EXPECT_NE(fault->report().find("0 bytes past the end of block #2 of the device heap"),
            std::string::npos)
      << fault->report();
}

TEST(DeviceHeap, FindsADoubleFree) {
  const auto fault = run({kAllocate, kFree, kFree});
  ASSERT_TRUE(fault);
  EXPECT_EQ(fault->kind, FaultKind::kInvalidFree);
  EXPECT_NE(fault->message.find("was freed before"), std::string::npos) << fault->message;
}

TEST(DeviceHeap, FindsAFreeOfWhatItDidNotGive) {
  const auto fault = run({kAllocate, "add.s64 %rd2, %rd2, 8;", kFree});
  ASSERT_TRUE(fault);
  EXPECT_EQ(fault->kind, FaultKind::kInvalidFree);
  EXPECT_NE(fault->message.find("malloc did not return"), std::string::npos) << fault->message;
}

TEST(DeviceHeap, FreesNullSilently) { EXPECT_FALSE(run({"mov.u64 %rd2, 0;", kFree})); }

TEST(DeviceHeap, UsesAddressesAgainOnlyWhenNoFreshOnesRemain) {
  GlobalMemory memory(1ULL << 34U);
  DeviceHeap heap(memory, 32ULL << 20U);
  ASSERT_TRUE(heap.reserve());
  constexpr uint64_t kBlock = 16ULL << 20U;
  const uint64_t first = heap.allocate(kBlock, 1);
  uint64_t last = first;
  int fresh = 0;
  do {
    ASSERT_EQ(heap.release(last), DeviceHeap::Release::kDone);
    last = heap.allocate(kBlock, 1);
    ASSERT_NE(last, 0U);
    ++fresh;
  } while (last != first && fresh < 100);
  EXPECT_EQ(last, first);
  EXPECT_EQ(fresh, 7) << "the region is four times as large as the heap, less the gaps";
}

TEST(DeviceHeap, KeepsItsSizeOnceItIsUsed) {
  TestDevice test(heap_kernel(kAllocate));
  EXPECT_TRUE(test.device.set_heap_limit(1024));
  EXPECT_EQ(test.device.heap_limit(), 1024U);
  EXPECT_FALSE(test.run(test.launch({0, 16})));
  EXPECT_FALSE(test.device.set_heap_limit(2048));
}

TEST(DeviceHeap, IsNotForTheHost) {
  TestDevice test(heap_kernel(joined({kAllocate, "st.global.u64 [%rd9], %rd2;"})));
  const uint64_t out = test.upload(std::vector<uint64_t>(32));
  ASSERT_FALSE(test.run(test.launch({out, 16}, {}, {1, 1, 1})));
  const uint64_t block = test.download<uint64_t>(out, 1)[0];
  uint64_t value = 0;
  EXPECT_THROW(test.device.copy(reinterpret_cast<uint64_t>(&value), block, 8), LaunchError);
}

}  // namespace
}  // namespace slipstream::emulator
