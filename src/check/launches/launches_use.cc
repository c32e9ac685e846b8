#include "check/launches/launches_use.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace slipstream::check {
namespace {

// Why `kernel` has no such parameter, or nothing.
std::optional<std::string> recorded_fault_of(const ParameterRole& role, const std::string& kernel,
                                             const std::vector<code::Parameter>& parameters) {
  if (!role.variable.empty()) return std::nullopt;
  if (role.index >= parameters.size()) {
    return fmt::format("\"index\" must be less than {}, the number of parameters of {}, is {}",
                       parameters.size(), kernel, role.index);
  }
  const uint32_t bytes = parameters[role.index].bytes;
  if (!role.offset || *role.offset < bytes) return std::nullopt;
  return fmt::format("\"offset\" must be less than {}, the bytes of parameter {} of {}, is {}",
                     bytes, role.index, kernel, *role.offset);
}

}  // namespace

LaunchesUse::LaunchesUse(const Launches& launches)
    : launches_(launches), entries_(launches.kernels.size()), reached_(launches.edges.size()) {}

void LaunchesUse::note(const std::string& mangled, const std::string& demangled,
                       const std::vector<code::Parameter>* parameters) {
  bool is_first = true;  // the entry that counts for the kernel
  for (size_t i = 0; i < entries_.size(); ++i) {
    const KernelLaunch& launch = launches_.kernels[i];
    if (!launch.matches(mangled, demangled)) continue;
    Entry& entry = entries_[i];
    for (size_t p = 0; is_first && parameters != nullptr && p < launch.roles.size(); ++p) {
      std::optional<std::string> fault = recorded_fault_of(launch.roles[p], demangled, *parameters);
      if (entry.faults.size() <= p) {
        entry.faults.push_back(std::move(fault));
      } else if (!fault) {
        entry.faults[p] = std::nullopt;
      }
    }
    entry.names_kernel = true;
    is_first = false;
  }
  for (size_t i = 0; i < launches_.edges.size(); ++i) {
    reached_[i] = reached_[i] || names_kernel(launches_.edges[i].to, mangled, demangled);
  }
}

std::vector<std::string> LaunchesUse::complaints() const {
  std::vector<std::string> result = unused_names();
  for (size_t i = 0; i < entries_.size(); ++i) {
    for (size_t p = 0; p < entries_[i].faults.size(); ++p) {
      const std::optional<std::string>& fault = entries_[i].faults[p];
      if (fault) result.push_back(fmt::format("kernels[{}].parameters[{}]: {}", i, p, *fault));
    }
  }
  return result;
}

std::vector<std::string> LaunchesUse::unused_names() const {
  std::vector<std::string> result;
  if (launches_.recorded) {
    const bool used = std::any_of(entries_.begin(), entries_.end(),
                                  [](const Entry& entry) { return entry.names_kernel; });
    if (!used) result.emplace_back("of the kernels that were recorded none is in what was checked");
    return result;
  }
  for (size_t i = 0; i < entries_.size(); ++i) {
    if (entries_[i].names_kernel) continue;
    result.push_back(fmt::format(R"(kernels[{}]: "name" must be that of a kernel, "{}" is of none)",
                                 i, launches_.kernels[i].pattern));
  }
  for (size_t i = 0; i < launches_.edges.size(); ++i) {
    if (reached_[i]) continue;
    result.push_back(fmt::format(R"(edges[{}]: "to" must be the name of a kernel, "{}" is of none)",
                                 i, launches_.edges[i].to));
  }
  return result;
}

}  // namespace slipstream::check
