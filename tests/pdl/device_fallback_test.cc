#include "pdl/device_fallback.h"

#include <gtest/gtest.h>
#include <unistd.h>

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

// As where the dynamic linker ignores the library path: it would start the program for ever.
TEST(ChooseDevice, StartsTheProgramAgainOnlyOnce) {
  std::array<char*, 1> arguments = {nullptr};
  EXPECT_EXIT(
      {
        setenv("SLIPSTREAM_DEVICE", "emulated", 1);
        setenv("SLIPSTREAM_RESTARTED", std::to_string(getpid()).c_str(), 1);
        unsetenv("LD_LIBRARY_PATH");
        choose_device(0, arguments.data());
        std::exit(3);
      },
      testing::ExitedWithCode(2), "must take LD_LIBRARY_PATH from the environment, it does not");
}

TEST(EmulatorFolder, MustHaveNoColonInItsName) {
  EXPECT_EQ(problem_with_emulator("/co:lon/emulator"),
            "the emulated device's folder must have no ':' in its name, which separates the parts "
            "of LD_LIBRARY_PATH, is /co:lon/emulator");
  EXPECT_EQ(problem_with_emulator("/none"),
            "the emulated device needs /none/libcudart.so.13, which is not there");
  EXPECT_EQ(problem_with_emulator(emulator_directory()), "");
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
