// Bodies of the driver's functions. Most are one call of the runtime, whose objects (streams, events, graphs, memory,
// kernels) are the driver's as well.
#pragma once

#include <cuda.h>
#include <driver_types.h>

#include <cstdint>

#include "emulator/runtime/error.h"

namespace slipstream::emulator::driver {

// What the driver returns where the runtime returns `code`. Most are the same numbers.
[[nodiscard]] CUresult result_of(cudaError_t code) noexcept;

// A function of the driver leaves the runtime's last error alone, and messages name it, not the runtime's functions
// that it is made of.
class DriverCall {
 public:
  explicit DriverCall(const char* function);
  ~DriverCall();
  DriverCall(const DriverCall&) = delete;
  DriverCall& operator=(const DriverCall&) = delete;

 private:
  runtime::CalledAs name_;
  cudaError_t error_before_;
};

// `call` returns a cudaError_t. A function of the runtime makes a context current, one of the driver does not.
template <class Call>
CUresult without_context(const char* function, Call&& call) noexcept {
  const DriverCall scope(function);
  const bool had_context = runtime::current().has_context;
  const cudaError_t code = call();
  runtime::current().has_context = had_context;
  return result_of(code);
}

// The same for a function that needs a current context: one that the program made current, or that the runtime did.
template <class Call>
CUresult with_context(const char* function, Call&& call) noexcept {
  const DriverCall scope(function);
  if (!runtime::current().has_context) return CUDA_ERROR_INVALID_CONTEXT;
  return result_of(call());
}

// The same for what is more than one call of the runtime, or none: `action` throws ApiError or returns void.
template <class Action>
CUresult answer_always(const char* function, Action&& action) noexcept {
  const DriverCall scope(function);
  return result_of(runtime::api_always(function, action));
}
template <class Action>
CUresult answer(const char* function, Action&& action) noexcept {
  return with_context(function, [&] { return runtime::api(function, action); });
}

// The driver's addresses are numbers.
[[nodiscard]] inline void* pointer(CUdeviceptr address) {
  return reinterpret_cast<void*>(address);  // NOLINT(performance-no-int-to-ptr)
}
[[nodiscard]] inline void** pointer(CUdeviceptr* address) {
  return reinterpret_cast<void**>(address);
}

}  // namespace slipstream::emulator::driver
