#include "bench/device_report.h"

#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include <cstdlib>
#include <utility>

#include "slipstream/launch.h"

namespace slipstream::bench {
namespace {

std::string version(int number) { return fmt::format("{}.{}", number / 1000, number % 1000 / 10); }

DeviceReport::Pdl pdl_report(int device, int major, int minor) {
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
  return {.on = supported && switched_on, .supported = supported, .reason = std::move(reason)};
}

const std::string& or_unknown(const std::string& text) {
  static const std::string unknown = "unknown";
  return text.empty() ? unknown : text;
}

}  // namespace

DeviceReport device_report() {
  DeviceReport report;
  int runtime = 0;
  int driver = 0;
  if (cudaRuntimeGetVersion(&runtime) == cudaSuccess) report.runtime = version(runtime);
  if (cudaDriverGetVersion(&driver) == cudaSuccess && driver > 0) report.driver = version(driver);
  int device = 0;
  cudaDeviceProp properties{};
  cudaError_t code = cudaGetDevice(&device);
  if (code == cudaSuccess) code = cudaGetDeviceProperties(&properties, device);
  if (code != cudaSuccess) {
    (void)cudaGetLastError();
    report.error = cudaGetErrorString(code);
    return report;
  }
  int clock_kilohertz = 0;
  (void)cudaDeviceGetAttribute(&clock_kilohertz, cudaDevAttrClockRate, device);
  report.device = {.index = device,
                   .name = properties.name,
                   .compute_capability = fmt::format("{}.{}", properties.major, properties.minor),
                   .multiprocessors = properties.multiProcessorCount,
                   .memory_bytes = properties.totalGlobalMem,
                   .l2_bytes = properties.l2CacheSize,
                   .max_clock_mhz = clock_kilohertz / 1000};
  report.pdl = pdl_report(device, properties.major, properties.minor);
  return report;
}

io::Json to_json(const DeviceReport& report) {
  io::Json json;
  if (!report.runtime.empty()) json["runtime"] = report.runtime;
  if (!report.driver.empty()) json["driver"] = report.driver;
  if (!report.device) {
    json["device"] = io::Json();
    json["error"] = report.error;
    return json;
  }
  const DeviceReport::Device& device = *report.device;
  json["device"] = {{"index", device.index},
                    {"name", device.name},
                    {"compute_capability", device.compute_capability},
                    {"multiprocessors", device.multiprocessors},
                    {"memory_bytes", device.memory_bytes},
                    {"l2_bytes", device.l2_bytes},
                    {"max_clock_mhz", device.max_clock_mhz}};
  json["pdl"] = {
      {"on", report.pdl.on}, {"supported", report.pdl.supported}, {"reason", report.pdl.reason}};
  return json;
}

std::string summary(const DeviceReport& report) {
  if (!report.device) return fmt::format("no CUDA device: {}", report.error);
  return fmt::format("{}, compute capability {}, {} multiprocessors, driver {}, runtime {}, PDL {}",
                     report.device->name, report.device->compute_capability,
                     report.device->multiprocessors, or_unknown(report.driver),
                     or_unknown(report.runtime), report.pdl.on ? "on" : "off");
}

std::string device_summary() { return summary(device_report()); }

}  // namespace slipstream::bench
