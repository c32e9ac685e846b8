#include "emulator/runtime/error.h"

#include <fmt/format.h>

#include <array>
#include <cstdio>
#include <new>
#include <utility>

#include "emulator/machine/fault.h"
#include "emulator/machine/launch.h"
#include "emulator/runtime/devices.h"

namespace slipstream::emulator::runtime {
namespace {

thread_local cudaError_t thread_error = cudaSuccess;
thread_local bool inside_host_function = false;
thread_local const char* called_as = nullptr;

// Of each device. Guarded by api_lock().
std::array<cudaError_t, kMaxDevices> pending_faults{};
std::array<cudaError_t, kMaxDevices> visible_faults{};

void print_line(const char* function, const char* text) {
  const char* const name = called_as != nullptr ? called_as : function;
  std::fputs(fmt::format("slipstream emulator: {}: {}\n", name, text).c_str(), stderr);
}

}  // namespace

std::recursive_mutex& api_lock() {
  static std::recursive_mutex lock;
  return lock;
}

cudaError_t last_error() { return thread_error; }
void set_last_error(cudaError_t code) { thread_error = code; }
void clear_last_error() { thread_error = cudaSuccess; }

InsideHostFunction::InsideHostFunction() { inside_host_function = true; }
InsideHostFunction::~InsideHostFunction() { inside_host_function = false; }
bool InsideHostFunction::now() { return inside_host_function; }

CalledAs::CalledAs(const char* function) : before_(std::exchange(called_as, function)) {}
CalledAs::~CalledAs() { called_as = before_; }

bool raise_fault(uint32_t device, cudaError_t code) {
  const bool first = pending_faults.at(device) == cudaSuccess;
  if (first) pending_faults.at(device) = code;
  return first;
}

void surface_fault(uint32_t device) {
  if (visible_faults.at(device) == cudaSuccess)
    visible_faults.at(device) = pending_faults.at(device);
}

cudaError_t sticky_error() { return visible_faults.at(current_device()); }

void forget_faults(uint32_t device) {
  pending_faults.at(device) = cudaSuccess;
  visible_faults.at(device) = cudaSuccess;
}

cudaError_t translate_exception(const char* function) noexcept {
  try {
    throw;
  } catch (const ApiError& error) {
    if (error.what()[0] != '\0') print_line(function, error.what());
    return error.code();
  } catch (const LaunchError& error) {
    print_line(function, error.what());
    return static_cast<cudaError_t>(error.error);
  } catch (const std::bad_alloc&) {
    return cudaErrorMemoryAllocation;
  } catch (const std::exception& error) {
    print_line(function, error.what());
    return cudaErrorUnknown;
  }
}

}  // namespace slipstream::emulator::runtime
