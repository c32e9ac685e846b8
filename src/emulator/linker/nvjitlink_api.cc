// libnvJitLink.so.13: links PTX to PTX, which programs take for a cubin.
#include <cuda.h>
#include <driver_types.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "emulator/linker/device_link.h"
#include "emulator/linker/nvjitlink_types.h"
#include "emulator/runtime/error.h"

using slipstream::emulator::linker::DeviceLink;

struct nvJitLink {
  explicit nvJitLink(DeviceLink link) : link(std::move(link)) {}

  DeviceLink link;
  std::string image;  // empty until it is complete
  std::string errors;
};

namespace {

using slipstream::emulator::runtime::ApiError;

nvJitLinkResult result_of(cudaError_t code) {
  switch (code) {
    case cudaErrorInvalidPtx:
      return NVJITLINK_ERROR_PTX_COMPILE;
    case cudaErrorNotSupported:
      return NVJITLINK_ERROR_UNRECOGNIZED_INPUT;
    case cudaErrorInvalidValue:
    case cudaErrorFileNotFound:
    case cudaErrorInvalidKernelImage:
    case cudaErrorNoKernelImageForDevice:
      return NVJITLINK_ERROR_INVALID_INPUT;
    default:
      return NVJITLINK_ERROR_INTERNAL;
  }
}

// Runs `action`; what it throws goes into the log, and on stderr for programs that do not read that.
template <class Action>
nvJitLinkResult answer(const char* function, nvJitLinkHandle handle, Action&& action) noexcept {
  if (handle == nullptr) return NVJITLINK_ERROR_INVALID_INPUT;
  try {
    action();
    return NVJITLINK_SUCCESS;
  } catch (const ApiError& error) {
    handle->errors += fmt::format("error: {}\n", error.what());
    std::fputs(fmt::format("slipstream emulator: {}: {}\n", function, error.what()).c_str(),
               stderr);
    return result_of(error.code());
  } catch (const std::exception&) {
    return NVJITLINK_ERROR_INTERNAL;
  }
}

void require_argument(bool condition, const char* what) {
  if (!condition) throw ApiError(cudaErrorInvalidValue, what);
}

nvJitLinkResult give_size(size_t size, size_t* to) {
  if (to == nullptr) return NVJITLINK_ERROR_INVALID_INPUT;
  *to = size;
  return NVJITLINK_SUCCESS;
}

// With the NUL, where there is a text.
size_t size_of(const std::string& text) { return text.empty() ? 0 : text.size() + 1; }

void copy_text(const std::string& text, void* to) { std::memcpy(to, text.c_str(), size_of(text)); }

nvJitLinkResult give_image_size(const char* function, nvJitLinkHandle handle, size_t* size) {
  return answer(function, handle, [&] {
    require_argument(!handle->image.empty(), "nvJitLinkComplete must have succeeded");
    require_argument(size != nullptr, "the size must have a place");
    *size = size_of(handle->image);
  });
}

nvJitLinkResult give_image(const char* function, nvJitLinkHandle handle, void* to) {
  return answer(function, handle, [&] {
    require_argument(!handle->image.empty(), "nvJitLinkComplete must have succeeded");
    require_argument(to != nullptr, "the result must have a place");
    copy_text(handle->image, to);
  });
}

}  // namespace

