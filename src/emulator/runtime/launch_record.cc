#include "emulator/runtime/launch_record.h"

#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "emulator/runtime/runtime.h"
#include "record/recording.h"
#include "record/recording_file.h"

namespace slipstream::emulator::runtime {
namespace {

struct Submitted {
  std::string kernel;
  record::Place place;
};

struct Launches {
  std::mutex mutex;
  record::Recording recording;
  std::unordered_map<Ticket, Submitted> submitted;
};

Launches& launches() {
  static auto* all = new Launches;  // never destroyed: written at the process's end
  return *all;
}

uint64_t allocation_of(uint64_t address) {
  const std::optional<Allocation> allocation = device().find(address);
  return allocation.has_value() ? allocation->address : 0;
}

std::vector<record::Pointer> pointers_in(const KernelLaunch& launch) {
  std::vector<record::Pointer> result;
  const std::vector<KernelParameter> parameters = device().kernel_parameters(launch.kernel);
  for (size_t i = 0; i < parameters.size(); ++i) {
    const std::span<const uint8_t> value(launch.parameters.data() + parameters[i].offset,
                                         parameters[i].size);
    record::append_pointers(static_cast<uint32_t>(i), std::as_bytes(value), allocation_of, result);
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
      all.recording.add_launch_completion(all.submitted[dependency.ticket].kernel, name);
    } else if (dependency.kind != DependencyKind::kFull) {
      released_by.push_back(all.submitted[dependency.ticket].place);
    }
  }
  if (programmatic && released_by.empty()) released_by.emplace_back();
  all.submitted[ticket] = {name, all.recording.add(recorded, released_by)};
}

void write_launch_record() {
  record::write_launches(launches().recording, settings().record_folder);
}

}  // namespace slipstream::emulator::runtime
