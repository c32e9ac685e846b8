// Modules and libraries: device code that a program hands over as PTX, as text or in a fat binary. Both are the
// runtime's libraries; a module belongs to the device that was current when it was loaded.
#include <cuda.h>
#include <cuda_runtime_api.h>

#include <memory>

#include "emulator/driver/call.h"
#include "emulator/driver/compiler_log.h"
#include "emulator/runtime/image.h"
#include "emulator/runtime/memory.h"
#include "emulator/runtime/registry.h"

using namespace slipstream::emulator;
using namespace slipstream::emulator::driver;
using namespace slipstream::emulator::runtime;

namespace {

template <class Parse>
FatBinary* load(const CompilerLog& log, Parse parse) {
  try {
    return registry().add_library(parse());
  } catch (const ApiError& error) {
    log.write(error.what());
    throw;
  }
}

template <class Parse>
CUresult load_module(const char* function, CUmodule* module, const CompilerLog& log, Parse parse) {
  return answer(function, [&] {
    require(module != nullptr);
    FatBinary* const loaded = load(log, parse);
    loaded->only_on = current_device();
    *module = reinterpret_cast<CUmodule>(loaded);
  });
}

CUresult load_module_data(const char* function, CUmodule* module, const void* image,
                          const CompilerLog& log) {
  return load_module(function, module, log, [&] {
    require(image != nullptr);
    return load_image_data(image);
  });
}

Function& kernel_of(CUkernel kernel) { return registry().function(kernel); }

}  // namespace

