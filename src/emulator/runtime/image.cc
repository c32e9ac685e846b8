#include "emulator/runtime/image.h"

#include <fmt/format.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "code/fatbin.h"
#include "emulator/runtime/error.h"

namespace slipstream::emulator::runtime {
namespace {

// The emulated device is an sm_90 with the architecture-specific features of sm_90a.
constexpr uint32_t kArchitecture = 90;

bool runs_here(const code::Image& image) {
  if (image.kind != code::ImageKind::kPtx) return false;
  if (image.suffix == code::ArchitectureSuffix::kNone) return image.architecture <= kArchitecture;
  return image.architecture == kArchitecture;
}

// The highest architecture wins, and at the same one the architecture-specific image, as in the
// driver.
bool fits_better(const code::Image& image, const code::Image* than) {
  if (than == nullptr || image.architecture != than->architecture) {
    return than == nullptr || image.architecture > than->architecture;
  }
  return image.suffix == code::ArchitectureSuffix::kSpecific &&
         than->suffix != code::ArchitectureSuffix::kSpecific;
}

std::string describe(const std::vector<code::Image>& images) {
  std::string list;
  for (const code::Image& image : images) {
    if (!list.empty()) list += ", ";
    list += code::architecture_name(image);
  }
  return list.empty() ? "nothing" : list;
}

template <class Read>
auto read_with(Read read) {
  try {
    return read();
  } catch (const code::FormatError& error) {
    throw ApiError(cudaErrorInvalidKernelImage, error.what());
  }
}

code::Image* find_best(std::vector<code::Image>& images) {
  code::Image* best = nullptr;
  for (code::Image& image : images) {
    if (runs_here(image) && fits_better(image, best)) best = &image;
  }
  return best;
}

std::shared_ptr<const ptx::Module> parse(code::Image image) {
  try {
    const std::string name = image.source_name.empty() ? "embedded PTX" : image.source_name;
    return ptx::Module::parse(std::move(image.bytes), name);
  } catch (const ptx::ParseError& error) {
    throw ApiError(cudaErrorInvalidPtx, error.what());
  }
}

// Of a library.
std::shared_ptr<const ptx::Module> parse_best(std::vector<code::Image> images,
                                              std::string_view what) {
  if (code::Image* const best = find_best(images)) return parse(std::move(*best));
  throw ApiError(cudaErrorNoKernelImageForDevice,
                 fmt::format("{} must embed PTX for compute_90a or below (without relocatable "
                             "device code), it embeds {}",
                             what, describe(images)));
}

}  // namespace

std::vector<std::shared_ptr<const ptx::Module>> load_images(const void* wrapper) {
  std::vector<std::shared_ptr<const ptx::Module>> modules;
  std::vector<code::Image> others;
  for (std::vector<code::Image>& images :
       read_with([&] { return code::read_registered_images(wrapper); })) {
    if (code::Image* const best = find_best(images)) {
      modules.push_back(parse(std::move(*best)));
    } else {
      others.insert(others.end(), images.begin(), images.end());
    }
  }
  // An object of a linked program may lack PTX as long as nothing of it is used.
  if (modules.empty()) {
    throw ApiError(cudaErrorNoKernelImageForDevice,
                   fmt::format("the program must embed PTX for compute_90a or below, it embeds {}",
                               describe(others)));
  }
  return modules;
}

std::shared_ptr<const ptx::Module> load_image_data(const void* code) {
  return parse_best(read_with([&] { return code::read_images_at(code); }), "the library");
}

std::shared_ptr<const ptx::Module> load_image_file(const std::string& path) {
  if (!std::filesystem::exists(path)) {
    throw ApiError(cudaErrorFileNotFound, fmt::format("there is no file {}", path));
  }
  return parse_best(read_with([&] { return code::read_image_file(path); }), path);
}

}  // namespace slipstream::emulator::runtime
