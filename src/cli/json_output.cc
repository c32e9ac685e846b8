#include "cli/json_output.h"

#include <cstdio>

#include "io/file.h"

namespace slipstream::cli {

void JsonOutput::require_writable() const {
  if (wanted() && prints_text()) io::require_writable(target_);
}

void JsonOutput::write(const std::string& json) const {
  if (!wanted()) return;
  const std::string text = json.ends_with('\n') ? json : json + "\n";
  if (prints_text()) {
    io::write_text(target_, text);
    return;
  }
  // Whether it got there is asked at the end (cli/standard_streams.h).
  static_cast<void>(std::fwrite(text.data(), 1, text.size(), stdout));
}

}  // namespace slipstream::cli
