// The functions that nvcc's generated host code calls: registration when the program starts, and
// the two halves of <<<>>>.
#include <driver_types.h>
#include <vector_types.h>

#include <vector>

#include "emulator/runtime/error.h"
#include "emulator/runtime/registry.h"

using namespace slipstream::emulator::runtime;

namespace {

// What <<<>>> pushes and the kernel's stub pops.
struct CallConfiguration {
  dim3 grid;
  dim3 block;
  size_t dynamic_shared_bytes = 0;
  cudaStream_t stream = nullptr;
};

std::vector<CallConfiguration>& configurations() {
  thread_local std::vector<CallConfiguration> stack;
  return stack;
}

FatBinary* binary_of(void** handle) { return reinterpret_cast<FatBinary*>(handle); }

}  // namespace

// NOLINTBEGIN(bugprone-reserved-identifier): names that the compiler of CUDA chose
extern "C" {

void** __cudaRegisterFatBinary(void* image) {
  const std::scoped_lock lock(api_lock());
  return reinterpret_cast<void**>(registry().add_binary(image));
}

void __cudaRegisterFatBinaryEnd(void** /*handle*/) {}

void __cudaUnregisterFatBinary(void** handle) {
  const std::scoped_lock lock(api_lock());
  registry().remove_binary(binary_of(handle), Registry::Removal::kExit);
}

char __cudaInitModule(void** handle) {
  return static_cast<char>(api("__cudaInitModule", [&] {
                             registry().initialize_managed(binary_of(handle));
                           }) == cudaSuccess);
}

void __cudaRegisterFunction(void** handle, const char* host_function, char* /*device_function*/,
                            const char* device_name, int /*thread_limit*/, uint3* /*thread*/,
                            uint3* /*block*/, dim3* /*block_size*/, dim3* /*grid_size*/,
                            int* /*warp_size*/) {
  const std::scoped_lock lock(api_lock());
  registry().add_function(binary_of(handle), host_function, device_name);
}

void __cudaRegisterVar(void** handle, char* host_variable, char* /*device_address*/,
                       const char* device_name, int /*is_extern*/, size_t size, int constant,
                       int /*is_global*/) {
  const std::scoped_lock lock(api_lock());
  registry().add_variable(binary_of(handle), host_variable, device_name, size, constant != 0);
}

void __cudaRegisterManagedVar(void** handle, void** host_pointer, char* /*device_address*/,
                              const char* device_name, int /*is_extern*/, size_t size, int constant,
                              int /*is_global*/) {
  const std::scoped_lock lock(api_lock());
  registry()
      .add_variable(binary_of(handle), host_pointer, device_name, size, constant != 0)
      .managed_pointer = host_pointer;
}

// Variables that live in host memory, and device-linked function tables: nothing here uses them.
void __cudaRegisterHostVar(void** /*handle*/, const char* /*name*/, char* /*host_variable*/,
                           size_t /*size*/) {}
void __cudaRegisterUnifiedTable(void** /*handle*/, void* /*table*/) {}

unsigned int __cudaPushCallConfiguration(dim3 grid, dim3 block, size_t dynamic_shared_bytes,
                                         cudaStream_t stream) {
  configurations().push_back({grid, block, dynamic_shared_bytes, stream});
  return 0;
}

cudaError_t __cudaPopCallConfiguration(dim3* grid, dim3* block, size_t* dynamic_shared_bytes,
                                       void* stream) {
  return api_always("__cudaPopCallConfiguration", [&] {
    require(!configurations().empty(), cudaErrorMissingConfiguration);
    const CallConfiguration& top = configurations().back();
    *grid = top.grid;
    *block = top.block;
    *dynamic_shared_bytes = top.dynamic_shared_bytes;
    *static_cast<cudaStream_t*>(stream) = top.stream;
    configurations().pop_back();
  });
}

cudaError_t __cudaGetKernel(cudaKernel_t* kernel, const void* host_function) {
  return api_always("__cudaGetKernel", [&] {
    *kernel = reinterpret_cast<cudaKernel_t>(&registry().function(host_function));
  });
}

}  // extern "C"
// NOLINTEND(bugprone-reserved-identifier)
