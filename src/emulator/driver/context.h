// Contexts: what makes a device current in a thread. All contexts of a device share its memory, streams and modules,
// since the runtime knows one for each.
#pragma once

#include <cuda.h>

#include <cstdint>
#include <list>

#include "emulator/runtime/devices.h"

namespace slipstream::emulator::driver {

struct Context {
  uint32_t device = 0;
  unsigned flags = 0;
  uint64_t id = 0;
};

class Contexts {
 public:
  Contexts();

  // There from the start.
  [[nodiscard]] Context& primary(uint32_t device);
  Context& create(uint32_t device, unsigned flags);
  void destroy(Context& context);
  [[nodiscard]] Context* find(CUcontext handle);  // null for what is none
  // Throws ApiError cudaErrorDeviceUninitialized, which is the driver's CUDA_ERROR_INVALID_CONTEXT, for what is none.
  [[nodiscard]] Context& resolve(CUcontext handle);
  [[nodiscard]] bool is_primary(const Context& context) const;

 private:
  std::list<Context> primary_;
  std::list<Context> created_;
  uint64_t next_id_ = 1;
};

// Guarded by the runtime's api_lock().
Contexts& contexts();

inline CUcontext handle_of(const Context& context) {
  return reinterpret_cast<CUcontext>(const_cast<Context*>(&context));
}

// Of this thread: null where none is current.
[[nodiscard]] Context* current_context();
void make_current(const Context& context);
// Contexts are a stack. Popping an empty one throws ApiError cudaErrorDeviceUninitialized.
void push(const Context& context);
Context& pop();

}  // namespace slipstream::emulator::driver
