#include "emulator/linker/device_link.h"

#include <driver_types.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <fstream>
#include <iterator>
#include <string_view>
#include <utility>

#include "emulator/instructions/builtin_functions.h"
#include "emulator/linker/device_runtime.h"
#include "emulator/program/link_problems.h"
#include "emulator/runtime/error.h"

namespace slipstream::emulator::linker {
namespace {

using runtime::ApiError;

constexpr std::string_view kWhatToDo =
    "compile it with nvcc -rdc=true -gencode arch=compute_90a,code=compute_90a";

bool is_archive(std::string_view code) { return code.starts_with("!<arch>\n"); }

// NVIDIA's library of what kernels may call, such as the barrier of a cooperative grid.
bool is_device_runtime(std::string_view code) {
  return is_archive(code) && code.substr(0, 1024).find("cuda_device_runtime.o") != code.npos;
}

// Bitcode of LLVM, bare or in NVVM's container.
bool is_lto_ir(std::string_view code) {
  return code.starts_with("BC\xc0\xde") || code.starts_with("\xed\x43\x4e\x7f");
}

std::span<const std::byte> without_trailing_nuls(std::span<const std::byte> code) {
  while (!code.empty() && code.back() == std::byte{0}) code = code.first(code.size() - 1);
  return code;
}

// A cubin may end in zeros that belong to it.
std::span<const std::byte> as_given(std::span<const std::byte> code) {
  const std::span<const std::byte> text = without_trailing_nuls(code);
  return code::as_text(text).find('\0') == std::string_view::npos ? text : code;
}

std::vector<code::Image> images_of(std::span<const std::byte> code, const std::string& name) {
  try {
    return runtime::fitting_images(as_given(code), name);
  } catch (const ApiError& error) {
    throw ApiError(error.code(), fmt::format("{}; {}", error.what(), kWhatToDo));
  }
}

}  // namespace

void DeviceLink::add(std::span<const std::byte> code, const std::string& name) {
  const std::string_view text = code::as_text(code);
  if (is_lto_ir(text)) {
    lto_inputs_.push_back({name, {code.begin(), code.end()}});
    return;
  }
  if (is_device_runtime(text)) {
    code::Image image;
    image.bytes = kDeviceRuntime;
    return add_part(std::move(image), name);
  }
  if (is_archive(text)) {
    throw ApiError(cudaErrorNotSupported,
                   fmt::format("{} must not be an archive: give its objects one by one", name));
  }
  for (code::Image& image : images_of(code, name)) add_part(std::move(image), name);
}

void DeviceLink::add_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  if (!file) throw ApiError(cudaErrorFileNotFound, fmt::format("there is no file {}", path));
  add(code::as_bytes(bytes), path);
}

void DeviceLink::add_part(code::Image image, const std::string& name) {
  if (image.source_name.empty()) image.source_name = name;
  parts_.push_back({image.source_name, image.bytes});
  modules_.push_back(runtime::parse_image(std::move(image)));
}

void DeviceLink::add_optimized() {
  code::Image image;
  image.bytes = compile_lto(lto_inputs_, options_);
  add_part(std::move(image), lto_inputs_.front().name);
  lto_inputs_.clear();
}

const std::string& DeviceLink::complete() {
  if (!lto_inputs_.empty()) add_optimized();
  runtime::require(!parts_.empty());
  const auto is_provided = [](std::string_view function) {
    return find_builtin(function) != nullptr;
  };
  const std::vector<std::string> problems = link_problems(LinkedModules(modules_), is_provided);
  if (!problems.empty()) {
    throw ApiError(cudaErrorInvalidPtx, fmt::format("{}", fmt::join(problems, "\n")));
  }
  image_ = parts_.size() == 1 ? parts_.front().text : code::join_linked_ptx(parts_);
  return image_;
}

}  // namespace slipstream::emulator::linker
