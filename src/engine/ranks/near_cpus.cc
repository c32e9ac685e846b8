#include "engine/ranks/near_cpus.h"

#include <cuda_runtime_api.h>
#include <sched.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <fstream>
#include <sstream>

namespace slipstream::engine {
namespace {

// "0-3,8,10-11"; none if it is anything else.
std::vector<int> parse_cpu_list(const std::string& text) {
  std::vector<int> result;
  std::istringstream ranges(text);
  for (std::string range; std::getline(ranges, range, ',');) {
    const char* const end = range.data() + range.size();
    int first = 0;
    const auto [dash, error] = std::from_chars(range.data(), end, first);
    int last = first;
    const char* parsed = dash;
    if (dash != end && *dash == '-') parsed = std::from_chars(dash + 1, end, last).ptr;
    const bool is_range = error == std::errc() && parsed == end && first >= 0 && last >= first;
    if (!is_range || last >= CPU_SETSIZE) return {};
    for (int cpu = first; cpu <= last; ++cpu) result.push_back(cpu);
  }
  return result;
}

std::string first_line(const std::string& file) {
  std::string line;
  std::getline(std::ifstream(file), line);
  return line;
}

}  // namespace

std::vector<int> cpus_near(const std::string& bus_id, const std::string& sysfs) {
  std::string device = bus_id;
  std::ranges::transform(device, device.begin(), [](unsigned char c) { return std::tolower(c); });
  const std::string node = first_line(sysfs + "/bus/pci/devices/" + device + "/numa_node");
  // -1 is what a machine of one node says, or one that does not know.
  if (node.empty() || node.front() == '-') return {};
  return parse_cpu_list(first_line(sysfs + "/devices/system/node/node" + node + "/cpulist"));
}

void keep_thread_on(const std::vector<int>& cpus) noexcept {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  cpu_set_t wanted;
  CPU_ZERO(&wanted);
  for (const int cpu : cpus) {
    if (CPU_ISSET(cpu, &allowed)) CPU_SET(cpu, &wanted);
  }
  if (CPU_COUNT(&wanted) > 0) (void)sched_setaffinity(0, sizeof wanted, &wanted);
}

void keep_thread_near_gpu() noexcept {
  try {
    int device = 0;
    std::array<char, 32> bus_id{};
    if (cudaGetDevice(&device) != cudaSuccess) return;
    if (cudaDeviceGetPCIBusId(bus_id.data(), bus_id.size(), device) != cudaSuccess) return;
    keep_thread_on(cpus_near(bus_id.data()));
  } catch (const std::exception&) {
    // Out of memory: the thread stays where it is.
  }
}

}  // namespace slipstream::engine
