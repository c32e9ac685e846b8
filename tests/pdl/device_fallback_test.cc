#include "pdl/device_fallback.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <string>

namespace slipstream {
namespace {

TEST(LibraryPath, GetsTheFolderInFrontOnce) {
  EXPECT_EQ(library_path_with("", "/e"), "/e");
  EXPECT_EQ(library_path_with("/a:/b", "/e"), "/e:/a:/b");
  EXPECT_EQ(library_path_with("/a:/e:/b", "/e"), "/e:/a:/b");
}

TEST(LibraryPath, LosesTheFolder) {
  EXPECT_EQ(library_path_without("/e:/a:/e", "/e"), "/a");
  EXPECT_EQ(library_path_without("/e", "/e"), "");
}

TEST(ChooseDevice, RefusesAnUnknownDevice) {
  std::array<char*, 1> arguments = {nullptr};
  EXPECT_EXIT(
      {
        setenv("SLIPSTREAM_DEVICE", "quantum", 1);
        choose_device(0, arguments.data());
      },
      testing::ExitedWithCode(2), "SLIPSTREAM_DEVICE must be gpu or emulated, it is 'quantum'");
}

// The new process runs this very program, with an argument that makes it end well without running a
// test.
TEST(ChooseDevice, StartsTheProgramAgainForTheEmulatedDevice) {
  std::string name = "again";
  std::string list = "--gtest_list_tests";
  std::array<char*, 3> arguments = {name.data(), list.data(), nullptr};
  EXPECT_EXIT(
      {
        setenv("SLIPSTREAM_DEVICE", "emulated", 1);
        unsetenv("LD_LIBRARY_PATH");
        choose_device(2, arguments.data());
        std::exit(3);
      },
      testing::ExitedWithCode(0), "SLIPSTREAM_DEVICE=emulated, running on the emulated device");
}

TEST(ChooseDevice, ReturnsOnceTheEmulatedDeviceIsThere) {
  std::array<char*, 1> arguments = {nullptr};
  EXPECT_EXIT(
      {
        setenv("SLIPSTREAM_DEVICE", "emulated", 1);
        setenv("LD_LIBRARY_PATH", emulator_directory().c_str(), 1);
        choose_device(0, arguments.data());
        std::exit(4);
      },
      testing::ExitedWithCode(4), "");
}

}  // namespace
}  // namespace slipstream
