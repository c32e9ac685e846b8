#include "emulator/runtime/image.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <span>
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
  return list.empty() ? "neither PTX nor machine code" : list;
}

template <class Read>
auto read_with(Read read) {
  try {
    return read();
  } catch (const code::FormatError& error) {
    throw ApiError(cudaErrorInvalidKernelImage, error.what());
  }
}

code::Image* find_best(std::span<code::Image> images) {
  code::Image* best = nullptr;
  for (code::Image& image : images) {
    if (runs_here(image) && fits_better(image, best)) best = &image;
  }
  return best;
}

// Of each fat binary, or part of linked PTX, the image that fits best.
std::vector<code::Image> best_of_each(std::vector<code::Image> images, std::string_view what) {
  std::vector<code::Image> chosen;
  auto from = images.begin();
  while (from != images.end()) {
    const auto to = std::find_if(from, images.end(), [&](const code::Image& image) {
      return image.fat_binary != from->fat_binary;
    });
    if (code::Image* const best = find_best({from, to})) chosen.push_back(std::move(*best));
    from = to;
  }
  if (!chosen.empty()) return chosen;
  throw ApiError(cudaErrorNoKernelImageForDevice,
                 fmt::format("{} must embed PTX for compute_90a or below, it embeds {}", what,
                             describe(images)));
}

// What a text is for, it says itself: "sm_90a".
code::Image target_of(const ptx::Module& module) {
  code::Image image;
  const std::string_view number = module.target.substr(std::min<size_t>(3, module.target.size()));
  std::from_chars(number.data(), number.data() + number.size(), image.architecture);
  const char suffix = number.empty() ? ' ' : number.back();
  if (suffix == 'a' || suffix == 'f') image.suffix = code::ArchitectureSuffix{suffix};
  return image;
}

PtxModules parse_all(std::vector<code::Image> images) {
  PtxModules modules;
  for (code::Image& image : images) modules.push_back(parse_image(std::move(image)));
  return modules;
}

}  // namespace

std::shared_ptr<const ptx::Module> parse_image(code::Image image) {
  try {
    const std::string name = image.source_name.empty() ? "embedded PTX" : image.source_name;
    auto module = ptx::Module::parse(std::move(image.bytes), name);
    if (runs_here(target_of(*module))) return module;
    throw ApiError(cudaErrorNoKernelImageForDevice,
                   fmt::format("{} is for {}, the emulated device is an sm_90 with all of sm_90a",
                               name, module->target));
  } catch (const ptx::ParseError& error) {
    throw ApiError(cudaErrorInvalidPtx, error.what());
  }
}

PtxModules load_images(const void* wrapper) {
  PtxModules modules;
  std::vector<code::Image> others;
  for (std::vector<code::Image>& images :
       read_with([&] { return code::read_registered_images(wrapper); })) {
    if (code::Image* const best = find_best(images)) {
      modules.push_back(parse_image(std::move(*best)));
    } else {
      others.insert(others.end(), images.begin(), images.end());
    }
  }
  // An object of a linked program may lack PTX as long as nothing of it is used.
  if (modules.empty()) {
    throw ApiError(cudaErrorNoKernelImageForDevice,
                   fmt::format("the program must embed PTX for compute_90a or below, it embeds {}: "
                               "compile it with -gencode arch=compute_90a,code=compute_90a (by "
                               "NVCC_APPEND_FLAGS where it runs nvcc itself)",
                               describe(others)));
  }
  return modules;
}

std::vector<code::Image> fitting_images(std::span<const std::byte> code, std::string_view what) {
  return best_of_each(read_with([&] { return code::read_images(code, what); }), what);
}

PtxModules load_image_data(const void* code) {
  return parse_all(
      best_of_each(read_with([&] { return code::read_images_at(code); }), "the library"));
}

PtxModules load_image_file(const std::string& path) {
  if (!std::filesystem::exists(path)) {
    throw ApiError(cudaErrorFileNotFound, fmt::format("there is no file {}", path));
  }
  return parse_all(best_of_each(read_with([&] { return code::read_image_file(path); }), path));
}

}  // namespace slipstream::emulator::runtime
