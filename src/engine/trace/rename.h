// Included in front of every host file of the traced build: there `engine` means engine_traced, a
// namespace with sizes, steps and kernels of its own. What has nothing to do with kernels it takes
// from the ordinary build.
#pragma once

#include "engine/checkpoint.h"
#include "engine/device_memory.h"
#include "engine/float_formats.h"
#include "engine/rope_table.h"
#include "engine/synthetic/fill.h"
#include "engine/synthetic/released_models.h"

namespace slipstream::engine_traced {
using namespace slipstream::engine;
namespace synthetic {
using namespace slipstream::engine::synthetic;
}  // namespace synthetic
}  // namespace slipstream::engine_traced

#define engine engine_traced
