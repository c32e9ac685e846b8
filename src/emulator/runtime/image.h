// From device code as programs hand it over to PTX modules.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "code/ptx/module.h"

namespace slipstream::emulator::runtime {

// Reads the fat binaries that `wrapper` (what nvcc's host code registers) leads to: one, or with relocatable device
// code one for each object of the program. Of each, parses the PTX image that fits the emulated device best. Throws
// ApiError cudaErrorNoKernelImageForDevice where there is no such image, and cudaErrorInvalidPtx where one does not
// parse.
std::vector<std::shared_ptr<const ptx::Module>> load_images(const void* wrapper);
// The same for what cudaLibraryLoadData and cudaLibraryLoadFromFile accept: also cubins, which have no PTX and so never
// fit, and PTX text. Throws ApiError cudaErrorFileNotFound, too.
std::shared_ptr<const ptx::Module> load_image_data(const void* code);
std::shared_ptr<const ptx::Module> load_image_file(const std::string& path);

}  // namespace slipstream::emulator::runtime
