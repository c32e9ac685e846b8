// What a recording leaves in a folder. Files are written whole or not at all, also where several processes
// write the same; what cannot be written is said on standard error, and to the command that runs the
// program, since that goes on. (Of src/io only ReplacementFile: the rest would bring a CUDA runtime into
// every program that is recorded.)
#pragma once

#include <string>
#include <string_view>

#include "record/recording.h"

namespace slipstream::record {

void write_whole(const std::string& path, std::string_view bytes);

// launches.PID.json of this process; nothing where it has launched nothing.
void write_launches(const Recording& recording, const std::string& folder);

}  // namespace slipstream::record
