// Two functions of NVRTC, in front of NVIDIA's: where a program asks for the cubin that was compiled, it gets the PTX that
// was compiled with it. All others are NVIDIA's.
#include <dlfcn.h>

#include <cstddef>
#include <string>

#include "emulator/linker/loaded_files.h"

namespace {

using slipstream::emulator::linker::loaded_files;

constexpr int kSuccess = 0;
constexpr int kInternalError = 11;  // NVRTC_ERROR_INTERNAL_ERROR

// The library that compiled: the one that the process has loaded.
void* open_compiler() {
  for (const std::string& file : loaded_files()) {
    if (file.find("/libnvrtc.so.") == file.npos) continue;
    if (void* const library = dlopen(file.c_str(), RTLD_NOW | RTLD_NOLOAD)) return library;
  }
  return nullptr;
}

template <class Result>
int call(const char* function, void* program, Result* result) {
  static void* const library = open_compiler();
  void* const found = library == nullptr ? nullptr : dlsym(library, function);
  return found == nullptr ? kInternalError
                          : reinterpret_cast<int (*)(void*, Result*)>(found)(program, result);
}

}  // namespace

extern "C" {

// Without machine code, for a virtual architecture, the size is 0 as NVIDIA's is.
int nvrtcGetCUBINSize(void* program, size_t* size) {
  const int status = call("nvrtcGetCUBINSize", program, size);
  if (status != kSuccess || size == nullptr || *size == 0) return status;
  return call("nvrtcGetPTXSize", program, size);
}

int nvrtcGetCUBIN(void* program, char* cubin) { return call("nvrtcGetPTX", program, cubin); }

}  // extern "C"
