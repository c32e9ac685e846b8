// Fat binaries, kernels and variables as nvcc's host code registers them when the program starts.
//
// Registration only notes names and addresses. A fat binary is read and its PTX parsed when one of
// its kernels or variables is first used, so a program with hundreds of unused kernels starts fast.
#pragma once

#include <driver_types.h>

#include <array>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "emulator/device/device.h"
#include "emulator/runtime/devices.h"
#include "emulator/runtime/image.h"

namespace slipstream::emulator::runtime {

struct FatBinary;

// What a kernel is and has been told on one device.
struct FunctionOnDevice {
  const Kernel* kernel = nullptr;     // null until first used
  int max_dynamic_shared_bytes = -1;  // cudaFuncAttributeMaxDynamicSharedMemorySize; -1: unset
  int preferred_carveout = -1;
  bool non_portable_cluster = false;
  dim3 required_cluster = {0, 0, 0};
  int cluster_scheduling = 0;
};

// A kernel as the host knows it. Its address is the cudaKernel_t and the cudaFunction_t.
struct Function {
  FatBinary* binary = nullptr;
  const void* host_address = nullptr;
  std::string name;  // mangled
  std::array<FunctionOnDevice, kMaxDevices> devices;

  FunctionOnDevice& on(uint32_t device) { return devices.at(device); }
  FunctionOnDevice& here() { return on(current_device()); }
};

struct Variable {
  FatBinary* binary = nullptr;
  const void* host_address = nullptr;
  std::string name;
  uint64_t size = 0;
  bool constant = false;
  void** managed_pointer = nullptr;  // the host's pointer to a __managed__ variable
};

// What a program registers when it starts, or loads as a library: its address is the cudaLibrary_t.
struct FatBinary {
  const void* image = nullptr;                       // of a registered one
  PtxModules library;                                // of a library; of others empty
  std::optional<uint32_t> only_on;                   // of a module of the driver: its device
  PtxModules parsed;                                 // empty until first used
  std::array<LoadedModule*, kMaxDevices> modules{};  // by device, null until first used
  std::list<Function> functions;
  std::list<Variable> variables;
};

class Registry {
 public:
  FatBinary* add_binary(const void* image);
  // A library that the program unloads waits for its kernels; when the program ends, nothing does.
  enum class Removal : uint8_t { kUnload, kExit };
  void remove_binary(FatBinary* binary, Removal removal);
  Function& add_function(FatBinary* binary, const void* host_address, const char* name);
  Variable& add_variable(FatBinary* binary, const void* host_address, const char* name,
                         uint64_t size, bool constant);

  // A library with all its kernels.
  FatBinary* add_library(PtxModules modules);
  // Throws ApiError cudaErrorInvalidResourceHandle where `handle` is no library.
  FatBinary& library(const void* handle);
  // Throws ApiError cudaErrorSymbolNotFound where the library has no such kernel or variable.
  Function& kernel_of(FatBinary& library, std::string_view name);
  Symbol symbol_of(FatBinary& library, std::string_view name);  // on the current device

  // The kernel that `handle` means: the address of the host's stub, or a handle that was given out.
  // Throws ApiError `otherwise` for anything else.
  Function& function(const void* handle, cudaError_t otherwise = cudaErrorInvalidDeviceFunction);
  // Throws ApiError cudaErrorInvalidSymbol where `symbol` is no registered variable.
  Variable& variable(const void* symbol);

  // The same, loaded on a device: reads the fat binary at the first use.
  const Kernel* kernel(Function& function, uint32_t number = current_device());
  Symbol symbol(const Variable& variable, uint32_t number = current_device());

  // Gives every __managed__ variable of `binary` its address.
  void initialize_managed(FatBinary* binary);
  // Forgets what was loaded on a device (cudaDeviceReset); it is loaded again when it is used.
  void unload_all(uint32_t number);

 private:
  void add_kernel(FatBinary& library, std::string_view name);
  LoadedModule* module(FatBinary& binary, uint32_t number);

  std::list<FatBinary> binaries_;
  std::unordered_map<const void*, Function*> functions_;  // by host address and by handle
  std::unordered_map<const void*, Variable*> variables_;
};

Registry& registry();

}  // namespace slipstream::emulator::runtime
