#include "emulator/linker/lto.h"

#include <dlfcn.h>
#include <driver_types.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string_view>

#include "emulator/linker/loaded_files.h"
#include "emulator/linker/nvjitlink_types.h"
#include "emulator/runtime/error.h"

namespace slipstream::emulator::linker {
namespace {

using runtime::ApiError;

constexpr std::string_view kLibrary = "libnvJitLink.so.13";

// Next to what the process has loaded, since the compiler that made the LTO-IR is among that: in the same folder, or in
// that of NVIDIA's packages for Python.
std::vector<std::string> candidates() {
  std::vector<std::string> paths;
  if (const char* const given = std::getenv("SLIPSTREAM_NVJITLINK")) paths.emplace_back(given);
  for (const std::string& file : loaded_files()) {
    const size_t end_of_folder = file.rfind('/');
    if (end_of_folder == file.npos) continue;
    paths.push_back(fmt::format("{}/{}", file.substr(0, end_of_folder), kLibrary));
    for (const std::string_view packages : {"/site-packages/", "/dist-packages/"}) {
      const size_t at = file.find(packages);
      if (at == file.npos) continue;
      paths.push_back(
          fmt::format("{}nvidia/cu13/lib/{}", file.substr(0, at + packages.size()), kLibrary));
    }
  }
  paths.push_back(fmt::format("/usr/local/cuda/lib64/{}", kLibrary));
  return paths;
}

class Library {
 public:
  // Null where there is none.
  static const Library* find() {
    static const std::optional<Library> library = open();
    return library.has_value() ? &*library : nullptr;
  }

  template <class... Arguments>
  nvJitLinkResult call(const char* function, Arguments... arguments) const {
    using Function = nvJitLinkResult (*)(Arguments...);
    const auto called = reinterpret_cast<Function>(dlsym(handle_, function));
    return called == nullptr ? NVJITLINK_ERROR_INTERNAL : called(arguments...);
  }

 private:
  explicit Library(void* handle) : handle_(handle) {}

  static std::optional<Library> open() {
    Dl_info own = {};
    dladdr(reinterpret_cast<const void*>(&compile_lto), &own);
    const auto own_folder = std::filesystem::path(own.dli_fname).parent_path();
    for (const std::string& path : candidates()) {
      std::error_code ignored;
      if (!std::filesystem::exists(path, ignored)) continue;
      if (std::filesystem::equivalent(std::filesystem::path(path).parent_path(), own_folder,
                                      ignored))
        continue;
      // Its functions have the names of ours: it shall call its own.
      if (void* const handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND)) {
        return Library(handle);
      }
    }
    return std::nullopt;
  }

  void* handle_;
};

class Session {
 public:
  Session(const Library& library, std::span<const std::string> options) : library_(library) {
    std::vector<const char*> all;
    for (const std::string& option : options) all.push_back(option.c_str());
    for (const char* const needed : {"-lto", "-ptx"}) {
      if (std::ranges::find(options, needed) == options.end()) all.push_back(needed);
    }
    require("nvJitLinkCreate", library.call("nvJitLinkCreate", &handle_,
                                            static_cast<uint32_t>(all.size()), all.data()));
  }
  ~Session() { library_.call("nvJitLinkDestroy", &handle_); }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void add(const LtoInput& input) {
    require("nvJitLinkAddData", library_.call("nvJitLinkAddData", handle_, NVJITLINK_INPUT_LTOIR,
                                              static_cast<const void*>(input.bytes.data()),
                                              input.bytes.size(), input.name.c_str()));
  }

  std::string complete() {
    require("nvJitLinkComplete", library_.call("nvJitLinkComplete", handle_));
    return text("nvJitLinkGetLinkedPtxSize", "nvJitLinkGetLinkedPtx");
  }

 private:
  void require(std::string_view function, nvJitLinkResult result) {
    if (result == NVJITLINK_SUCCESS) return;
    throw ApiError(cudaErrorInvalidPtx, fmt::format("NVIDIA's {} returns {}: {}", function,
                                                    static_cast<unsigned>(result), log()));
  }

  std::string log() {
    return handle_ == nullptr ? "" : text("nvJitLinkGetErrorLogSize", "nvJitLinkGetErrorLog");
  }

  std::string text(const char* get_size, const char* get) {
    size_t size = 0;
    if (library_.call(get_size, handle_, &size) != NVJITLINK_SUCCESS) return "";
    std::string all(size, '\0');
    library_.call(get, handle_, all.data());
    return all.substr(0, all.find('\0'));
  }

  const Library& library_;
  nvJitLinkHandle handle_ = nullptr;
};

}  // namespace

std::string compile_lto(std::span<const LtoInput> inputs, std::span<const std::string> options) {
  const Library* const library = Library::find();
  if (library == nullptr) {
    throw ApiError(
        cudaErrorNotSupported,
        fmt::format("{} is LTO-IR, of which NVIDIA's {} makes PTX: install it (pip install "
                    "nvidia-nvjitlink), or name it in SLIPSTREAM_NVJITLINK",
                    inputs.front().name, kLibrary));
  }
  Session session(*library, options);
  for (const LtoInput& input : inputs) session.add(input);
  return session.complete();
}

}  // namespace slipstream::emulator::linker
