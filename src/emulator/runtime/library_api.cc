// Libraries: device code that a program loads while it runs.
#include <cuda_runtime_api.h>

#include <algorithm>

#include "emulator/runtime/error.h"
#include "emulator/runtime/image.h"
#include "emulator/runtime/memory.h"
#include "emulator/runtime/registry.h"

using namespace slipstream::emulator;
using namespace slipstream::emulator::runtime;

namespace {

cudaLibrary_t handle_of(FatBinary* library) { return reinterpret_cast<cudaLibrary_t>(library); }
cudaKernel_t handle_of(Function& kernel) { return reinterpret_cast<cudaKernel_t>(&kernel); }

void give(const Symbol& symbol, void** address, size_t* bytes) {
  if (address != nullptr) *address = pointer_to(symbol.address);
  if (bytes != nullptr) *bytes = symbol.size;
}

bool is_managed(const FatBinary& library, std::string_view name) {
  return std::ranges::any_of(library.library, [&](const auto& module) {
    const auto* const variable = module->find_variable(name);
    return variable != nullptr && variable->attribute.find(".managed") != std::string_view::npos;
  });
}

}  // namespace

extern "C" {

// The options are hints to a compiler that is not here, and say whether the code may be forgotten
// before it is used; it is parsed at once.
cudaError_t cudaLibraryLoadData(cudaLibrary_t* library, const void* code,
                                cudaJitOption* /*options*/, void** /*values*/,
                                unsigned int /*count*/, cudaLibraryOption* /*library_options*/,
                                void** /*library_values*/, unsigned int /*library_count*/) {
  return api("cudaLibraryLoadData", [&] {
    require(library != nullptr && code != nullptr);
    *library = handle_of(registry().add_library(load_image_data(code)));
  });
}

cudaError_t cudaLibraryLoadFromFile(cudaLibrary_t* library, const char* path,
                                    cudaJitOption* /*options*/, void** /*values*/,
                                    unsigned int /*count*/, cudaLibraryOption* /*library_options*/,
                                    void** /*library_values*/, unsigned int /*library_count*/) {
  return api("cudaLibraryLoadFromFile", [&] {
    require(library != nullptr && path != nullptr);
    *library = handle_of(registry().add_library(load_image_file(path)));
  });
}

cudaError_t cudaLibraryUnload(cudaLibrary_t library) {
  return api("cudaLibraryUnload", [&] {
    registry().remove_binary(&registry().library(library), Registry::Removal::kUnload);
  });
}

cudaError_t cudaLibraryGetKernel(cudaKernel_t* kernel, cudaLibrary_t library, const char* name) {
  return api("cudaLibraryGetKernel", [&] {
    require(kernel != nullptr && name != nullptr);
    *kernel = handle_of(registry().kernel_of(registry().library(library), name));
  });
}

cudaError_t cudaLibraryGetKernelCount(unsigned int* count, cudaLibrary_t library) {
  return api("cudaLibraryGetKernelCount", [&] {
    require(count != nullptr);
    *count = static_cast<unsigned>(registry().library(library).functions.size());
  });
}

cudaError_t cudaLibraryEnumerateKernels(cudaKernel_t* kernels, unsigned int count,
                                        cudaLibrary_t library) {
  return api("cudaLibraryEnumerateKernels", [&] {
    require(kernels != nullptr);
    for (Function& function : registry().library(library).functions) {
      if (count-- == 0) return;
      *kernels++ = handle_of(function);
    }
  });
}

cudaError_t cudaLibraryGetGlobal(void** address, size_t* bytes, cudaLibrary_t library,
                                 const char* name) {
  return api("cudaLibraryGetGlobal", [&] {
    require(name != nullptr);
    give(registry().symbol_of(registry().library(library), name), address, bytes);
  });
}

cudaError_t cudaLibraryGetManaged(void** address, size_t* bytes, cudaLibrary_t library,
                                  const char* name) {
  return api("cudaLibraryGetManaged", [&] {
    require(name != nullptr);
    FatBinary& from = registry().library(library);
    require(is_managed(from, name), cudaErrorSymbolNotFound);
    give(registry().symbol_of(from, name), address, bytes);
  });
}

}  // extern "C"
