#include "emulator/runtime/runtime.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <optional>
#include <string>

#include "emulator/runtime/error.h"
#include "emulator/runtime/host_memory.h"
#include "emulator/runtime/race_file.h"

namespace slipstream::emulator::runtime {
namespace {

Settings checked_settings() {
  try {
    return read_settings();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "slipstream emulator: %s\n", error.what());
    std::exit(2);  // a mistyped setting must not silently test something else
  }
}

// Work that may be queued before the oldest half of it runs. Far more than can overlap, and few
// enough to search.
constexpr Ticket kMaxPending = 128;

Schedule machine_schedule(ScheduleKind kind) {
  switch (kind) {
    case ScheduleKind::kOverlapped:
      return Schedule::kOverlapped;
    case ScheduleKind::kAdversarial:
      return Schedule::kAdversarial;
    case ScheduleKind::kSerial:
      break;
  }
  return Schedule::kSerial;
}

void write_report(const std::string& text) {
  std::fflush(stdout);  // keeps the kernel's own output before the report
  std::fputs(text.c_str(), stderr);
  if (settings().report_file.empty()) return;
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(
      std::fopen(settings().report_file.c_str(), "a"), &std::fclose);
  if (file == nullptr) {
    std::fprintf(stderr, "slipstream emulator: cannot write SLIPSTREAM_EMULATOR_REPORT '%s'\n",
                 settings().report_file.c_str());
    return;
  }
  std::fputs(text.c_str(), file.get());
}

emulator::Settings machine_settings() {
  emulator::Settings result;
  // Of each byte of device memory another says whether it was written.
  result.memory_bytes = std::min(result.memory_bytes, host_memory_bytes() / 2);
  result.sm_count = static_cast<uint32_t>(settings().multiprocessors);
  result.threads = static_cast<uint32_t>(settings().threads);
  result.seed = settings().seed;
  result.schedule = machine_schedule(settings().schedule);
  result.report_observation = [](const Fault& fault) { write_report(fault.report()); };
  result.check_races = !settings().race_file.empty();
  // Each finding is also written at once, because a program that is killed writes nothing at its
  // end.
  result.report_race = [](const RaceFinding& finding) {
    write_race_findings(settings().race_file, {finding}, 0);
  };
  return result;
}

void print_statistics() {
  const Statistics statistics = device().statistics();
  std::fprintf(stderr,
               "slipstream emulator: %llu grids, %llu blocks, %llu warp instructions, %llu lane "
               "instructions\n",
               static_cast<unsigned long long>(statistics.grids),
               static_cast<unsigned long long>(statistics.ctas),
               static_cast<unsigned long long>(statistics.warp_instructions),
               static_cast<unsigned long long>(statistics.lane_instructions));
}

void write_final_findings() {
  const Statistics statistics = device().statistics();
  write_race_findings(settings().race_file, device().race_findings(), statistics.grids);
}

void keep(const std::optional<Fault>& fault) {
  if (!fault.has_value()) return;
  if (raise_fault(static_cast<cudaError_t>(fault->error()))) write_report(fault->report());
}

}  // namespace

const Settings& settings() {
  static const Settings* all = new Settings(checked_settings());
  return *all;
}

Device& device() {
  // Never destroyed: programs free device memory from destructors of static objects.
  static Device* only = [] {
    auto* made = new Device(machine_settings());
    if (settings().statistics) std::atexit(print_statistics);
    if (!settings().race_file.empty()) std::atexit(write_final_findings);
    return made;
  }();
  return *only;
}

void run_until(Ticket ticket) {
  keep(device().run_until(ticket));
  device().host_waited(ticket);
}

void run_all() {
  keep(device().run_all());
  device().host_waited_for_all();
}

void submitted(Ticket ticket) {
  if (settings().schedule == ScheduleKind::kSerial) {
    keep(device().run_until(ticket));
  } else if (ticket % kMaxPending == 0) {
    keep(device().run_until(ticket - kMaxPending / 2));
  }
}

}  // namespace slipstream::emulator::runtime
