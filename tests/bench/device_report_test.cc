// What `slipstream info --json` says about the device and PDL.
#include "bench/device_report.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>

#include "slipstream/error.h"

namespace slipstream::bench {
namespace {

class DeviceReport : public testing::Test {
 protected:
  void TearDown() override { unsetenv("SLIPSTREAM_PDL"); }
};

TEST_F(DeviceReport, NamesTheDeviceAndTheVersionsOfDriverAndRuntime) {
  const nlohmann::json report = device_report();
  EXPECT_FALSE(report["device"]["name"].get<std::string>().empty());
  EXPECT_EQ(report["device"]["compute_capability"], "9.0");
  EXPECT_GT(report["device"]["multiprocessors"].get<int>(), 0);
  EXPECT_EQ(report["runtime"].get<std::string>().substr(0, 3), "13.");
  EXPECT_FALSE(report["driver"].get<std::string>().empty());
}

TEST_F(DeviceReport, SaysThatPdlIsOnWhereNothingStandsAgainstIt) {
  const nlohmann::json pdl = device_report()["pdl"];
  EXPECT_EQ(pdl["on"], true);
  EXPECT_EQ(pdl["reason"],
            "the device supports it, it is not switched off, and kernels that wait are loaded "
            "from an image for sm_90 or later");
}

TEST_F(DeviceReport, SaysThatTheEnvironmentSwitchesPdlOff) {
  setenv("SLIPSTREAM_PDL", "0", 1);
  const nlohmann::json pdl = device_report()["pdl"];
  EXPECT_EQ(pdl["on"], false);
  EXPECT_EQ(pdl["supported"], true);
  EXPECT_EQ(pdl["reason"], "switched off by SLIPSTREAM_PDL=0");
}

TEST_F(DeviceReport, RefusesASwitchThatIsNeitherOnNorOff) {
  setenv("SLIPSTREAM_PDL", "maybe", 1);
  EXPECT_THROW(static_cast<void>(device_report()), InvalidArgument);
}

}  // namespace
}  // namespace slipstream::bench
