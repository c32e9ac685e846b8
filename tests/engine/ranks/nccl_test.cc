#include "engine/ranks/nccl.h"

#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "pdl/device_buffer.h"
#include "slipstream/error.h"

namespace slipstream::engine::test {
namespace {

constexpr const char* kNeeded =
    "several ranks need NCCL 2.28.3 or later, libnccl.so.2 (of the packages libnccl2 or "
    "nvidia-nccl-cu13) on the library path or named by SLIPSTREAM_NCCL";

// A variable of the environment, for the life of the object.
class Setting {
 public:
  Setting(const char* name, const char* value) : name_(name) { setenv(name, value, 1); }
  ~Setting() { unsetenv(name_); }
  Setting(const Setting&) = delete;
  Setting& operator=(const Setting&) = delete;

 private:
  const char* name_;
};

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return "";
}

std::string error_of_loading(const char* file) {
  return error_of([&] { const Nccl nccl(file); });
}

TEST(Nccl, SaysWhatIsNeededWhereItIsMissing) {
  const std::string message = error_of_loading("libnccl-that-is-not-there.so.2");
  EXPECT_TRUE(message.starts_with(kNeeded)) << message;
  EXPECT_NE(message.find("libnccl-that-is-not-there.so.2: cannot open"), std::string::npos)
      << message;
}

TEST(Nccl, RefusesOneThatIsTooOld) {
  const Setting version("FAKE_NCCL_VERSION", "22705");
  EXPECT_EQ(error_of_loading(FAKE_NCCL),
            std::string(kNeeded) + "; is NCCL 2.27.5 (" + FAKE_NCCL + ")");
}

TEST(Nccl, RefusesALibraryThatIsNone) {
  EXPECT_EQ(error_of_loading("libc.so.6"),
            std::string(kNeeded) + "; what was found has no ncclGetVersion");
}

TEST(Nccl, RefusesOneWithoutAFunctionThatItsVersionHas) {
  EXPECT_EQ(error_of_loading(FAKE_NCCL_WITHOUT_POINTERS), std::string(kNeeded) + "; NCCL 2.29.2 (" +
                                                              FAKE_NCCL_WITHOUT_POINTERS +
                                                              ") has no ncclGetPeerDevicePointer");
}

// Versions whose windows nobody has looked at are not guessed at.
TEST(Nccl, RefusesVersionsBetweenThoseItKnows) {
  const Setting version("FAKE_NCCL_VERSION", "22900");
  EXPECT_EQ(error_of_loading(FAKE_NCCL), std::string(kNeeded) +
                                             ", and not one between 2.28 and 2.29.2; is NCCL "
                                             "2.29.0 (" +
                                             FAKE_NCCL + ")");
}

TEST(Nccl, SwitchesMulticastOffUnlessTheUserSays) {
  unsetenv("NCCL_NVLS_ENABLE");
  const Nccl first(FAKE_NCCL);
  EXPECT_STREQ(std::getenv("NCCL_NVLS_ENABLE"), "0");
  const Setting kept("NCCL_NVLS_ENABLE", "2");
  const Nccl second(FAKE_NCCL);
  EXPECT_STREQ(std::getenv("NCCL_NVLS_ENABLE"), "2");
}

TEST(Nccl, TakesAMissingWindowForAnError) {
  const Nccl nccl(FAKE_NCCL);
  const Setting none("FAKE_NCCL_NO_WINDOW", "1");
  int memory = 0;
  const std::string message = error_of([&] { (void)nccl.open_window(nullptr, &memory, 4); });
  EXPECT_TRUE(
      message.starts_with("ncclCommWindowRegister gave no window: every GPU must reach "
                          "every other one by peer access"))
      << message;
}

TEST(Nccl, NamesAPeerThatCannotBeReached) {
  const Nccl nccl(FAKE_NCCL);
  const Setting lonely("FAKE_NCCL_LONELY", "1");
  const std::string message = error_of([&] { (void)nccl.peer_address(nullptr, 0, 3); });
  EXPECT_TRUE(message.starts_with(
      "the window of rank 3 must be in the address space of rank 0's GPU, is not"))
      << message;
}

TEST(Nccl, SaysWhatNcclSays) {
  const Nccl nccl(FAKE_NCCL);
  EXPECT_EQ(error_of([&] { (void)nccl.allocate(4); }),
            std::string("ncclMemAlloc: unhandled cuda error: Cuda failure 'out of memory' (NCCL "
                        "2.29.2 (") +
                FAKE_NCCL + "); NCCL_DEBUG=INFO has it say more)");
}

// What a window's handle of 2.28 points to.
struct Layout {
  uint64_t host = 0x1234;
  uint64_t base = uint64_t{7} << 40;
  int32_t rank = 1;
  int32_t world_rank = 1;
  uint32_t stride = 3;
  uint32_t multicast = 9;
};

TEST(Nccl, ReadsThePeersAddressesWhereNoFunctionGivesThem) {
  const Setting version("FAKE_NCCL_VERSION", "22809");
  const Nccl nccl(FAKE_NCCL_WITHOUT_POINTERS);
  DeviceBuffer window(sizeof(Layout));
  Layout layout;
  window.copy_from_host(&layout, sizeof layout);
  auto* const handle = static_cast<NcclWindow*>(window.data());
  for (int peer = 0; peer < 4; ++peer) {
    EXPECT_EQ(reinterpret_cast<uint64_t>(nccl.peer_address(handle, 1, peer)),
              (uint64_t{7} << 40) + peer * (uint64_t{3} << 32));
  }
  // Of another node: its ranks are counted from 0 again.
  layout.world_rank = 5;
  window.copy_from_host(&layout, sizeof layout);
  EXPECT_NE(error_of([&] { (void)nccl.peer_address(handle, 5, 0); }).find("must be in the address"),
            std::string::npos);
}

}  // namespace
}  // namespace slipstream::engine::test
