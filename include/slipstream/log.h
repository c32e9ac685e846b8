// What the engine tells about its work, line by line, for whoever operates it.
//
//   2026-11-28T23:31:02.123Z INFO  rank 0 sequence 7: prefilled 34 tokens in 12.3 ms
//
// From the level that the environment variable SLIPSTREAM_LOG names (off, error, warning, info or
// debug; unset: warning), to standard error or to where the application wants it. All of this may be
// called by any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace slipstream {

enum class LogLevel : uint8_t {
  kOff,
  kError,    // an engine is closed: nothing more can be asked of it
  kWarning,  // results that are no numbers, refused calls of the device, a canceled call
  kInfo,     // once in an engine's life: loaded, gone
  kDebug,    // once for each call: sequences, prompts, runs
};

struct LogRecord {
  LogLevel level = LogLevel::kInfo;
  int64_t unix_milliseconds = 0;
  int rank = 0;
  int64_t sequence = -1;  // -1: of none
  std::string text;       // one line
};

// Records up to `level` are kept; kOff: none.
void set_log_level(LogLevel level);
[[nodiscard]] LogLevel log_level();
// off, error, warning, info or debug. Throws InvalidArgument that says so.
[[nodiscard]] LogLevel log_level_of(std::string_view name);

// Where records go in place of standard error; empty: there again. It is called by whichever thread has
// something to say, one at a time, and must not call the engine. What it throws is dropped.
void set_log_sink(std::function<void(const LogRecord&)> sink);

// As standard error gets it, without the end of line.
[[nodiscard]] std::string to_string(const LogRecord& record);

}  // namespace slipstream
