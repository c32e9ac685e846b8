// What this machine and this build are: for `slipstream info` and for the head of every benchmark.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "io/json_writer.h"

namespace slipstream::bench {

struct DeviceReport {
  struct Device {
    int index = 0;
    std::string name;
    std::string compute_capability;  // "9.0"
    int multiprocessors = 0;
    size_t memory_bytes = 0;
    int l2_bytes = 0;
    int max_clock_mhz = 0;
  };
  // Whether launches carry the PDL attribute, and which condition decides it.
  struct Pdl {
    bool on = false;
    bool supported = false;
    std::string reason;
  };

  std::optional<Device> device;
  Pdl pdl;              // of the device
  std::string error;    // why there is no device
  std::string driver;   // "13.0"; empty where there is none
  std::string runtime;  // likewise
};

// No device is an answer, not an error.
[[nodiscard]] DeviceReport device_report();
[[nodiscard]] io::Json to_json(const DeviceReport& report);
// The same in one line.
[[nodiscard]] std::string summary(const DeviceReport& report);
[[nodiscard]] std::string device_summary();

}  // namespace slipstream::bench