// NOLINTBEGIN(bugprone-reserved-identifier): names that NVIDIA chose
extern "C" {

// Options are for link-time optimization; an architecture has to be among them.
nvJitLinkResult nvJitLinkCreate(nvJitLinkHandle* handle, uint32_t count, const char** options) {
  if (handle == nullptr || (count != 0 && options == nullptr)) return NVJITLINK_ERROR_INVALID_INPUT;
  const std::span<const char*> all(options, count);
  const auto is_option = [](std::string_view option) { return option.starts_with('-'); };
  const auto is_architecture = [](std::string_view option) { return option.starts_with("-arch="); };
  if (!std::ranges::all_of(all, is_option)) return NVJITLINK_ERROR_UNRECOGNIZED_OPTION;
  if (!std::ranges::any_of(all, is_architecture)) return NVJITLINK_ERROR_MISSING_ARCH;
  *handle = std::make_unique<nvJitLink>(DeviceLink({all.begin(), all.end()})).release();
  return NVJITLINK_SUCCESS;
}

nvJitLinkResult nvJitLinkDestroy(nvJitLinkHandle* handle) {
  if (handle == nullptr) return NVJITLINK_ERROR_INVALID_INPUT;
  const std::unique_ptr<nvJitLink> ends_here(*handle);
  *handle = nullptr;
  return NVJITLINK_SUCCESS;
}

// What the data is shows in its first bytes, whatever the type says.
nvJitLinkResult nvJitLinkAddData(nvJitLinkHandle handle, nvJitLinkInputType /*type*/,
                                 const void* data, size_t size, const char* name) {
  return answer("nvJitLinkAddData", handle, [&] {
    require_argument(data != nullptr && size != 0, "the data must not be empty");
    handle->link.add({static_cast<const std::byte*>(data), size},
                     name == nullptr ? "unnamed data" : name);
  });
}

nvJitLinkResult nvJitLinkAddFile(nvJitLinkHandle handle, nvJitLinkInputType /*type*/,
                                 const char* path) {
  return answer("nvJitLinkAddFile", handle, [&] {
    require_argument(path != nullptr, "the file must have a name");
    handle->link.add_file(path);
  });
}

nvJitLinkResult nvJitLinkComplete(nvJitLinkHandle handle) {
  return answer("nvJitLinkComplete", handle, [&] { handle->image = handle->link.complete(); });
}

nvJitLinkResult nvJitLinkGetLinkedCubinSize(nvJitLinkHandle handle, size_t* size) {
  return give_image_size("nvJitLinkGetLinkedCubinSize", handle, size);
}

nvJitLinkResult nvJitLinkGetLinkedCubin(nvJitLinkHandle handle, void* cubin) {
  return give_image("nvJitLinkGetLinkedCubin", handle, cubin);
}

nvJitLinkResult nvJitLinkGetLinkedPtxSize(nvJitLinkHandle handle, size_t* size) {
  return give_image_size("nvJitLinkGetLinkedPtxSize", handle, size);
}

nvJitLinkResult nvJitLinkGetLinkedPtx(nvJitLinkHandle handle, char* ptx) {
  return give_image("nvJitLinkGetLinkedPtx", handle, ptx);
}

nvJitLinkResult nvJitLinkGetLinkedLTOIRSize(nvJitLinkHandle /*handle*/, size_t* /*size*/) {
  return NVJITLINK_ERROR_LTO_NOT_ENABLED;
}

nvJitLinkResult nvJitLinkGetLinkedLTOIR(nvJitLinkHandle /*handle*/, void* /*code*/) {
  return NVJITLINK_ERROR_LTO_NOT_ENABLED;
}

nvJitLinkResult nvJitLinkGetErrorLogSize(nvJitLinkHandle handle, size_t* size) {
  return handle == nullptr ? NVJITLINK_ERROR_INVALID_INPUT
                           : give_size(size_of(handle->errors), size);
}

nvJitLinkResult nvJitLinkGetErrorLog(nvJitLinkHandle handle, char* log) {
  if (handle == nullptr || log == nullptr) return NVJITLINK_ERROR_INVALID_INPUT;
  copy_text(handle->errors, log);
  return NVJITLINK_SUCCESS;
}

nvJitLinkResult nvJitLinkGetInfoLogSize(nvJitLinkHandle handle, size_t* size) {
  return handle == nullptr ? NVJITLINK_ERROR_INVALID_INPUT : give_size(0, size);
}

// There is nothing to say.
nvJitLinkResult nvJitLinkGetInfoLog(nvJitLinkHandle handle, char* /*log*/) {
  return handle == nullptr ? NVJITLINK_ERROR_INVALID_INPUT : NVJITLINK_SUCCESS;
}

nvJitLinkResult nvJitLinkVersion(unsigned* major, unsigned* minor) {
  if (major == nullptr || minor == nullptr) return NVJITLINK_ERROR_INVALID_INPUT;
  *major = CUDA_VERSION / 1000;
  *minor = CUDA_VERSION % 1000 / 10;
  return NVJITLINK_SUCCESS;
}

#include "nvjitlink_names.h"

}  // extern "C"
// NOLINTEND(bugprone-reserved-identifier)
