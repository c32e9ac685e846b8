// From a registered fat binary to a PTX module.
#pragma once

#include <memory>

#include "code/ptx/module.h"

namespace slipstream::emulator::runtime {

// Reads the fat binary that `wrapper` (what nvcc's host code registers) points to, and parses the
// PTX image in it that fits the emulated device best. Throws ApiError
// cudaErrorNoKernelImageForDevice where it has no such image, and cudaErrorInvalidPtx where that
// does not parse.
std::shared_ptr<const ptx::Module> load_image(const void* wrapper);

}  // namespace slipstream::emulator::runtime
