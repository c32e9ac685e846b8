// What Engine::load and Engine::plan check before they do anything.
#pragma once

#include "slipstream/engine.h"

namespace slipstream::engine {

// Throws InvalidArgument naming the option.
void check_load_options(const LoadOptions& options);
// Of these, what has to do with no device.
void check_sizes(const LoadOptions& options);

}  // namespace slipstream::engine
