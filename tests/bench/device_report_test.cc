// What `slipstream info --json` says about the device and PDL.
#include "bench/device_report.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "io/json_reader.h"
#include "slipstream/error.h"

namespace slipstream::bench {
namespace {

using Pdl = DeviceReport::Pdl;

class Device : public testing::Test {
 protected:
  void TearDown() override { unsetenv("SLIPSTREAM_PDL"); }
};

TEST_F(Device, NamesTheDeviceAndTheVersionsOfDriverAndRuntime) {
  const auto report = io::JsonReader::parse(to_json(device_report()).text(), "report");
  EXPECT_FALSE(report.object("device").text("name").empty());
  EXPECT_EQ(report.object("device").text("compute_capability"), "9.0");
  EXPECT_GT(report.object("device").integer("multiprocessors"), 0);
  EXPECT_EQ(report.text("runtime").substr(0, 3), "13.");
  EXPECT_FALSE(report.text("driver").empty());
}

TEST_F(Device, SaysThatPdlIsOnWhereNothingStandsAgainstIt) {
  const Pdl pdl = device_report().pdl;
  EXPECT_TRUE(pdl.on);
  EXPECT_EQ(pdl.reason,
            "the device supports it, it is not switched off, and kernels that wait are loaded "
            "from an image for sm_90 or later");
}

TEST_F(Device, SaysThatTheEnvironmentSwitchesPdlOff) {
  setenv("SLIPSTREAM_PDL", "0", 1);
  const Pdl pdl = device_report().pdl;
  EXPECT_FALSE(pdl.on);
  EXPECT_TRUE(pdl.supported);
  EXPECT_EQ(pdl.reason, "switched off by SLIPSTREAM_PDL=0");
}

TEST_F(Device, RefusesASwitchThatIsNeitherOnNorOff) {
  setenv("SLIPSTREAM_PDL", "maybe", 1);
  EXPECT_THROW(static_cast<void>(device_report()), InvalidArgument);
}

}  // namespace
}  // namespace slipstream::bench
