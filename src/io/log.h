// How code of ours writes the log of slipstream/log.h.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <utility>

#include "slipstream/log.h"

namespace slipstream::io {

// What a record is about.
struct LogSubject {
  int rank = 0;
  int64_t sequence = -1;
};

void write_log(LogLevel level, LogSubject subject, std::string text) noexcept;

// Throws InvalidArgument where SLIPSTREAM_LOG names no level.
void require_known_log_level();

// The text is made only where the record is kept.
template <class... Arguments>
void log(LogLevel level, LogSubject subject, fmt::format_string<Arguments...> format,
         Arguments&&... arguments) {
  if (level > log_level()) return;
  write_log(level, subject, fmt::format(format, std::forward<Arguments>(arguments)...));
}

}  // namespace slipstream::io
