#include "cli/info.h"

#include <fmt/format.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "bench/device_report.h"
#include "bench/step_listing.h"
#include "cli/json_output.h"
#include "code/fatbin.h"
#include "io/json_writer.h"
#include "slipstream/ops.h"
#include "slipstream/version.h"
#include "step/kernels/registry.h"
#include "step/kernels/support/step_row.h"

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

std::vector<const pdl::KernelDeclaration*> kernels() {
  std::vector<const pdl::KernelDeclaration*> result;
  for (const auto& part : {ops::kernel_declarations(), step::kernel_declarations()}) {
    result.insert(result.end(), part.begin(), part.end());
  }
  return result;
}

io::Json build_json() {
  io::Json build{{"version", version()},
                 {"commit", commit()},
                 {"architectures", io::Json::array_of(embedded_architectures())}};
  for (const pdl::KernelDeclaration* kernel : kernels()) {
    build["kernels"].push_back({{"name", kernel->name}, {"waits", kernel->waits}});
  }
  return build;
}

void print_device(const bench::DeviceReport& report) {
  if (report.device) {
    const bench::DeviceReport::Device& device = *report.device;
    fmt::print("device         {} (number {}, compute capability {})\n", device.name, device.index,
               device.compute_capability);
    fmt::print("               {} multiprocessors, {:.1f} GiB, {:.0f} MiB of L2, up to {} MHz\n",
               device.multiprocessors, static_cast<double>(device.memory_bytes) / (1 << 30),
               static_cast<double>(device.l2_bytes) / (1 << 20), device.max_clock_mhz);
    fmt::print("PDL            {}: {}\n", report.pdl.on ? "on" : "off", report.pdl.reason);
  } else {
    fmt::print("device         none: {}\n", report.error);
  }
  fmt::print("driver         {}\nruntime        {}\n",
             report.driver.empty() ? "none" : report.driver,
             report.runtime.empty() ? "none" : report.runtime);
}

void print_build() {
  fmt::print("build          {} ({}), images for {}\n", version(), commit(),
             fmt::join(embedded_architectures(), " "));
  const char* heading = "kernels";
  for (const pdl::KernelDeclaration* kernel : kernels()) {
    fmt::print("{:<14} {}{}\n", heading, kernel->name, kernel->waits ? "" : " (does not wait)");
    heading = "";
  }
}

io::Json to_json(const std::vector<bench::ListedLaunch>& launches) {
  io::Json all = io::Json::array();
  for (const bench::ListedLaunch& launch : launches) {
    io::Json one;
    one["launch"] = launch.number;
    one["title"] = launch.title;
    one["bytes"] = launch.bytes;
    one["constants"] = io::Json::array_of(launch.constants);
    one["settled"] = io::Json::array_of(launch.settled);
    one["reads"] = io::Json::array_of(launch.reads);
    one["writes"] = io::Json::array_of(launch.writes);
    all.push_back(std::move(one));
  }
  return all;
}

void show_step(const bench::ListedModel& model, const JsonOutput& json) {
  const bench::StepListing listing = bench::list_model_step(model);
  if (json.prints_text()) fmt::print("{}", bench::listing_text(listing));
  if (!json.wanted()) return;
  io::Json report;
  report["launches"] = listing.launch_count;
  report["bytes"] = listing.bytes;
  io::Json kinds = io::Json::array();
  for (const bench::LayerKind& kind : listing.kinds) {
    io::Json one;
    one["layers"] = io::Json::array_of(kind.layers);
    one["launches"] = to_json(kind.launches);
    kinds.push_back(std::move(one));
  }
  report["kinds"] = std::move(kinds);
  report["after_layers"] = to_json(listing.after_layers);
  json.write(report.text(2));
}

}  // namespace

void add_info_command(const Command& program) {
  auto json_file = std::make_shared<std::string>();
  const Command command = program.add_command(
      "info",
      "Show the device, the versions of driver and runtime, whether kernels are chained by PDL and "
      "which condition decides it, and the kernels and architectures in this build.");
  auto listed = std::make_shared<bench::ListedModel>();
  command.add_option("--step", listed->name_or_file,
                     "Instead: the launches of a decode step of deepseek-v3.2, glm-5, glm-5.2 or a "
                     "config.json, what each reads and writes, and the bytes it moves");
  command.add_option("--tp", listed->tp, "With --step: ranks that share the model (default 1)");
  command.add_option("--tokens", listed->tokens, "With --step: tokens in the step (default 1)");
  command
      .add_option("--drafts", listed->drafts,
                  "With --step: tokens that are drafted for each token's sequence (default 0)")
      .between(0, step::kernels::kMaxDrafts);
  command.add_option("--context", listed->context,
                     "With --step: positions that a token sees (default 8192)");
  command.add_json_option(*json_file, "it");
  command.set_device_action([json_file, listed] {
    const JsonOutput json(*json_file);
    if (!listed->name_or_file.empty()) {
      show_step(*listed, json);
      return 0;
    }
    const bench::DeviceReport device = bench::device_report();
    if (json.prints_text()) {
      print_device(device);
      print_build();
    }
    if (json.wanted()) {
      io::Json report = bench::to_json(device);
      report["build"] = build_json();
      json.write(report.text(2));
    }
    return 0;
  });
}

}  // namespace slipstream::cli
