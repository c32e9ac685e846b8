// Included in front of every host file of the traced build: there `engine` means engine_traced, a
// namespace with sizes, steps and kernels of its own. What has nothing to do with kernels it takes
// from the ordinary build.
#pragma once

#include "bench/fill.h"
#include "model/checkpoint.h"
#include "model/float_formats.h"
#include "model/released_models.h"
#include "step/device_memory.h"
#include "step/rope_table.h"

namespace slipstream::engine_traced {
using namespace slipstream::engine;
namespace synthetic {
using namespace slipstream::bench;
}  // namespace synthetic
}  // namespace slipstream::engine_traced

#define engine engine_traced
