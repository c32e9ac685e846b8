#include "emulator/runtime/settings.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdlib>
#include <limits>
#include <stdexcept>
#include <string_view>

#include "emulator/machine/launch.h"
#include "io/appended_file.h"
#include "slipstream/error.h"

namespace slipstream::emulator::runtime {
namespace {

std::string_view variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string_view() : std::string_view(value);
}

// The number in `name`, or `otherwise` where it is unset or empty.
template <class Number>
Number number(const char* name, Number otherwise, Number least, Number greatest) {
  const std::string_view text = variable(name);
  if (text.empty()) return otherwise;
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  if (!whole || value < least || value > greatest) {
    throw std::runtime_error(
        fmt::format("{} must be a number from {} to {}, it is '{}'", name, least, greatest, text));
  }
  return value;
}

ScheduleKind schedule() {
  constexpr const char* kName = "SLIPSTREAM_EMULATOR_SCHEDULE";
  const std::string_view text = variable(kName);
  if (text.empty() || text == "serial") return ScheduleKind::kSerial;
  if (text == "overlapped") return ScheduleKind::kOverlapped;
  if (text == "adversarial") return ScheduleKind::kAdversarial;
  throw std::runtime_error(
      fmt::format("{} must be serial, overlapped or adversarial, it is '{}'", kName, text));
}

UnwrittenReads unwritten_reads() {
  constexpr const char* kName = "SLIPSTREAM_EMULATOR_UNWRITTEN_READS";
  const std::string_view text = variable(kName);
  if (text.empty() || text == "used") return UnwrittenReads::kUsed;
  if (text == "all") return UnwrittenReads::kAll;
  if (text == "none") return UnwrittenReads::kNone;
  throw std::runtime_error(fmt::format("{} must be used, all or none, it is '{}'", kName, text));
}

// A file that reports can be added to; empty where there shall be none.
std::string appendable(const char* name) {
  std::string path(variable(name));
  try {
    if (!path.empty()) io::require_appendable(path);
  } catch (const Error& error) {
    throw std::runtime_error(fmt::format("{}: {}", name, error.what()));
  }
  return path;
}

}  // namespace

Settings read_settings() {
  constexpr int kMaxMultiprocessors = 4096;
  constexpr int kMaxThreads = 4096;
  constexpr int kMaxPollSeconds = 86400;
  Settings settings;
  settings.devices =
      number("SLIPSTREAM_EMULATOR_DEVICES", settings.devices, 1, static_cast<int>(kMaxDevices));
  settings.multiprocessors =
      number("SLIPSTREAM_EMULATOR_SMS", settings.multiprocessors, 1, kMaxMultiprocessors);
  settings.schedule = schedule();
  settings.seed = number("SLIPSTREAM_EMULATOR_SEED", settings.seed, uint64_t{0},
                         std::numeric_limits<uint64_t>::max());
  settings.threads = number("SLIPSTREAM_EMULATOR_THREADS", settings.threads, 0, kMaxThreads);
  settings.poll_seconds =
      number("SLIPSTREAM_EMULATOR_POLL_SECONDS", settings.poll_seconds, 1, kMaxPollSeconds);
  settings.unwritten_reads = unwritten_reads();
  settings.statistics = number("SLIPSTREAM_EMULATOR_STATS", 0, 0, 1) == 1;
  settings.report_file = appendable("SLIPSTREAM_EMULATOR_REPORT");
  settings.race_file = variable("SLIPSTREAM_EMULATOR_CHECK");
  settings.record_folder = variable("SLIPSTREAM_EMULATOR_RECORD");
  return settings;
}

}  // namespace slipstream::emulator::runtime
