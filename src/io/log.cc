#include "io/log.h"

#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <mutex>

#include "slipstream/error.h"

namespace slipstream {
namespace {

constexpr const char* kVariable = "SLIPSTREAM_LOG";
constexpr LogLevel kUsualLevel = LogLevel::kWarning;
constexpr std::array<std::string_view, 5> kLevelNames = {"off", "error", "warning", "info",
                                                         "debug"};

std::string_view level_from_environment() {
  const char* const text = std::getenv(kVariable);
  return text == nullptr ? std::string_view() : std::string_view(text);
}

// Nonsense is the usual level until an engine is loaded, which refuses it.
LogLevel first_level() {
  for (size_t i = 0; i < kLevelNames.size(); ++i) {
    if (kLevelNames[i] == level_from_environment()) return static_cast<LogLevel>(i);
  }
  return kUsualLevel;
}

std::atomic<LogLevel>& current_level() {
  static std::atomic<LogLevel> level{first_level()};
  return level;
}

struct LogSink {
  std::mutex mutex;
  std::function<void(const LogRecord&)> function;
};

// Never destroyed: threads may have something to say until the process ends.
LogSink& current_sink() {
  static LogSink& sink = *std::make_unique<LogSink>().release();
  return sink;
}

// In UTC, as ISO 8601 writes it.
std::string time_text(int64_t unix_milliseconds) {
  const auto seconds = static_cast<time_t>(unix_milliseconds / 1000);
  tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 32> text{};
  (void)std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
  return fmt::format("{}.{:03}Z", text.data(), unix_milliseconds % 1000);
}

int64_t unix_milliseconds() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

}  // namespace

void set_log_level(LogLevel level) {
  if (level > LogLevel::kDebug) {
    throw InvalidArgument(
        fmt::format("level must be kOff to kDebug, is {}", static_cast<int>(level)));
  }
  current_level() = level;
}

LogLevel log_level() { return current_level(); }

LogLevel log_level_of(std::string_view name) {
  for (size_t i = 0; i < kLevelNames.size(); ++i) {
    if (kLevelNames[i] == name) return static_cast<LogLevel>(i);
  }
  throw InvalidArgument(
      fmt::format("the log level must be off, error, warning, info or debug, is '{}'", name));
}

void set_log_sink(std::function<void(const LogRecord&)> sink) {
  LogSink& current = current_sink();
  const std::scoped_lock lock(current.mutex);
  current.function = std::move(sink);
}

std::string to_string(const LogRecord& record) {
  constexpr std::array<std::string_view, 5> kMarks = {"", "ERROR", "WARN", "INFO", "DEBUG"};
  std::string text = fmt::format("{} {:5} rank {}", time_text(record.unix_milliseconds),
                                 kMarks.at(static_cast<size_t>(record.level)), record.rank);
  if (record.sequence >= 0) text += fmt::format(" sequence {}", record.sequence);
  return text + ": " + record.text;
}

namespace io {

void write_log(LogLevel level, LogSubject subject, std::string text) noexcept {
  // A full standard error, or a sink that fails, must not end what it tells of.
  try {
    const LogRecord record{level, unix_milliseconds(), subject.rank, subject.sequence,
                           std::move(text)};
    LogSink& sink = current_sink();
    const std::scoped_lock lock(sink.mutex);
    if (sink.function) return sink.function(record);
    const std::string line = to_string(record) + "\n";
    (void)std::fwrite(line.data(), 1, line.size(), stderr);
  } catch (...) {
    return;
  }
}

void require_known_log_level() {
  const std::string_view text = level_from_environment();
  if (text.empty()) return;
  try {
    (void)log_level_of(text);
  } catch (const InvalidArgument& error) {
    throw InvalidArgument(fmt::format("{}: {}", kVariable, error.what()));
  }
}

}  // namespace io
}  // namespace slipstream
