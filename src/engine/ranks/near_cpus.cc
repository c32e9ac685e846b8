#include "engine/ranks/near_cpus.h"

#include <cuda_runtime_api.h>
#include <sched.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <fstream>
#include <optional>
#include <sstream>

namespace slipstream::engine {
namespace {

std::optional<int> parse_cpu(const std::string& text) {
  const char* const end = text.data() + text.size();
  int cpu = 0;
  const auto [parsed, error] = std::from_chars(text.data(), end, cpu);
  const bool is_cpu = error == std::errc() && parsed == end && cpu >= 0 && cpu < CPU_SETSIZE;
  return is_cpu ? std::make_optional(cpu) : std::nullopt;
}

// "0-3,8,10-11"; none if it is anything else.
std::vector<int> parse_cpu_list(const std::string& text) {
  std::vector<int> result;
  std::istringstream ranges(text);
  for (std::string range; std::getline(ranges, range, ',');) {
    const size_t dash = range.find('-');
    const std::optional<int> first = parse_cpu(range.substr(0, dash));
    const std::optional<int> last =
        dash == std::string::npos ? first : parse_cpu(range.substr(dash + 1));
    if (!first || !last || *last < *first) return {};
    for (int cpu = *first; cpu <= *last; ++cpu) result.push_back(cpu);
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