extern "C" {

CUresult cuModuleLoad(CUmodule* module, const char* path) {
  return load_module("cuModuleLoad", module, CompilerLog(), [&] {
    require(path != nullptr);
    return load_image_file(path);
  });
}

CUresult cuModuleLoadData(CUmodule* module, const void* image) {
  return load_module_data("cuModuleLoadData", module, image, CompilerLog());
}

CUresult cuModuleLoadDataEx(CUmodule* module, const void* image, unsigned count,
                            CUjit_option* options, void** values) {
  if (count != 0 && (options == nullptr || values == nullptr)) return CUDA_ERROR_INVALID_VALUE;
  return load_module_data("cuModuleLoadDataEx", module, image, {count, options, values});
}

CUresult cuModuleLoadFatBinary(CUmodule* module, const void* image) {
  return load_module_data("cuModuleLoadFatBinary", module, image, CompilerLog());
}

CUresult cuModuleUnload(CUmodule module) {
  return with_context("cuModuleUnload",
                      [&] { return cudaLibraryUnload(reinterpret_cast<cudaLibrary_t>(module)); });
}

CUresult cuModuleGetLoadingMode(CUmoduleLoadingMode* mode) {
  if (mode == nullptr) return CUDA_ERROR_INVALID_VALUE;
  *mode = CU_MODULE_LAZY_LOADING;
  return CUDA_SUCCESS;
}

CUresult cuModuleGetFunction(CUfunction* function, CUmodule module, const char* name) {
  return with_context("cuModuleGetFunction", [&] {
    return cudaLibraryGetKernel(reinterpret_cast<cudaKernel_t*>(function),
                                reinterpret_cast<cudaLibrary_t>(module), name);
  });
}

CUresult cuModuleGetFunctionCount(unsigned* count, CUmodule module) {
  return with_context("cuModuleGetFunctionCount", [&] {
    return cudaLibraryGetKernelCount(count, reinterpret_cast<cudaLibrary_t>(module));
  });
}

CUresult cuModuleEnumerateFunctions(CUfunction* functions, unsigned count, CUmodule module) {
  return with_context("cuModuleEnumerateFunctions", [&] {
    return cudaLibraryEnumerateKernels(reinterpret_cast<cudaKernel_t*>(functions), count,
                                       reinterpret_cast<cudaLibrary_t>(module));
  });
}

CUresult cuModuleGetGlobal(CUdeviceptr* address, size_t* bytes, CUmodule module, const char* name) {
  return with_context("cuModuleGetGlobal", [&] {
    return cudaLibraryGetGlobal(pointer(address), bytes, reinterpret_cast<cudaLibrary_t>(module),
                                name);
  });
}

// --- Libraries: modules of all devices.

CUresult cuLibraryLoadData(CUlibrary* library, const void* code, CUjit_option* options,
                           void** values, unsigned count, CUlibraryOption* /*library_options*/,
                           void** /*library_values*/, unsigned /*library_count*/) {
  if (count != 0 && (options == nullptr || values == nullptr)) return CUDA_ERROR_INVALID_VALUE;
  return answer_always("cuLibraryLoadData", [&] {
    require(library != nullptr && code != nullptr);
    const CompilerLog log(count, options, values);
    *library = reinterpret_cast<CUlibrary>(load(log, [&] { return load_image_data(code); }));
  });
}

CUresult cuLibraryLoadFromFile(CUlibrary* library, const char* path, CUjit_option* options,
                               void** values, unsigned count, CUlibraryOption* /*library_options*/,
                               void** /*library_values*/, unsigned /*library_count*/) {
  if (count != 0 && (options == nullptr || values == nullptr)) return CUDA_ERROR_INVALID_VALUE;
  return answer_always("cuLibraryLoadFromFile", [&] {
    require(library != nullptr && path != nullptr);
    const CompilerLog log(count, options, values);
    *library = reinterpret_cast<CUlibrary>(load(log, [&] { return load_image_file(path); }));
  });
}

CUresult cuLibraryUnload(CUlibrary library) {
  return without_context("cuLibraryUnload", [&] {
    return cudaLibraryUnload(reinterpret_cast<cudaLibrary_t>(library));
  });
}

CUresult cuLibraryGetKernel(CUkernel* kernel, CUlibrary library, const char* name) {
  return without_context("cuLibraryGetKernel", [&] {
    return cudaLibraryGetKernel(reinterpret_cast<cudaKernel_t*>(kernel),
                                reinterpret_cast<cudaLibrary_t>(library), name);
  });
}

CUresult cuLibraryGetKernelCount(unsigned* count, CUlibrary library) {
  return without_context("cuLibraryGetKernelCount", [&] {
    return cudaLibraryGetKernelCount(count, reinterpret_cast<cudaLibrary_t>(library));
  });
}

CUresult cuLibraryEnumerateKernels(CUkernel* kernels, unsigned count, CUlibrary library) {
  return without_context("cuLibraryEnumerateKernels", [&] {
    return cudaLibraryEnumerateKernels(reinterpret_cast<cudaKernel_t*>(kernels), count,
                                       reinterpret_cast<cudaLibrary_t>(library));
  });
}

CUresult cuLibraryGetModule(CUmodule* module, CUlibrary library) {
  return answer("cuLibraryGetModule", [&] {
    require(module != nullptr);
    *module = reinterpret_cast<CUmodule>(&registry().library(library));
  });
}

CUresult cuLibraryGetGlobal(CUdeviceptr* address, size_t* bytes, CUlibrary library,
                            const char* name) {
  return with_context("cuLibraryGetGlobal", [&] {
    return cudaLibraryGetGlobal(pointer(address), bytes, reinterpret_cast<cudaLibrary_t>(library),
                                name);
  });
}

CUresult cuLibraryGetManaged(CUdeviceptr* address, size_t* bytes, CUlibrary library,
                             const char* name) {
  return without_context("cuLibraryGetManaged", [&] {
    return cudaLibraryGetManaged(pointer(address), bytes, reinterpret_cast<cudaLibrary_t>(library),
                                 name);
  });
}

// --- Kernels: functions of all devices. Both are the runtime's.

CUresult cuKernelGetFunction(CUfunction* function, CUkernel kernel) {
  return answer("cuKernelGetFunction", [&] {
    require(function != nullptr);
    *function = reinterpret_cast<CUfunction>(&kernel_of(kernel));
  });
}

CUresult cuKernelGetLibrary(CUlibrary* library, CUkernel kernel) {
  return answer_always("cuKernelGetLibrary", [&] {
    require(library != nullptr);
    *library = reinterpret_cast<CUlibrary>(kernel_of(kernel).binary);
  });
}

CUresult cuFuncGetModule(CUmodule* module, CUfunction function) {
  return answer_always("cuFuncGetModule", [&] {
    require(module != nullptr);
    *module = reinterpret_cast<CUmodule>(registry().function(function).binary);
  });
}

}  // extern "C"
