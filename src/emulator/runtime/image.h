// From device code as programs hand it over to PTX modules.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "code/fatbin.h"
#include "code/ptx/module.h"

namespace slipstream::emulator::runtime {

// To be linked with each other by name.
using PtxModules = std::vector<std::shared_ptr<const ptx::Module>>;

// Reads the fat binaries that `wrapper` (what nvcc's host code registers) leads to: one, or with relocatable device
// code one for each object of the program. Of each, parses the PTX image that fits the emulated device best. Throws
// ApiError cudaErrorNoKernelImageForDevice where there is no such image, and cudaErrorInvalidPtx where one does not
// parse.
PtxModules load_images(const void* wrapper);
// The same for what cudaLibraryLoadData and cudaLibraryLoadFromFile accept: also cubins, which have no PTX and so never
// fit, PTX text, and what a DeviceLink made of several. Throws ApiError cudaErrorFileNotFound, too.
PtxModules load_image_data(const void* code);
PtxModules load_image_file(const std::string& path);

// For a linker: the PTX that the device would take from `code`, any of the above or an object of the host; and its tree.
// They throw as load_images() does; `what` names the code.
std::vector<code::Image> fitting_images(std::span<const std::byte> code, std::string_view what);
std::shared_ptr<const ptx::Module> parse_image(code::Image image);

}  // namespace slipstream::emulator::runtime
