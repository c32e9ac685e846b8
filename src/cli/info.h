// `slipstream info`: device, versions, whether PDL is on and why, and what this build holds.
#pragma once

#include "cli/command.h"

namespace slipstream::cli {

void add_info_command(const Command& program);

}  // namespace slipstream::cli
