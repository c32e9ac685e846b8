// From device code as programs hand it over to a PTX module.
#pragma once

#include <memory>
#include <string>

#include "code/ptx/module.h"

namespace slipstream::emulator::runtime {

// Reads the fat binary that `wrapper` (what nvcc's host code registers) points to, and parses the
// PTX image in it that fits the emulated device best. Throws ApiError
// cudaErrorNoKernelImageForDevice where it has no such image, and cudaErrorInvalidPtx where that
// does not parse.
std::shared_ptr<const ptx::Module> load_image(const void* wrapper);
// The same for what cudaLibraryLoadData and cudaLibraryLoadFromFile accept: also cubins, which have
// no PTX and so never fit, and PTX text. Throws ApiError cudaErrorFileNotFound, too.
std::shared_ptr<const ptx::Module> load_image_data(const void* code);
std::shared_ptr<const ptx::Module> load_image_file(const std::string& path);

}  // namespace slipstream::emulator::runtime
