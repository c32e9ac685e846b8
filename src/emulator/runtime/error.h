// Errors inside the runtime, and how an exported function turns them into a cudaError_t.
//
// The code that exported functions call throws ApiError and returns values; api() around each
// exported function takes the lock, returns a sticky error at once, catches, and keeps the last
// error of the thread.
#pragma once

#include <driver_types.h>

#include <cstdint>
#include <mutex>
#include <stdexcept>
#include <string>

#include "emulator/runtime/devices.h"

namespace slipstream::emulator::runtime {

// The call fails with `code`. The text, if there is one, is worth a line on stderr: the code alone
// would leave the user to guess (an illegal launch shape, a function that does not exist here).
class ApiError : public std::runtime_error {
 public:
  explicit ApiError(cudaError_t code) : std::runtime_error(std::string()), code_(code) {}
  ApiError(cudaError_t code, const std::string& text) : std::runtime_error(text), code_(code) {}
  [[nodiscard]] cudaError_t code() const { return code_; }

 private:
  cudaError_t code_;
};

// Passes on what a function of the API returned.
inline void require_success(cudaError_t code) {
  if (code != cudaSuccess) throw ApiError(code);
}

// Fails with cudaErrorInvalidValue (or `code`) unless `condition` holds.
inline void require(bool condition, cudaError_t code = cudaErrorInvalidValue) {
  if (!condition) throw ApiError(code);
}

const char* error_name(cudaError_t code);
const char* error_text(cudaError_t code);

// One lock for the whole runtime. Recursive: a few functions of the API call others, but none of those
// that wait for work, since a thread that waits lets others have the lock.
std::recursive_mutex& api_lock();

// The error of the last failed call in this thread.
cudaError_t last_error();
void set_last_error(cudaError_t code);
void clear_last_error();

// A fault of a kernel ruins the device for the rest of the process, as on a GPU. A fault is raised
// while grids run but becomes visible at the next call that waits for them (see surface_fault()).
// raise_fault() says whether it is the first.
bool raise_fault(uint32_t device, cudaError_t code);
void surface_fault(uint32_t device);
[[nodiscard]] cudaError_t sticky_error();  // of the thread's device
void forget_faults(uint32_t device);       // cudaDeviceReset()

// While one lives, this thread runs a host function of a stream, which may not call the API.
class InsideHostFunction {
 public:
  InsideHostFunction();
  ~InsideHostFunction();
  InsideHostFunction(const InsideHostFunction&) = delete;
  InsideHostFunction& operator=(const InsideHostFunction&) = delete;

  static bool now();
};

// While one lives, what this thread reports on stderr names this function: one of the driver that is made of those of
// the runtime.
class CalledAs {
 public:
  explicit CalledAs(const char* function);
  ~CalledAs();
  CalledAs(const CalledAs&) = delete;
  CalledAs& operator=(const CalledAs&) = delete;

 private:
  const char* before_;
};

// Maps the exception being handled to an error code and prints its text, if any.
cudaError_t translate_exception(const char* function) noexcept;

// Body of an exported function: `action` throws or returns void.
template <class Action>
cudaError_t api(const char* function, Action&& action) noexcept {
  if (InsideHostFunction::now()) return cudaErrorNotPermitted;
  const std::scoped_lock lock(api_lock());
  current().has_context = true;
  cudaError_t code = sticky_error();
  if (code == cudaSuccess) {
    try {
      action();
      code = sticky_error();
    } catch (...) {
      code = translate_exception(function);
    }
  }
  if (code != cudaSuccess) set_last_error(code);
  return code;
}

// The same for a function that still works after a fault has ruined the device: registration,
// clean-up, plain questions.
template <class Action>
cudaError_t api_always(const char* function, Action&& action) noexcept {
  const std::scoped_lock lock(api_lock());
  try {
    action();
    return cudaSuccess;
  } catch (...) {
    const cudaError_t code = translate_exception(function);
    set_last_error(code);
    return code;
  }
}

}  // namespace slipstream::emulator::runtime
