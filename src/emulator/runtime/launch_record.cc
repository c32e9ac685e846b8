#include "emulator/runtime/launch_record.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "emulator/runtime/runtime.h"
#include "record/recording.h"

namespace slipstream::emulator::runtime {
namespace {

struct Launches {
  std::mutex mutex;
  record::Recording recording;
  std::unordered_map<Ticket, record::Place> places;
  std::unordered_map<Ticket, std::string> names;
};

Launches& launches() {
  static auto* all = new Launches;  // never destroyed: written at the process's end
  return *all;
}

std::vector<record::Pointer> pointers_in(const KernelLaunch& launch) {
  std::vector<record::Pointer> result;
  const std::vector<KernelParameter> parameters = device().kernel_parameters(launch.kernel);
  for (size_t i = 0; i < parameters.size(); ++i) {
    for (uint32_t offset = 0; offset + sizeof(uint64_t) <= parameters[i].size;
         offset += sizeof(uint64_t)) {
      uint64_t word = 0;
      std::memcpy(&word, launch.parameters.data() + parameters[i].offset + offset, sizeof word);
      const std::optional<Allocation> allocation = device().find(word);
      if (!allocation.has_value()) continue;
      result.push_back({static_cast<uint32_t>(i), offset, word, allocation->address});
    }
  }
  return result;
}

}  // namespace

void record_launch(const KernelLaunch& launch, Ticket ticket, bool programmatic) {
  const std::string name = device().kernel_name(launch.kernel);
  const record::Launch recorded{name, static_cast<uint32_t>(launch.block.count()),
                                pointers_in(launch)};
  Launches& all = launches();
  const std::lock_guard lock(all.mutex);
  std::vector<record::Place> released_by;
  for (const Dependency& dependency : launch.dependencies) {
    if (dependency.kind == DependencyKind::kLaunchCompletion) {
      all.recording.add_launch_completion(all.names[dependency.ticket], name);
    }
    if (dependency.kind != DependencyKind::kProgrammatic) continue;
    released_by.push_back(all.places[dependency.ticket]);
  }
  if (programmatic && released_by.empty()) released_by.emplace_back();
  all.places[ticket] = all.recording.add(recorded, released_by);
  all.names[ticket] = name;
}

void write_launch_record() {
  if (launches().recording.launches() == 0) return;
  const std::string file = fmt::format("{}/launches.{}.json", settings().record_folder, getpid());
  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  out << launches().recording.json();
  out.close();
  if (!out) {
    std::fprintf(stderr, "slipstream emulator: cannot write '%s'\n", file.c_str());
  }
}

}  // namespace slipstream::emulator::runtime
