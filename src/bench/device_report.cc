#include "bench/device_report.h"

#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include <cstdlib>

#include "slipstream/launch.h"

namespace slipstream::bench {
namespace {

std::string version(int number) { return fmt::format("{}.{}", number / 1000, number % 1000 / 10); }

// Whether launches carry the PDL attribute, and which condition decides it.
nlohmann::json pdl_report(int device, int major, int minor) {
  const bool switched_on = pdl::enabled(nullptr);
  const bool supported = pdl::supports_pdl(device);
  std::string reason;
  if (!supported) {
    reason = fmt::format("compute capability {}.{} is below 9.0", major, minor);
  } else if (!switched_on) {
    reason = "switched off by SLIPSTREAM_PDL=0";
  } else {
    reason =
        "the device supports it, it is not switched off, and kernels that wait are loaded "
        "from an image for sm_90 or later";
  }
  return {{"on", supported && switched_on}, {"supported", supported}, {"reason", reason}};
}

}  // namespace

nlohmann::json device_report() {
  nlohmann::json report;
  int runtime = 0;
  int driver = 0;
  if (cudaRuntimeGetVersion(&runtime) == cudaSuccess) report["runtime"] = version(runtime);
  if (cudaDriverGetVersion(&driver) == cudaSuccess && driver > 0)
    report["driver"] = version(driver);
  int device = 0;
  cudaDeviceProp properties{};
  cudaError_t code = cudaGetDevice(&device);
  if (code == cudaSuccess) code = cudaGetDeviceProperties(&properties, device);
  if (code != cudaSuccess) {
    (void)cudaGetLastError();
    report["device"] = nullptr;
    report["error"] = cudaGetErrorString(code);
    return report;
  }
  int clock_kilohertz = 0;
  (void)cudaDeviceGetAttribute(&clock_kilohertz, cudaDevAttrClockRate, device);
  report["device"] = {
      {"index", device},
      {"name", properties.name},
      {"compute_capability", fmt::format("{}.{}", properties.major, properties.minor)},
      {"multiprocessors", properties.multiProcessorCount},
      {"memory_bytes", properties.totalGlobalMem},
      {"l2_bytes", properties.l2CacheSize},
      {"max_clock_mhz", clock_kilohertz / 1000}};
  report["pdl"] = pdl_report(device, properties.major, properties.minor);
  return report;
}

std::string device_summary() {
  const nlohmann::json report = device_report();
  if (report["device"].is_null()) {
    return fmt::format("no CUDA device: {}", report["error"].get<std::string>());
  }
  const nlohmann::json& device = report["device"];
  return fmt::format(
      "{}, compute capability {}, {} multiprocessors, driver {}, runtime {}, PDL {}",
      device["name"].get<std::string>(), device["compute_capability"].get<std::string>(),
      device["multiprocessors"].get<int>(), report.value("driver", "unknown"),
      report.value("runtime", "unknown"), report["pdl"]["on"].get<bool>() ? "on" : "off");
}

}  // namespace slipstream::bench
