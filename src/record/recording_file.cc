#include "record/recording_file.h"

#include <unistd.h>

#include <cstdio>
#include <fstream>

namespace slipstream::record {

void write_whole(const std::string& path, std::string_view bytes) {
  const std::string unfinished = path + ".part";
  std::ofstream out(unfinished, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  out.close();
  if (!out || std::rename(unfinished.c_str(), path.c_str()) != 0) {
    std::remove(unfinished.c_str());
    std::fprintf(stderr, "slipstream: what was recorded cannot be written to '%s'\n", path.c_str());
  }
}

void write_launches(const Recording& recording, const std::string& folder) {
  if (recording.launches() == 0) return;
  write_whole(folder + "/launches." + std::to_string(getpid()) + ".json", recording.json());
}

}  // namespace slipstream::record
