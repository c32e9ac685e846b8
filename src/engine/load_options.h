// What Engine::load checks before it does anything.
#pragma once

#include "slipstream/engine.h"

namespace slipstream::engine {

// Throws InvalidArgument naming the option.
void check_load_options(const LoadOptions& options);

}  // namespace slipstream::engine
