// What this machine and this build are: for `slipstream info` and for the head of every benchmark.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace slipstream::bench {

// Device, driver, runtime, PDL and the condition that decides it. No device is an answer, not an
// error.
[[nodiscard]] nlohmann::json device_report();
// The same in one line.
[[nodiscard]] std::string device_summary();

}  // namespace slipstream::bench
