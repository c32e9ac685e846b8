// All-gather by copies.
#pragma once

#include <vector>

#include "emulator/nccl/group.h"

namespace slipstream::emulator::nccl {

// Puts copies into the ranks' streams: they begin when every rank's stream has come so far, and no
// stream goes on before all are done.
void all_gather(const std::vector<Call>& calls);

}  // namespace slipstream::emulator::nccl
