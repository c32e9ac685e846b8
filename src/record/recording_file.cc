#include "record/recording_file.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <span>

#include "io/replacement_file.h"

namespace slipstream::record {
namespace {

// The command that runs this program reads it, and ends with an error.
void tell_that_something_is_missing() {
  const char* const file = std::getenv("SLIPSTREAM_RECORD_FAILURES");
  if (file != nullptr) std::ofstream(file, std::ios::app) << getpid() << '\n';
}

}  // namespace

void write_whole(const std::string& path, std::string_view bytes) {
  try {
    io::ReplacementFile file(path);
    file.write(std::as_bytes(std::span(bytes)));
    file.publish();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "slipstream: a recording is not whole: %s\n", error.what());
    tell_that_something_is_missing();
  }
}

void write_launches(const Recording& recording, const std::string& folder) {
  if (recording.launches() == 0) return;
  write_whole(folder + "/launches." + std::to_string(getpid()) + ".json", recording.json());
}

}  // namespace slipstream::record
