#include "cli/info.h"

#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "bench/device_report.h"
#include "code/fatbin.h"
#include "slipstream/ops.h"
#include "step/kernels/registry.h"

namespace slipstream::cli {
namespace {

// The architectures of the images embedded in the running program: "sm_90a", "compute_90a".
std::set<std::string> embedded_architectures() {
  std::set<std::string> names;
  for (const auto& image : code::read_image_file("/proc/self/exe")) {
    names.insert(code::architecture_name(image));
  }
  return names;
}

nlohmann::json build_report() {
  nlohmann::json report;
  report["version"] = SLIPSTREAM_VERSION;
  report["architectures"] = embedded_architectures();
  for (const auto& part : {ops::kernel_declarations(), step::kernel_declarations()}) {
    for (const pdl::KernelDeclaration* declaration : part) {
      report["kernels"].push_back({{"name", declaration->name}, {"waits", declaration->waits}});
    }
  }
  return report;
}

void print_for_people(const nlohmann::json& report) {
  const nlohmann::json& device = report["device"];
  if (device.is_null()) {
    fmt::print("device         none: {}\n", report["error"].get<std::string>());
  } else {
    fmt::print("device         {} (number {}, compute capability {})\n",
               device["name"].get<std::string>(), device["index"].get<int>(),
               device["compute_capability"].get<std::string>());
    fmt::print("               {} multiprocessors, {:.1f} GiB, {:.0f} MiB of L2, up to {} MHz\n",
               device["multiprocessors"].get<int>(),
               device["memory_bytes"].get<double>() / (1 << 30),
               device["l2_bytes"].get<double>() / (1 << 20), device["max_clock_mhz"].get<int>());
    fmt::print("PDL            {}: {}\n", report["pdl"]["on"].get<bool>() ? "on" : "off",
               report["pdl"]["reason"].get<std::string>());
  }
  fmt::print("driver         {}\nruntime        {}\n", report.value("driver", "none"),
             report.value("runtime", "none"));
  const nlohmann::json& build = report["build"];
  fmt::print("build          {}, images for", build["version"].get<std::string>());
  for (const auto& name : build["architectures"]) fmt::print(" {}", name.get<std::string>());
  fmt::print("\nkernels       ");
  std::string separator;
  for (const auto& kernel : build["kernels"]) {
    fmt::print("{} {}{}", separator, kernel["name"].get<std::string>(),
               kernel["waits"].get<bool>() ? "" : " (does not wait)");
    separator = "\n              ";
  }
  fmt::print("\n");
}

}  // namespace

void add_info_command(const Command& program) {
  auto as_json = std::make_shared<bool>(false);
  const Command command = program.add_command(
      "info",
      "Show the device, the versions of driver and runtime, whether kernels are chained by PDL and "
      "which condition decides it, and the kernels and architectures in this build.");
  command.add_flag("--json", *as_json, "Print JSON");
  command.set_action([as_json] {
    nlohmann::json report = bench::device_report();
    report["build"] = build_report();
    if (*as_json) {
      fmt::print("{}\n", report.dump(2));
    } else {
      print_for_people(report);
    }
    return 0;
  });
}

}  // namespace slipstream::cli
