#include "emulator/runtime/runtime.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "emulator/machine/stop_request.h"
#include "emulator/runtime/error.h"
#include "emulator/runtime/host_memory.h"
#include "emulator/runtime/launch_record.h"
#include "emulator/runtime/race_file.h"
#include "emulator/runtime/stop_signals.h"
#include "io/appended_file.h"
#include "slipstream/error.h"

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

UninitializedReads machine_reads(UnwrittenReads reads) {
  switch (reads) {
    case UnwrittenReads::kAll:
      return UninitializedReads::kReport;
    case UnwrittenReads::kNone:
      return UninitializedReads::kIgnore;
    case UnwrittenReads::kUsed:
      break;
  }
  return UninitializedReads::kReportUses;
}

void write_report(const std::string& text) {
  std::fflush(stdout);  // keeps the kernel's own output before the report
  std::fputs(text.c_str(), stderr);
  if (settings().report_file.empty()) return;
  try {
    io::append_text(settings().report_file, text);
  } catch (const Error& error) {
    std::fprintf(stderr, "slipstream emulator: SLIPSTREAM_EMULATOR_REPORT: %s\n", error.what());
  }
}

emulator::Settings machine_settings() {
  emulator::Settings result;
  result.devices = static_cast<uint32_t>(settings().devices);
  // Of each byte of device memory another says whether it was written.
  result.memory_bytes = std::min(result.memory_bytes, host_memory_bytes() / 2 / result.devices);
  result.sm_count = static_cast<uint32_t>(settings().multiprocessors);
  result.threads = static_cast<uint32_t>(settings().threads);
  result.seed = settings().seed;
  result.schedule = machine_schedule(settings().schedule);
  result.uninitialized_reads = machine_reads(settings().unwritten_reads);
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
               "instructions, %.3f s\n",
               static_cast<unsigned long long>(statistics.grids),
               static_cast<unsigned long long>(statistics.ctas),
               static_cast<unsigned long long>(statistics.warp_instructions),
               static_cast<unsigned long long>(statistics.lane_instructions), statistics.seconds);
}

void write_final_findings() {
  const Statistics statistics = device().statistics();
  write_race_findings(settings().race_file, device().race_findings(), statistics.grids);
}

void keep_faults() {
  for (uint32_t number = 0; number < device().settings().devices; ++number) {
    const std::optional<Fault> fault = device().fault(number);
    if (!fault.has_value()) continue;
    if (raise_fault(number, static_cast<cudaError_t>(fault->error()))) {
      write_report(fault->report());
    }
  }
}

// --- Waiting.

using Clock = std::chrono::steady_clock;

// Since when only polls have been left, as far as anybody has seen.
struct Stillness {
  uint64_t progress = 0;
  Clock::time_point since;
  Clock::time_point seen;
  int chances_to_tell = 0;  // since a signal
};
Stillness stillness;  // guarded by api_lock()

std::condition_variable_any& work_submitted() {
  static auto* all = new std::condition_variable_any;
  return *all;
}

// Lets the polls see that time passes, and stops them when it has been too long.
void stand_still() {
  const Clock::time_point now = Clock::now();
  const uint64_t progress = device().progress();
  if (progress != stillness.progress) stillness = {progress, now, now, stillness.chances_to_tell};
  const bool takes_too_long = now - stillness.since > std::chrono::seconds(settings().poll_seconds);
  if (takes_too_long) {
    device().stop_spinning();
    keep_faults();
    return;
  }
  // As time passes, sleepers wake, and say where they are when they are to stop. There may be none.
  constexpr int kChancesToTell = 3;
  if (requested_stop != 0 && ++stillness.chances_to_tell > kChancesToTell) end_if_stopped();
  const auto passed = now - std::exchange(stillness.seen, now);
  device().pass_time(static_cast<uint64_t>(std::chrono::nanoseconds(passed).count()));
}

// Other threads may wait for what now has happened.
template <class Run>
void run_and_tell(Run run) {
  const StopSignals stop_signals;
  const uint64_t before = device().progress();
  run();
  keep_faults();
  if (device().progress() != before) work_submitted().notify_all();
}

template <class Run, class IsDone>
void wait(Run run, IsDone is_done) {
  const StopSignals stop_signals;
  constexpr std::chrono::milliseconds kLongestRest(64);
  std::chrono::milliseconds rest(1);
  for (;;) {
    run_and_tell(run);
    if (is_done()) return;
    stand_still();
    const uint64_t progress = device().progress();
    const bool has_news = work_submitted().wait_for(
        api_lock(), rest, [&] { return device().progress() != progress; });
    rest = has_news ? std::chrono::milliseconds(1) : std::min(2 * rest, kLongestRest);
  }
}

}  // namespace

uint32_t device_number(int number) {
  require(number >= 0 && number < settings().devices, cudaErrorInvalidDevice);
  return static_cast<uint32_t>(number);
}

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
    if (!settings().record_folder.empty()) std::atexit(write_launch_record);
    return made;
  }();
  return *only;
}

void run_until(Ticket ticket) {
  wait([&] { device().run_until(ticket); }, [&] { return device().completed(ticket); });
  device().host_waited(ticket);
}

void run_all(uint32_t number) {
  wait([&] { device().run_all(number); }, [&] { return device().completed_all(number); });
  device().host_waited_for_all(number);
}

void run_or_drop_all(uint32_t number) {
  run_and_tell([&] { device().run_all(number); });
  device().drop_work(number);
}

bool try_run_until(Ticket ticket) {
  run_and_tell([&] { device().run_until(ticket); });
  if (!device().completed(ticket)) return false;
  device().host_waited(ticket);
  return true;
}

void submitted(Ticket ticket) {
  const StopSignals stop_signals;
  if (settings().schedule == ScheduleKind::kSerial) {
    device().run_until(ticket);
  } else if (ticket % kMaxPending == 0) {
    device().run_until(ticket - kMaxPending / 2);
  }
  keep_faults();
  work_submitted().notify_all();
}

}  // namespace slipstream::emulator::runtime
